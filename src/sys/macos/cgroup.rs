use std::io;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};

use super::pidfd::unsupported;

/// There are no cgroups.
pub(in crate::sys) fn own() -> io::Result<PathBuf> {
    Err(unsupported("cgroup"))
}

/// None is.
pub(in crate::sys) fn is_one(_path: &Path) -> bool {
    false
}

/// There is no process in a cgroup.
///
/// # Safety
/// None is made.
// SAFETY: see above; it only fails.
pub(in crate::sys) unsafe fn fork_into(_cgroup: BorrowedFd<'_>) -> io::Result<libc::pid_t> {
    Err(unsupported("cgroup"))
}
