use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::vocab::rlimits::Rlimits;

/// Holds this process to them. It makes system calls alone, and may be called between fork and exec.
///
/// # Errors
/// EPERM: more than the hard limit is for root alone.
pub fn take_on(limits: &Rlimits) -> nix::Result<()> {
    let known = [
        (Resource::RLIMIT_NOFILE, limits.open_files),
        (Resource::RLIMIT_CORE, limits.core_bytes),
        (Resource::RLIMIT_CPU, limits.cpu_time.map(|time| time.as_secs())),
    ];
    for (resource, limit) in known {
        if let Some(limit) = limit {
            setrlimit(resource, limit, limit)?;
        }
    }
    limits.processes.map_or(Ok(()), limit_processes)
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
