use std::io;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};

use crate::sys::socket;

/// Waits until the wall clock shows this time, or is set: then the kernel ends the wait (`TFD_TIMER_CANCEL_ON_SET` of
/// timerfd_create(2)). A time that passes while the machine sleeps ends it when the machine wakes.
pub(in crate::sys) async fn until(unix_ms: u64) -> io::Result<()> {
    let timer = TimerFd::new(ClockId::CLOCK_REALTIME, TimerFlags::TFD_CLOEXEC | TimerFlags::TFD_NONBLOCK)?;
    // A time of zero would disarm it.
    let at = TimeSpec::from_duration(Duration::from_millis(unix_ms.max(1)));
    let flags = TimerSetTimeFlags::TFD_TIMER_ABSTIME | TimerSetTimeFlags::TFD_TIMER_CANCEL_ON_SET;
    timer.set(Expiration::OneShot(at), flags)?;
    let second = socket::second(&timer)?;
    loop {
        let mut ready = second.readable().await?;
        match timer.wait() {
            Ok(()) | Err(Errno::ECANCELED) => return Ok(()),
            Err(Errno::EAGAIN) => ready.clear_ready(),
            Err(errno) => return Err(errno.into()),
        }
    }
}
