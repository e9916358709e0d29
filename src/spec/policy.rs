use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::vocab::signal::Signal;

/// When a run that ended by itself is followed by another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RestartPolicy {
    /// However it ended.
    Always,
    /// When it ended otherwise than with a success exit code.
    OnFailure,
    /// Never.
    Never,
}

/// How long to wait after failures, and what counts as one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Backoff {
    /// The first wait.
    pub initial: Duration,
    /// The longest wait.
    pub max: Duration,
    /// How each further wait is longer.
    pub growth: Growth,
    /// Each wait is shortened by up to this share of it, at random: from 0 to 1.
    pub jitter: f64,
    /// A run of this length forgets all earlier failures.
    pub reset_after: Duration,
    /// So many quick failures in a row are retried; one more is fatal.
    pub max_retries: u32,
    /// What a run that ended before it had proven itself is.
    pub early_exit: EarlyExit,
}

/// How often a service may be started, whatever comes of its runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StartLimit {
    /// So many starts; at least 1.
    pub starts: u32,
    /// Within so long; one more is fatal.
    pub within: Duration,
}

/// How waits grow from one quick failure to the next.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Growth {
    /// The first failure is followed by a new run at once; the second waits `initial`, each further one so many times
    /// longer. At least 1.
    Factor(f64),
    /// The first failure waits `initial`, each further one that much longer, as in supervisord.
    Linear,
}

/// What a run is that ended within `min_uptime`, or before it was ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EarlyExit {
    /// What its exit code and the restart policy make of it: a success may leave it completed.
    Judged,
    /// A failure that is tried again, whatever its exit code and the restart policy, as in supervisord.
    Failed,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            initial: Duration::from_millis(500),
            max: Duration::from_secs(30),
            growth: Growth::Factor(2.0),
            jitter: 0.0,
            reset_after: Duration::from_secs(60),
            max_retries: 10,
            early_exit: EarlyExit::Judged,
        }
    }
}

/// How a run is ended: the signal first, SIGKILL to the whole tree after the timeout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stop {
    /// The signal that asks it to end.
    pub signal: Signal,
    /// How long it may take.
    pub timeout: Duration,
    /// Who is asked first.
    pub asks: Asked,
}

/// Who gets the signal that asks a run to end. Whoever is left of its tree is asked once the main process has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// The main process.
    Main,
    /// The main process and all of its process group at once.
    Group,
}

impl Default for Stop {
    fn default() -> Self {
        Self { signal: Signal::TERM, timeout: Duration::from_secs(10), asks: Asked::Main }
    }
}

/// What happens when somebody else holds a port that a service is about to listen on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum PortConflict {
    /// A stray of the fleet is ended; for anybody else the service waits, and starts when the port is free.
    #[default]
    Wait,
    /// The service is fatal at once.
    Fail,
    /// Whoever it is is ended, as a flush with consent would; who may not be is waited for.
    Flush,
}

/// What becomes of those that need a service when a run of it fails and is followed by another.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Recovery {
    /// They are taken down, and brought back after it: what they had of the old run, they cannot have of the new one.
    #[default]
    WithDependents,
    /// They stay, unless it is given up (dinit's `smooth-recovery`).
    Smooth,
}
