use std::time::Duration;

/// What the system holds a process to (setrlimit(2)); what is not given stays as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rlimits {
    /// How many files it may have open (RLIMIT_NOFILE).
    pub open_files: Option<u64>,
    /// How many processes and threads its user may have, on the whole machine (RLIMIT_NPROC).
    pub processes: Option<u64>,
    /// How large its core dump may be, in bytes; 0 for none (RLIMIT_CORE).
    pub core_bytes: Option<u64>,
    /// How much CPU time it may use before SIGXCPU, to the second (RLIMIT_CPU).
    pub cpu_time: Option<Duration>,
}

/// What a supervisor and its services may have at least: limits that are lower are raised, and none is lowered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Least {
    /// How many open files (RLIMIT_NOFILE).
    pub open_files: u64,
    /// How many processes and threads of one user (RLIMIT_NPROC).
    pub processes: u64,
}
