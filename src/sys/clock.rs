use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::time::{ClockId, clock_gettime};

use super::os;
use crate::vocab::measure::millis;
use crate::vocab::moment::Moment;

/// This moment by `CLOCK_MONOTONIC` (clock_gettime(2)): the same for every process of this boot, and it never jumps.
pub fn now() -> Moment {
    let time = clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(Duration::ZERO, Duration::from);
    Moment::since_boot(time)
}

/// The wall clock, in milliseconds since 1970 UTC. For showing, never for waiting.
pub fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    millis(since)
}

/// Lets the waits of this thread end when they are over, and not up to 50 µs later, as the kernel does unasked to wake several
/// threads at once.
pub fn wake_on_time() {
    os::rest::wake_on_time();
}

/// A text that differs from boot to boot: the kernel's boot id on Linux, the time of the boot on macOS.
pub fn boot_id() -> String {
    os::rest::boot_id()
}
