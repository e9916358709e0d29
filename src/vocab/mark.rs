use serde::{Deserialize, Serialize};

use super::cause::Record;
use super::identity::Pid;
use super::name::ServiceName;
use super::run::RunId;

/// The beginning of a run as it is kept: a line of JSON on the disk, among those of ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Began {
    /// The version of this form.
    pub v: u32,
    /// The run.
    pub began: RunId,
    /// When, in milliseconds since 1970 UTC: after the end of the run before it, and before anything that it has written.
    pub unix_ms: u64,
    /// The process that it began with.
    pub pid: Pid,
}

impl Began {
    /// The version that is written.
    pub const VERSION: u32 = 1;
}

/// What separates the output of one run from that of the next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Turn {
    /// A run has ended, and all that it had written is in its files by then.
    Ended(Box<Record>),
    /// A run has begun.
    Began(Began),
}

impl Turn {
    /// When, in milliseconds since 1970 UTC.
    pub fn unix_ms(&self) -> u64 {
        match self {
            Self::Ended(record) => record.unix_ms,
            Self::Began(began) => began.unix_ms,
        }
    }

    /// Whether it stands before a line that arrived at this time. A run's lines arrived before its end was told, or in the same
    /// millisecond, and after its beginning, or in the same.
    pub fn stands_before(&self, line_unix_ms: u64) -> bool {
        match self {
            Self::Ended(record) => record.unix_ms < line_unix_ms,
            Self::Began(began) => began.unix_ms <= line_unix_ms,
        }
    }

    /// By what they are sorted: those that stand before lines of their own time come first.
    pub fn rank(&self) -> (u64, bool) {
        (self.unix_ms(), !self.stands_before(self.unix_ms()))
    }
}

/// The beginning or the end of a run of a service, as it stands between the lines of its log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// The service.
    pub service: ServiceName,
    /// What it marks.
    pub turn: Turn,
}
