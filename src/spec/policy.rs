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

/// How long to wait after failures. The first quick failure is followed by a new run at once; the second waits
/// `initial`, each further one `factor` times longer, up to `max`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Backoff {
    /// The first wait.
    pub initial: Duration,
    /// The longest wait.
    pub max: Duration,
    /// What each wait is multiplied by; at least 1.
    pub factor: f64,
    /// A run of this length forgets all earlier failures.
    pub reset_after: Duration,
    /// So many quick failures in a row are retried; one more is fatal.
    pub max_retries: u32,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            initial: Duration::from_millis(500),
            max: Duration::from_secs(30),
            factor: 2.0,
            reset_after: Duration::from_secs(60),
            max_retries: 10,
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
}

impl Default for Stop {
    fn default() -> Self {
        Self { signal: Signal::TERM, timeout: Duration::from_secs(10) }
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
