use std::collections::BTreeMap;
use std::time::Duration;

use super::service::Command;

/// When in the life of a service a command of its own is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Occasion {
    /// Before its process is made; a command that fails is a start that fails.
    PreStart,
    /// When a run is ready.
    PostStart,
    /// Before its process is asked to end.
    PreStop,
    /// When its process has ended, however that came; the next run begins after it.
    PostStop,
    /// When a run has failed, or could not be started.
    OnFailure,
}

impl Occasion {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::PreStart, Self::PostStart, Self::PreStop, Self::PostStop, Self::OnFailure];

    /// Its key in the config, and its name in the event that the command is given.
    pub fn key(self) -> &'static str {
        match self {
            Self::PreStart => "pre_start",
            Self::PostStart => "post_start",
            Self::PreStop => "pre_stop",
            Self::PostStop => "post_stop",
            Self::OnFailure => "on_failure",
        }
    }
}

/// A command that is run on an occasion, in the directory, environment and user of its service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    /// What is run.
    pub command: Command,
    /// How long it may take; then its whole tree is ended, and it has failed.
    pub timeout: Duration,
}

impl Hook {
    /// How long it may take unless the config says otherwise.
    pub const TIMEOUT: Duration = Duration::from_secs(30);
}

/// The hooks of a service.
pub type Hooks = BTreeMap<Occasion, Hook>;
