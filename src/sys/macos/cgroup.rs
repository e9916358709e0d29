use std::io;
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

/// None is.
pub(in crate::sys) fn is_delegated(_path: &Path) -> bool {
    false
}
