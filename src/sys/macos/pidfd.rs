use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::event::{EvFlags, EventFilter, FilterFlag, KEvent, Kqueue};
use nix::sys::wait::WaitStatus;

use crate::sys::exit::OpenError;
use crate::sys::process;
use crate::sys::signal::{SendError, send_by_pid};
use crate::vocab::identity::{Identity, Pid};
use crate::vocab::outcome::Outcome;
use crate::vocab::signal::Signal;

/// A kqueue(2) that is readable when one process has ended.
#[derive(Debug)]
pub(in crate::sys) struct Watch {
    queue: Kqueue,
    identity: Identity,
}

impl Watch {
    pub(in crate::sys) fn open(identity: Identity) -> Result<Self, OpenError> {
        let queue = Kqueue::new().map_err(|errno| OpenError::Os(errno.into()))?;
        let ident = usize::try_from(identity.pid.as_raw()).map_err(|_| OpenError::Gone)?;
        let flags = EvFlags::EV_ADD | EvFlags::EV_ENABLE;
        let change = KEvent::new(ident, EventFilter::EVFILT_PROC, flags, FilterFlag::NOTE_EXIT, 0, 0);
        let registered = queue.kevent(&[change], &mut [], None);
        match (registered, process::read(identity.pid)) {
            (Ok(_), Some(found)) if found.identity == identity => Ok(Self { queue, identity }),
            (Ok(_), _) | (Err(Errno::ESRCH), _) => Err(OpenError::Gone),
            (Err(errno), _) => Err(OpenError::Os(errno.into())),
        }
    }

    /// The same, to be kept for the life of the process. No child inherits a kqueue(2), so any number will do.
    pub(in crate::sys) fn kept(self) -> Self {
        self
    }

    /// How it ended; none while it lives. The kernel tells of our own children only.
    pub(in crate::sys) fn peek(&self) -> Option<Outcome> {
        let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
        let id = libc::id_t::try_from(self.identity.pid.as_raw()).ok()?;
        let flags = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
        // SAFETY: the pointer is to a live buffer of the right type, zeroed before.
        let done = unsafe { libc::waitid(libc::P_PID, id, info.as_mut_ptr(), flags) };
        // SAFETY: the structure is one of plain numbers and pointers, for which zeroes are valid.
        let info = unsafe { info.assume_init() };
        if done != 0 {
            return (!process::is_alive(self.identity)).then_some(Outcome::Unknown);
        }
        match (info.si_pid, info.si_code) {
            (0, _) => None,
            (_, libc::CLD_EXITED) => Some(Outcome::Code(info.si_status)),
            (_, _) => Some(Signal::from_raw(info.si_status).map_or(Outcome::Unknown, Outcome::Signal)),
        }
    }
}

impl AsFd for Watch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.queue.as_fd()
    }
}

impl AsRawFd for Watch {
    fn as_raw_fd(&self) -> i32 {
        self.queue.as_fd().as_raw_fd()
    }
}

pub(in crate::sys) fn outcome(status: WaitStatus) -> Outcome {
    match status {
        WaitStatus::Exited(_, code) => Outcome::Code(code),
        WaitStatus::Signaled(_, signal, _) => {
            Signal::from_raw(signal as i32).map_or(Outcome::Unknown, Outcome::Signal)
        }
        _ => Outcome::Unknown,
    }
}

/// macOS has no handle of a process that a signal could be sent through.
pub(in crate::sys) fn send(to: Identity, signal: Signal) -> Result<(), SendError> {
    send_by_pid(to, signal)
}

/// macOS lets no process copy another's descriptors without a task port.
pub(in crate::sys) fn sockets_of(_pid: Pid) -> impl Iterator<Item = OwnedFd> {
    std::iter::empty()
}

/// The error of a call that this system does not have.
pub(super) fn unsupported(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, format!("macOS has no {what}"))
}
