use nix::sys::resource::{Resource, getrlimit, setrlimit};

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
