use std::time::{Duration, Instant};

use super::loss::Wait;

/// Whether the disk takes what comes.
#[derive(Debug)]
pub(super) enum Disk {
    Well,
    /// Nothing is taken out of the pipe. The service waits when that is full, and nobody else does.
    Stuck {
        retry_at: Instant,
        pause: Duration,
        /// So long that is told of.
        told: Wait,
    },
}
