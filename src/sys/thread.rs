use std::cell::Cell;
use std::thread;
use std::time::Duration;

use super::os;

thread_local! {
    /// What this thread had used of the processors when it last gave way; none if it does not stand back.
    static STANDS_BACK: Cell<Option<Used>> = const { Cell::new(None) };
}

/// What a thread has used of the processors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sys) struct Used {
    pub(in crate::sys) cpu: Duration,
    /// How often another was given its processor while it had more to do.
    pub(in crate::sys) preemptions: u64,
}

/// A thread that stands back rests so many times as long as it has worked: who shares caches and memory with it is slowed down by its
/// work also where each has a processor.
const REST_RATIO: u32 = 3;
/// Where others want the processors it rests so many times as long, …
const REST_RATIO_AMONG_OTHERS: u32 = 9;
/// … but no longer than this at once.
const REST_MAX: Duration = Duration::from_millis(100);

/// From here on this thread gets what processor time others leave. A system that refuses leaves it as it is.
pub fn stand_back() {
    os::rest::stand_back();
    STANDS_BACK.set(os::rest::used());
}

/// A thread that stands back says by this, every millisecond or so, that it could rest. It does, and longer where somebody waits
/// for a processor: niceness alone is not enough, since Linux weighs whole sessions and control groups against each other first
/// (sched(7), autogroups).
pub fn give_way() {
    let (Some(before), Some(now)) = (STANDS_BACK.get(), os::rest::used()) else { return };
    let ratio = if now.preemptions > before.preemptions { REST_RATIO_AMONG_OTHERS } else { REST_RATIO };
    thread::sleep((now.cpu.saturating_sub(before.cpu) * ratio).min(REST_MAX));
    // The rest is no preemption.
    STANDS_BACK.set(os::rest::used());
}
