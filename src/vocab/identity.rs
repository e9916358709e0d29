use std::fmt;

use serde::{Deserialize, Serialize};

/// A process: its pid and the time it was started. A pid alone is a rumour, for the kernel gives it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Identity {
    /// The process id.
    pub pid: Pid,
    /// When the kernel says it was started.
    pub started: StartTime,
}

/// A process id, always positive: 0 and negative numbers mean groups to `kill(2)` and cannot be said with this type.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema,
)]
#[schema(value_type = i32)]
#[serde(try_from = "i32", into = "i32")]
pub struct Pid(i32);

/// A start time in the kernel's own unit: clock ticks since boot on Linux (proc_pid_stat(5), field 22), microseconds
/// since the epoch on macOS. Comparable only with another of the same boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StartTime(pub u64);

impl Pid {
    /// The first process of the system, or of its namespace: init.
    pub const FIRST: Self = Self(1);

    /// A positive number as a pid.
    pub fn new(raw: i32) -> Option<Self> {
        (raw > 0).then_some(Self(raw))
    }

    /// The number, for the system calls and for people.
    pub fn as_raw(self) -> i32 {
        self.0
    }
}

impl fmt::Display for Pid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl TryFrom<i32> for Pid {
    type Error = String;
    fn try_from(raw: i32) -> Result<Self, String> {
        Self::new(raw).ok_or_else(|| format!("{raw} is not a process id"))
    }
}

impl From<Pid> for i32 {
    fn from(pid: Pid) -> Self {
        pid.0
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pid {}", self.pid)
    }
}
