use std::io;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};

use nix::sys::socket::MsgFlags;
use tokio::io::Interest;

use super::pidfd::unsupported;
use crate::sys::thread::Used;
use crate::vocab::identity::Pid;

pub(in crate::sys) use super::pidfd::outcome;

/// How a message is received that is to stay where it is: descriptors cannot be looked at (bsd/kern/uipc_socket.c gives
/// their kernel pointers away), so it is taken out and put in again.
pub(in crate::sys) const LOOK: MsgFlags = MsgFlags::empty();

/// Whether who reads a pipe has it open for writing as well: kqueue(2) tells without end of an end that nobody has open.
pub(in crate::sys) const READS_AS_WRITER: bool = true;

/// What a descriptor is registered for that is to tell of a hang-up: kqueue has no event for that alone.
pub(in crate::sys) const HANG_UP: Interest = Interest::READABLE;

/// The time of the boot by sysctl KERN_BOOTTIME.
pub(in crate::sys) fn boot_id() -> String {
    let mut request = [libc::CTL_KERN, libc::KERN_BOOTTIME];
    let mut time = libc::timeval { tv_sec: 0, tv_usec: 0 };
    let mut size = size_of::<libc::timeval>();
    // SAFETY: all pointers are to live variables of the sizes given.
    let done = unsafe {
        libc::sysctl(request.as_mut_ptr(), 2, (&raw mut time).cast(), &raw mut size, std::ptr::null_mut(), 0)
    };
    if done == 0 { format!("{}", time.tv_sec) } else { "unknown".to_owned() }
}

pub(in crate::sys) fn adopt_orphans() -> io::Result<()> {
    Err(unsupported("subreaper: orphans go to launchd"))
}

/// Pipes grow by themselves up to 64 KiB (bsd/kern/sys_pipe.c).
pub(in crate::sys) fn grow_pipe(_fd: BorrowedFd<'_>, _bytes: usize) -> io::Result<usize> {
    Err(unsupported("call that sets the size of a pipe"))
}

/// What a pipe grows to (bsd/kern/sys_pipe.c).
pub(in crate::sys) fn pipe_capacity(_fd: BorrowedFd<'_>) -> io::Result<usize> {
    Ok(64 * 1024)
}

/// Terminals have names; what else is opened by the number of a descriptor is the same open file (fd(4)).
pub(in crate::sys) fn way_to(fd: BorrowedFd<'_>, _rdev: libc::dev_t) -> io::Result<PathBuf> {
    Ok(nix::unistd::ttyname(fd)?)
}

/// There is no such call.
pub(in crate::sys) fn write_at_once(_fd: BorrowedFd<'_>, _bytes: &[u8]) -> nix::Result<usize> {
    Err(nix::errno::Errno::EOPNOTSUPP)
}

/// APFS writes what it is given at once to places that it chooses then.
pub(in crate::sys) fn reserve(_fd: BorrowedFd<'_>, _from: u64, _bytes: u64) -> io::Result<()> {
    Err(unsupported("room for log files ahead"))
}

/// There is /dev alone, which says by its modes what it is not for.
pub(in crate::sys) fn shows_the_kernel(_path: &Path) -> bool {
    false
}

/// Timers are as sharp as the kernel likes.
pub(in crate::sys) fn wake_on_time() {}

/// The kernel does not tell who holds a flock(2).
pub(in crate::sys) fn lock_holder(_path: &Path) -> Option<Pid> {
    None
}

/// Marks every descriptor from `first` on to be closed by an exec. Async-signal-safe.
pub(in crate::sys) fn close_on_exec_from(first: i32) {
    // SAFETY: getdtablesize and fcntl take numbers by value; a number that is no open descriptor is an error and nothing else.
    unsafe {
        for fd in first..libc::getdtablesize() {
            libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC);
        }
    }
}

/// How many threads this process has (proc_pidinfo, PROC_PIDTASKINFO); 0 when the system does not say.
pub(in crate::sys) fn threads() -> usize {
    let own = Pid::new(std::process::id().try_into().unwrap_or_default());
    let task: Option<libc::proc_taskinfo> =
        own.and_then(|own| super::process::info(own, libc::PROC_PIDTASKINFO, 0));
    task.and_then(|task| usize::try_from(task.pti_threadnum).ok()).unwrap_or(0)
}

/// The background band for this thread alone (PRIO_DARWIN_THREAD, PRIO_DARWIN_BG of setpriority(2)).
pub(in crate::sys) fn stand_back() {
    const THREAD: libc::c_int = 3;
    const BACKGROUND: libc::c_int = 0x1000;
    // SAFETY: setpriority takes its arguments by value and touches no memory of ours.
    unsafe { libc::setpriority(THREAD, 0, BACKGROUND) };
}

/// The background band holds without it.
pub(in crate::sys) fn used() -> Option<Used> {
    None
}

/// setpriority(2) on this process.
pub(in crate::sys) fn set_nice(nice: i32) -> io::Result<()> {
    // SAFETY: setpriority takes its arguments by value and touches no memory of ours.
    let done = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, nice) };
    Ok(nix::errno::Errno::result(done).map(drop)?)
}

/// setgroups(2).
pub(in crate::sys) fn set_groups(groups: &[u32]) -> io::Result<()> {
    let count = libc::c_int::try_from(groups.len()).unwrap_or(libc::c_int::MAX);
    // SAFETY: the pointer and the count describe the slice, which outlives the call; gid_t is u32.
    let done = unsafe { libc::setgroups(count, groups.as_ptr()) };
    Ok(nix::errno::Errno::result(done).map(drop)?)
}

/// setgid(2).
pub(in crate::sys) fn set_group(group: u32) -> io::Result<()> {
    Ok(nix::unistd::setgid(group.into())?)
}

/// setuid(2).
pub(in crate::sys) fn set_user(user: u32) -> io::Result<()> {
    Ok(nix::unistd::setuid(user.into())?)
}
