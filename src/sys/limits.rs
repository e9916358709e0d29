use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// What a process is held to (setrlimit(2)); what is not given stays as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rlimits {
    /// How many files it may have open (RLIMIT_NOFILE).
    pub open_files: Option<u64>,
    /// How many processes and threads its user may have (RLIMIT_NPROC).
    pub processes: Option<u64>,
    /// How large its core dump may be, in bytes (RLIMIT_CORE).
    pub core_bytes: Option<u64>,
    /// How much CPU time it may use, in seconds (RLIMIT_CPU).
    pub cpu_seconds: Option<u64>,
}

impl Rlimits {
    /// Holds this process to them. It makes system calls alone, and may be called between fork and exec.
    ///
    /// # Errors
    /// EPERM: more than the hard limit is for root alone.
    pub fn take_on(&self) -> nix::Result<()> {
        let limits = [
            (Resource::RLIMIT_NOFILE, self.open_files),
            (Resource::RLIMIT_CORE, self.core_bytes),
            (Resource::RLIMIT_CPU, self.cpu_seconds),
        ];
        for (resource, limit) in limits {
            if let Some(limit) = limit {
                setrlimit(resource, limit, limit)?;
            }
        }
        self.processes.map_or(Ok(()), limit_processes)
    }
}

/// nix knows RLIMIT_NPROC on Linux alone.
fn limit_processes(count: u64) -> nix::Result<()> {
    let limits = libc::rlimit { rlim_cur: count, rlim_max: count };
    // SAFETY: the pointer is to a live variable of that type.
    let done = unsafe { libc::setrlimit(libc::RLIMIT_NPROC, &raw const limits) };
    Errno::result(done).map(drop)
}

/// Raises the soft limit of open files to the hard one (getrlimit(2)); a system that refuses leaves it as it was.
pub fn raise_open_files() {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return };
    if soft < hard {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}

/// How many files this process may have open (getrlimit(2)); as few as POSIX promises where the system does not say.
pub fn open_files() -> usize {
    const POSIX_OPEN_MAX: usize = 20;
    let soft =
        getrlimit(Resource::RLIMIT_NOFILE).map(|(soft, _)| usize::try_from(soft).unwrap_or(usize::MAX));
    soft.unwrap_or(POSIX_OPEN_MAX)
}
