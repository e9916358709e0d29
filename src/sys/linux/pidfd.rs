use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};

use nix::errno::Errno;
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};

use crate::sys::descriptor::out_of_the_way;
use crate::sys::exit::OpenError;
use crate::sys::process;
use crate::sys::signal::{SendError, of_errno, send_by_pid};
use crate::vocab::identity::{Identity, Pid};
use crate::vocab::outcome::Outcome;
use crate::vocab::signal::Signal;

/// A descriptor of one process: readable when it has ended (pidfd_open(2), Linux 5.3).
#[derive(Debug)]
pub(in crate::sys) struct Watch {
    fd: OwnedFd,
}

impl Watch {
    pub(in crate::sys) fn open(identity: Identity) -> Result<Self, OpenError> {
        let fd = open(identity.pid).map_err(|errno| match errno {
            Errno::ESRCH | Errno::EINVAL => OpenError::Gone,
            other => OpenError::Os(other.into()),
        })?;
        // The pid may have passed on before the descriptor was opened, and cannot any more.
        match process::look(identity.pid) {
            Ok(Some(found)) if found.identity == identity => Ok(Self { fd }),
            Ok(Some(_) | None) => Err(OpenError::Gone),
            Err(error) => Err(OpenError::Os(error)),
        }
    }

    /// The same, to be kept for the life of the process.
    pub(in crate::sys) fn kept(self) -> Self {
        Self { fd: out_of_the_way(self.fd) }
    }

    /// How it ended; none while it lives. A child of ours stays a zombie.
    pub(in crate::sys) fn peek(&self) -> Option<Outcome> {
        let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
        match waitid(Id::PIDFd(self.fd.as_fd()), flags) {
            Ok(WaitStatus::StillAlive) => None,
            Ok(status) => Some(outcome(status)),
            Err(_) => self.has_ended().then(|| info(&self.fd).unwrap_or(Outcome::Unknown)),
        }
    }

    fn has_ended(&self) -> bool {
        use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
        let mut fds = [PollFd::new(self.fd.as_fd(), PollFlags::POLLIN)];
        poll(&mut fds, PollTimeout::ZERO) == Ok(1)
    }
}

impl AsFd for Watch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl AsRawFd for Watch {
    fn as_raw_fd(&self) -> i32 {
        self.fd.as_raw_fd()
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

pub(in crate::sys) fn send(to: Identity, signal: Signal) -> Result<(), SendError> {
    match Watch::open(to) {
        Ok(watch) => send_through(&watch.fd, signal),
        Err(OpenError::Gone) => Err(SendError::Gone),
        Err(OpenError::Os(_)) => send_by_pid(to, signal),
    }
}

fn open(pid: Pid) -> Result<OwnedFd, Errno> {
    static IS_MISSING: AtomicBool = AtomicBool::new(false);
    if IS_MISSING.load(Ordering::Relaxed) {
        return Err(Errno::ENOSYS);
    }
    // SAFETY: pidfd_open takes a pid and flags by value, and touches no memory of ours.
    let raw = unsafe { libc::syscall(libc::SYS_pidfd_open, pid.as_raw(), 0) };
    let raw = Errno::result(raw).inspect_err(|errno| {
        IS_MISSING.fetch_or(*errno == Errno::ENOSYS, Ordering::Relaxed);
    })?;
    let raw = i32::try_from(raw).map_err(|_| Errno::EBADF)?;
    // SAFETY: the kernel just gave this descriptor to us, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(raw) })
}

/// Copies of the sockets of another process (pidfd_getfd(2), Linux 5.6), one by one; none where we may not.
pub(in crate::sys) fn sockets_of(pid: Pid) -> impl Iterator<Item = OwnedFd> {
    let pidfd = open(pid).ok();
    super::process::sockets(pid).filter_map(move |(number, _)| copy(pidfd.as_ref()?, number).ok())
}

fn copy(pidfd: &OwnedFd, number: i32) -> Result<OwnedFd, Errno> {
    // SAFETY: pidfd_getfd takes numbers by value, and both descriptors are checked by the kernel.
    let raw = unsafe { libc::syscall(libc::SYS_pidfd_getfd, pidfd.as_raw_fd(), number, 0) };
    let raw = i32::try_from(Errno::result(raw)?).map_err(|_| Errno::EBADF)?;
    // SAFETY: the kernel just gave this descriptor to us, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(raw) })
}

fn send_through(fd: &OwnedFd, signal: Signal) -> Result<(), SendError> {
    let no_info = std::ptr::null::<libc::siginfo_t>();
    // SAFETY: the descriptor is open for the whole call, and a null siginfo asks the kernel to fill in kill(2)'s.
    let done =
        unsafe { libc::syscall(libc::SYS_pidfd_send_signal, fd.as_raw_fd(), signal.as_raw(), no_info, 0) };
    Errno::result(done).map(drop).map_err(of_errno)
}

/// `struct pidfd_info` of linux/pidfd.h in its first published size (64 bytes).
#[repr(C)]
#[derive(Default)]
struct PidfdInfo {
    mask: u64,
    cgroup_id: u64,
    pid: u32,
    tgid: u32,
    ppid: u32,
    ruid: u32,
    rgid: u32,
    euid: u32,
    egid: u32,
    suid: u32,
    sgid: u32,
    fsuid: u32,
    fsgid: u32,
    exit_code: i32,
}

/// `PIDFD_INFO_EXIT` of linux/pidfd.h: the wait status of a process that was reaped is asked for, or there (Linux 6.15).
const INFO_EXIT: u64 = 1 << 3;

nix::ioctl_readwrite!(pidfd_get_info, 0xff, 11, PidfdInfo);

/// How a process ended that is not our child. The kernel keeps it for those who hold a pidfd (Linux 6.15).
fn info(fd: &OwnedFd) -> Result<Outcome, io::Error> {
    let mut info = PidfdInfo { mask: INFO_EXIT, ..PidfdInfo::default() };
    // SAFETY: the descriptor is open, and the structure is as large as the number of the request says.
    unsafe { pidfd_get_info(fd.as_raw_fd(), &raw mut info) }?;
    if info.mask & INFO_EXIT == 0 {
        return Ok(Outcome::Unknown);
    }
    let pid = nix::unistd::Pid::from_raw(1);
    Ok(WaitStatus::from_raw(pid, info.exit_code).map_or(Outcome::Unknown, outcome))
}
