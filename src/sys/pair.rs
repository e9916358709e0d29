use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use nix::sys::stat::fstat;

use super::descriptor::out_of_the_way;

/// Two connected sockets that processes share by fork, or by an exec that lets them through. Descriptors that were sent into
/// one and lie before the other stay open as long as any of those processes lives (SCM_RIGHTS of unix(7)).
#[derive(Debug)]
pub(super) struct Pair {
    /// Where descriptors are sent.
    pub(super) entry: OwnedFd,
    /// Where they lie.
    pub(super) exit: OwnedFd,
}

/// The numbers of its two descriptors.
pub(super) type Numbers = [RawFd; 2];

/// Numbers from here on are in nobody's way: those below are given to the first descriptors of a new process.
const NUMBER_FIRST: RawFd = 10;

impl Pair {
    /// A new one, for this process and its copies.
    pub(super) fn new(kind: SockType) -> io::Result<Self> {
        let (entry, exit) = socketpair(AddressFamily::Unix, kind, None, SockFlag::empty())?;
        Ok(Self { entry: kept(entry)?, exit: kept(exit)? })
    }

    /// The one that whoever started this process passed on; none when these are not sockets. It is to be asked once.
    pub(super) fn inherited([entry, exit]: Numbers) -> Option<Self> {
        Some(Self { entry: inherited(entry)?, exit: inherited(exit)? })
    }

    /// The numbers under which a program that this process becomes or starts finds it, if it is let through.
    pub(super) fn numbers(&self) -> Numbers {
        [self.entry.as_raw_fd(), self.exit.as_raw_fd()]
    }

    /// Lets it through an exec of this process, or not.
    pub(super) fn set_flags(&self, flags: FdFlag) -> io::Result<()> {
        for end in [&self.entry, &self.exit] {
            fcntl(end, FcntlArg::F_SETFD(flags))?;
        }
        Ok(())
    }
}

/// Lets a pair through an exec of a child that is just being made. Async-signal-safe.
pub(super) fn let_through(numbers: Numbers) {
    for number in numbers {
        // SAFETY: fcntl takes numbers by value; one that is no open descriptor is an error and nothing else.
        unsafe { libc::fcntl(number, libc::F_SETFD, 0) };
    }
}

/// A descriptor that is closed by an exec and has a number in nobody's way.
fn kept(fd: OwnedFd) -> io::Result<OwnedFd> {
    let moved = out_of_the_way(fd);
    if moved.as_raw_fd() >= NUMBER_FIRST {
        fcntl(&moved, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
        return Ok(moved);
    }
    let raw = fcntl(&moved, FcntlArg::F_DUPFD_CLOEXEC(NUMBER_FIRST))?;
    // SAFETY: the number was just made by the call, and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(raw) })
}

fn inherited(number: RawFd) -> Option<OwnedFd> {
    if number < NUMBER_FIRST {
        return None;
    }
    // SAFETY: fcntl takes numbers by value; one that is no open descriptor is an error and nothing else.
    let is_open = unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) } == 0;
    // SAFETY: the descriptor is open, and only the caller of this function, once at the start of the process, owns it.
    let fd = is_open.then(|| unsafe { OwnedFd::from_raw_fd(number) })?;
    let is_socket = fstat(&fd).is_ok_and(|found| found.st_mode & libc::S_IFMT == libc::S_IFSOCK);
    is_socket.then_some(fd)
}
