use std::time::Duration;

/// What a service may use. The system itself holds a process to all but `memory_bytes` (setrlimit(2)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// Resident bytes of its whole tree; more ends the run, which has failed.
    pub memory_bytes: Option<u64>,
    /// How many files each process may have open.
    pub open_files: Option<u64>,
    /// How many processes and threads its user may have, on the whole machine.
    pub processes: Option<u64>,
    /// How large a core dump may be; 0 for none.
    pub core_bytes: Option<u64>,
    /// How much CPU time each process may use before SIGXCPU, to the second.
    pub cpu_time: Option<Duration>,
}

impl Limits {
    /// How far apart two looks at the memory of a tree are.
    pub const MEMORY_INTERVAL: Duration = Duration::from_secs(2);

    /// Whether processes that were started under either are held to the same.
    pub fn hold_like(&self, other: &Self) -> bool {
        Self { memory_bytes: None, ..*self } == Self { memory_bytes: None, ..*other }
    }
}
