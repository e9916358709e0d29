use std::io;

use nix::errno::Errno;
use nix::sys::signal::SigHandler;

use super::{os, process};
use crate::vocab::identity::{Identity, Pid};
use crate::vocab::signal::Signal;

/// Why a signal was not sent.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// That process has ended; another may have its pid, and got nothing.
    #[error("it has ended")]
    Gone,
    /// It belongs to somebody else.
    #[error("it belongs to another user")]
    Denied,
    /// It is pid 1 or this process, or a group of one of them: never meant.
    #[error("pid {0} is never signalled")]
    Forbidden(Pid),
    /// The system refused.
    #[error("the system refused: {0}")]
    Os(io::Error),
}

/// Sends a signal to this very process, and to no other that may have its pid: by pidfd_send_signal(2) where there is
/// one, else by kill(2) right after its start time was compared.
pub fn send(to: Identity, signal: Signal) -> Result<(), SendError> {
    forbid(to.pid)?;
    os::pidfd::send(to, signal)
}

/// Sends a signal to the process group of this process. It has to be alive or a zombie: only then is the number of the
/// group that of its own. That of this process is never meant.
pub fn send_group(member: Identity, signal: Signal) -> Result<(), SendError> {
    forbid(member.pid)?;
    let found = process::look(member.pid).map_err(SendError::Os)?;
    let found = found.filter(|process| process.identity == member).ok_or(SendError::Gone)?;
    if found.group <= Pid::FIRST.as_raw() || found.group == nix::unistd::getpgrp().as_raw() {
        return Err(SendError::Forbidden(member.pid));
    }
    let signal = nix::sys::signal::Signal::try_from(signal.as_raw()).map_err(of_errno)?;
    nix::sys::signal::killpg(nix::unistd::Pid::from_raw(found.group), signal).map_err(of_errno)
}

/// From here on this process takes no notice of a signal that would end it, until it has a handler for it. What it spawns
/// by `sys::spawn` is as usual.
pub fn ignore(signal: Signal) -> io::Result<()> {
    let signal = nix::sys::signal::Signal::try_from(signal.as_raw())?;
    // SAFETY: SIG_IGN runs no code of ours in a signal handler.
    unsafe { nix::sys::signal::signal(signal, SigHandler::SigIgn) }?;
    Ok(())
}

pub(super) fn of_errno(errno: Errno) -> SendError {
    match errno {
        Errno::ESRCH => SendError::Gone,
        Errno::EPERM => SendError::Denied,
        other => SendError::Os(other.into()),
    }
}

/// kill(2) on a process whose start time was just compared.
pub(super) fn send_by_pid(to: Identity, signal: Signal) -> Result<(), SendError> {
    let found = process::look(to.pid).map_err(SendError::Os)?;
    found.filter(|process| process.identity == to).ok_or(SendError::Gone)?;
    let signal = nix::sys::signal::Signal::try_from(signal.as_raw()).map_err(of_errno)?;
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(to.pid.as_raw()), signal).map_err(of_errno)
}

fn forbid(pid: Pid) -> Result<(), SendError> {
    let own = nix::unistd::getpid().as_raw();
    if pid == Pid::FIRST || pid.as_raw() == own { Err(SendError::Forbidden(pid)) } else { Ok(()) }
}
