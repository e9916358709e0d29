use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::fcntl::{FcntlArg, fcntl};
use nix::sys::stat::fstat;
use nix::unistd::ttyname;

use super::os;

/// Small numbers are left to descriptors that come and go, among them those that a child is given: it takes a copy of all
/// that stand below them (`sys::spawn`).
const FIRST_KEPT: i32 = 128;

/// Gives a descriptor that stays open for long a number out of the way. Where the limit of open files is lower than that,
/// or they have run out, it keeps the one that it has.
pub fn out_of_the_way(fd: OwnedFd) -> OwnedFd {
    match fcntl(&fd, FcntlArg::F_DUPFD_CLOEXEC(FIRST_KEPT)) {
        // SAFETY: the kernel just gave this descriptor to us, and nobody else knows it.
        Ok(raw) => unsafe { OwnedFd::from_raw_fd(raw) },
        Err(_) => fd,
    }
}

/// Opens what is at a path for reading: not through a link, and without waiting, as for the writer of a named pipe.
pub fn open_itself(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(path)
}

/// Opens the pipe or the terminal that a descriptor leads to once more, for writing that never waits: its open file description is
/// one of its own. On macOS that is possible for terminals alone.
///
/// # Errors
/// There is no way to it, or it may not be opened.
pub fn open_again(fd: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let wanted = fstat(fd)?;
    let way = os::rest::way_to(fd, wanted.st_rdev)?;
    let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
    let open = |way: &Path| OpenOptions::new().write(true).custom_flags(flags).open(way);
    let again = OwnedFd::from(open(&way).or_else(|error| open(&ttyname(fd).map_err(|_| error)?))?);
    let found = fstat(&again)?;
    if (found.st_dev, found.st_ino, found.st_rdev) == (wanted.st_dev, wanted.st_ino, wanted.st_rdev) {
        Ok(again)
    } else {
        Err(io::Error::other("another one has its name"))
    }
}
