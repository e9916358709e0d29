use std::io;

use nix::sys::signal::{SigHandler, SigSet, signal};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork, setsid};

use super::os;
use super::spawn::identity_of;
use crate::vocab::identity::{Identity, Pid};
use crate::vocab::outcome::Outcome;
use crate::vocab::signal::Signal;

/// Which of two processes this one is after a fork.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The new one, in a session of its own.
    Child,
    /// The one that was there; this is the other.
    Parent(Identity),
}

/// Makes a copy of this process (fork(2)).
///
/// # Errors
/// The system has no process to give, or this process has more than one thread: the copy would have only one of them, and
/// the locks of all.
pub fn fork_self() -> io::Result<Side> {
    if os::rest::threads() != 1 {
        return Err(io::Error::other("a process with threads cannot be copied"));
    }
    // SAFETY: this is the only thread, so the copy holds no lock that nobody lets go of.
    match unsafe { fork() }? {
        ForkResult::Child => {
            setsid()?;
            Ok(Side::Child)
        }
        ForkResult::Parent { child } => Ok(Side::Parent(identity_of(child.as_raw()))),
    }
}

/// Signals that come one at a time, when they are asked for.
#[derive(Debug)]
pub struct Signals {
    set: SigSet,
}

impl Signals {
    /// Holds these signals back from here on (sigprocmask(2)), also those that were ignored; a copy of this process inherits
    /// that.
    pub fn hold(signals: &[Signal]) -> io::Result<Self> {
        let numbers = signals.iter().filter_map(|it| nix::sys::signal::Signal::try_from(it.as_raw()).ok());
        let set = numbers.collect::<SigSet>();
        set.thread_block()?;
        for number in set.iter() {
            // An ignored signal need not be kept for whoever waits for it (sigaction(2) of macOS).
            // SAFETY: the default disposition runs no code of ours.
            unsafe { signal(number, SigHandler::SigDfl) }?;
        }
        Ok(Self { set })
    }

    /// Waits for the next of them (sigwait(3)); none when the system fails to wait.
    pub fn next(&self) -> Option<Signal> {
        self.set.wait().ok().and_then(|signal| Signal::from_raw(signal as i32))
    }

    /// The next of them that has come already (sigpending(2)); none if none has.
    pub fn next_that_came(&self) -> Option<Signal> {
        let came = pending();
        self.set.iter().any(|signal| came.contains(signal)).then(|| self.next()).flatten()
    }

    /// Lets them through again.
    pub fn release(&self) -> io::Result<()> {
        Ok(self.set.thread_unblock()?)
    }
}

/// Signals that have come and are held back.
fn pending() -> SigSet {
    let mut set = std::mem::MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: sigpending(2) fills the set that it is given, which outlives the call.
    if unsafe { libc::sigpending(set.as_mut_ptr()) } != 0 {
        return SigSet::empty();
    }
    // SAFETY: it succeeded, so the set is filled, and by the system.
    unsafe { SigSet::from_sigset_t_unchecked(set.assume_init()) }
}

/// Reaps one child that has ended, whichever it is; none when there is none.
pub fn reap_one() -> Option<(Pid, Outcome)> {
    match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
        Ok(WaitStatus::StillAlive) | Err(_) => None,
        Ok(status) => Some((Pid::new(status.pid()?.as_raw())?, os::rest::outcome(status))),
    }
}
