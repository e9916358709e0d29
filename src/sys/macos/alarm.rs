use std::io;

use super::pidfd::unsupported;

/// Nobody tells when the clock is set.
pub(in crate::sys) async fn until(_unix_ms: u64) -> io::Result<()> {
    Err(unsupported("timerfd"))
}
