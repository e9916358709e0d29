use std::time::Duration;

use crate::vocab::rlimits::Rlimits;

/// What a service may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// Resident bytes of its whole tree; more ends the run, which has failed.
    pub memory_bytes: Option<u64>,
    /// How many thousandths of one processor its tree may use, where its cgroup can hold it to that.
    pub cpu_millis: Option<u32>,
    /// What the system itself holds each of its processes to.
    pub rlimits: Rlimits,
}

impl Limits {
    /// How far apart two looks at the memory of a tree are.
    pub const MEMORY_INTERVAL: Duration = Duration::from_secs(2);

    /// The least share of a processor that the kernel gives, in thousandths.
    const CPU_MILLIS_MIN: u32 = 10;

    /// A number of processors in thousandths of one; none if it is no share that can be given.
    pub fn cpu_millis(processors: f64) -> Option<u32> {
        // So many processors are so many seconds of each second.
        let share = Duration::try_from_secs_f64(processors).ok()?;
        u32::try_from(share.as_millis()).ok().filter(|millis| *millis >= Self::CPU_MILLIS_MIN)
    }
}
