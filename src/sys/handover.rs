use std::io;
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::fcntl::{FcntlArg, fcntl};

/// What a process is given beside its standard output and standard error.
#[derive(Debug)]
pub enum Handover<'a> {
    /// `/dev/null` as standard input.
    Nothing,
    /// This as standard input.
    Stdin(BorrowedFd<'a>),
    /// These from descriptor 3 on, in this order, open across exec.
    FromThree(Vec<BorrowedFd<'a>>),
    /// The same, and a variable of this name that is the pid of the process itself, as sd_listen_fds(3) wants it.
    FromThreeWithPid(Vec<BorrowedFd<'a>>, &'static str),
}

impl<'a> Handover<'a> {
    /// The number that the first of those after standard error gets.
    pub(super) const FIRST: RawFd = 3;

    /// What becomes standard input.
    pub(super) fn stdin(&self) -> Option<BorrowedFd<'a>> {
        match self {
            Self::Stdin(fd) => Some(*fd),
            Self::Nothing | Self::FromThree(_) | Self::FromThreeWithPid(..) => None,
        }
    }

    /// The variable that is to be the pid.
    pub(super) fn pid_variable(&self) -> Option<&'static str> {
        match self {
            Self::FromThreeWithPid(_, variable) => Some(variable),
            Self::Nothing | Self::Stdin(_) | Self::FromThree(_) => None,
        }
    }

    /// Copies of those that go to [`Handover::FIRST`] and on, each beyond every number that one of them gets, so that none
    /// is in another's way.
    pub(super) fn copies(&self) -> io::Result<Vec<OwnedFd>> {
        let fds = match self {
            Self::Nothing | Self::Stdin(_) => return Ok(Vec::new()),
            Self::FromThree(fds) | Self::FromThreeWithPid(fds, _) => fds,
        };
        let end = Self::FIRST + RawFd::try_from(fds.len()).unwrap_or(RawFd::MAX / 2);
        let copy = |fd: &BorrowedFd<'_>| {
            let raw = fcntl(fd, FcntlArg::F_DUPFD_CLOEXEC(end))?;
            // SAFETY: the kernel just gave this descriptor to us, and nobody else knows it.
            Ok(unsafe { OwnedFd::from_raw_fd(raw) })
        };
        fds.iter().map(copy).collect()
    }
}
