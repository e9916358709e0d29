use std::collections::BTreeSet;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::process::Life;
use super::{os, process, tree};
use crate::vocab::identity::{Identity, Pid};
use crate::vocab::outcome::Outcome;

/// A descriptor that becomes readable when a process ends: a pidfd on Linux, a kqueue on macOS. The process need not be
/// our child.
#[derive(Debug)]
pub struct ExitWatch {
    watch: os::pidfd::Watch,
}

/// Why a process cannot be watched.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It has ended and was reaped; another may have its pid.
    #[error("it has ended")]
    Gone,
    /// The system refused.
    #[error("the system refused: {0}")]
    Os(io::Error),
}

impl ExitWatch {
    /// Watches this very process; a zombie can be watched, and is ended at once.
    pub fn open(identity: Identity) -> Result<Self, OpenError> {
        os::pidfd::Watch::open(identity).map(|watch| Self { watch })
    }

    /// The same, to be awaited in a tokio runtime: readable when the process has ended.
    pub fn into_async(self) -> io::Result<AsyncFd<Self>> {
        let kept = Self { watch: self.watch.kept() };
        // SAFETY: the descriptor is owned by the watch, which the AsyncFd owns in turn, and `as_raw_fd` always gives that one.
        unsafe { AsyncFd::register_with_interest(kept, Interest::READABLE) }.map_err(io::Error::from)
    }

    /// How it ended; none while it lives. A child of ours stays a zombie, so that its pid and its group stay its own
    /// (waitid(2) with WNOWAIT). Of another's child the kernel tells since Linux 6.15, else the outcome is unknown.
    pub fn peek(&self) -> Option<Outcome> {
        self.watch.peek()
    }
}

impl AsFd for ExitWatch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.watch.as_fd()
    }
}

impl AsRawFd for ExitWatch {
    fn as_raw_fd(&self) -> RawFd {
        self.watch.as_raw_fd()
    }
}

/// Reaps this child if it has ended; says how. None when it lives or is not our child.
pub fn reap(pid: Pid) -> Option<Outcome> {
    match waitpid(nix::unistd::Pid::from_raw(pid.as_raw()), Some(WaitPidFlag::WNOHANG)) {
        Ok(WaitStatus::StillAlive) | Err(_) => None,
        Ok(status) => Some(os::rest::outcome(status)),
    }
}

/// Reaps every ended child but those; returns whom.
pub fn reap_any_except(keep: &BTreeSet<Pid>) -> Vec<Pid> {
    let children = tree::children(process::own_pid()).into_iter().filter(|pid| !keep.contains(pid));
    let zombies =
        children.filter(|pid| process::read(*pid).is_some_and(|process| process.life == Life::Zombie));
    zombies.filter(|pid| reap(*pid).is_some()).collect()
}

/// Makes this process the one to which its descendants' orphans are given (PR_SET_CHILD_SUBREAPER, prctl(2)).
///
/// # Errors
/// Unsupported on macOS, where orphans go to launchd.
pub fn adopt_orphans() -> io::Result<()> {
    os::rest::adopt_orphans()
}
