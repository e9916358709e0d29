use super::event::Obstacle;

/// What keeps a service from being well, beyond what its phase says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// Its process could not be made.
    NotSpawned(Obstacle),
    /// It was started as often as it may be.
    StartedTooOften,
    /// Its last look found this.
    Unfit(String),
    /// Its run ends, or has ended, though it was wanted.
    Condemned(Condemned),
}

/// Why a run ends that was wanted: it is unhealthy, uses too much, or is too old.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condemned {
    /// What was found.
    pub cause: String,
    /// What follows.
    pub remedy: Remedy,
}

/// What follows when a run was ended that was wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// Another run.
    Restart,
    /// Nothing.
    Stop,
    /// What follows any run that has failed.
    Fail,
    /// Another run, and nothing has failed.
    Renew,
}

impl Trouble {
    pub(super) fn condemned(cause: String, remedy: Remedy) -> Self {
        Self::Condemned(Condemned { cause, remedy })
    }

    /// Why its run ends, if that was wanted, and what follows.
    pub(super) fn condemnation(&self) -> Option<&Condemned> {
        match self {
            Self::Condemned(condemned) => Some(condemned),
            Self::NotSpawned(_) | Self::Unfit(_) | Self::StartedTooOften => None,
        }
    }
}

/// What follows the end of a run that was ended though it was wanted; none if it was not.
pub(super) fn remedy(trouble: Option<&Trouble>) -> Option<Remedy> {
    trouble?.condemnation().map(|condemned| condemned.remedy)
}
