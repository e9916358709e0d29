use crate::vocab::identity::Identity;
use crate::vocab::moment::Moment;
use crate::vocab::name::ServiceName;
use crate::vocab::run::RunId;
use crate::vocab::state::Goal;

/// What is remembered of a service from one supervisor to the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Survivor {
    /// Which service.
    pub service: ServiceName,
    /// What was wanted of it.
    pub goal: Goal,
    /// How often it was started again by itself.
    pub restarts: u64,
    /// How many quick failures in a row it has behind it.
    pub failures: u32,
    /// Its process, if one lives.
    pub live: Option<LiveMemory>,
}

/// A live process as it is remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LiveMemory {
    /// The run.
    pub run: RunId,
    /// Its main process, proven to be alive by whoever hands this over.
    pub identity: Identity,
    /// When it was started.
    pub since: Moment,
    /// How far it had come.
    pub progress: Progress,
}

/// How far a live process had come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// It had not proven itself.
    Starting,
    /// It had proven itself.
    Ready,
    /// It was asked to end, and is killed at this time.
    Stopping {
        /// When.
        kill_at: Moment,
    },
}
