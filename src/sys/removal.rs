use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::path::Path;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::os;

/// A descriptor that becomes readable when something is removed from one of some directories, or one of them is itself: an
/// inotify(7) instance on Linux, a kqueue(2) on macOS, which tells of the directories alone.
#[derive(Debug)]
pub struct RemovalWatch {
    watch: os::removal::Watch,
}

impl RemovalWatch {
    /// Watches these directories.
    ///
    /// # Errors
    /// One of them is not there, or the system has no more watches to give.
    pub fn open(directories: &[&Path]) -> io::Result<Self> {
        Ok(Self { watch: os::removal::Watch::open(directories)? })
    }

    /// The same, to be awaited in a tokio runtime.
    pub fn into_async(self) -> io::Result<AsyncFd<Self>> {
        // SAFETY: the descriptor is owned by the watch, which the AsyncFd owns in turn, and `as_raw_fd` always gives that one.
        unsafe { AsyncFd::register_with_interest(self, Interest::READABLE) }.map_err(io::Error::from)
    }
}

impl AsFd for RemovalWatch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.watch.as_fd()
    }
}

impl AsRawFd for RemovalWatch {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}
