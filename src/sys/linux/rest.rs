use std::fs;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::linux::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::fcntl::{FallocateFlags, FcntlArg, fallocate, fcntl};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::socket::MsgFlags;
use nix::sys::stat::{major, minor};
use nix::sys::statfs::{
    CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC, DEBUGFS_MAGIC, DEVPTS_SUPER_MAGIC, EXT4_SUPER_MAGIC, FsType,
    PROC_SUPER_MAGIC, SECURITYFS_MAGIC, SYSFS_MAGIC, TRACEFS_MAGIC, fstatfs, statfs,
};
use nix::sys::time::TimeValLike;
use tokio::io::Interest;

use crate::sys::thread::Used;
use crate::vocab::identity::Pid;

// On the oldest architectures the plain names are those of calls with ids of 16 bits.
#[cfg(not(any(target_arch = "x86", target_arch = "arm")))]
use libc::{SYS_setgid as SET_GROUP, SYS_setgroups as SET_GROUPS, SYS_setuid as SET_USER};
#[cfg(any(target_arch = "x86", target_arch = "arm"))]
use libc::{SYS_setgid32 as SET_GROUP, SYS_setgroups32 as SET_GROUPS, SYS_setuid32 as SET_USER};

pub(in crate::sys) use super::pidfd::outcome;

/// How a message is received that is to stay where it is: its descriptors come as copies (unix(7)).
pub(in crate::sys) const LOOK: MsgFlags = MsgFlags::MSG_PEEK;

/// Whether who reads a pipe has it open for writing as well: who does hears of its own reads (O_ASYNC of fcntl(2)).
pub(in crate::sys) const READS_AS_WRITER: bool = false;

/// What a descriptor is registered for that is to tell of a hang-up alone, which is always told (epoll_ctl(2)): urgent data, which
/// nobody sends.
pub(in crate::sys) const HANG_UP: Interest = Interest::PRIORITY;

pub(in crate::sys) fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .map_or_else(|_| "unknown".to_owned(), |id| id.trim().to_owned())
}

pub(in crate::sys) fn adopt_orphans() -> io::Result<()> {
    Ok(nix::sys::prctl::set_child_subreaper(true)?)
}

/// F_SETPIPE_SZ of fcntl(2).
pub(in crate::sys) fn grow_pipe(fd: BorrowedFd<'_>, bytes: usize) -> io::Result<usize> {
    let wanted = i32::try_from(bytes).unwrap_or(i32::MAX);
    let size = fcntl(fd, FcntlArg::F_SETPIPE_SZ(wanted))?;
    Ok(usize::try_from(size).unwrap_or_default())
}

/// F_GETPIPE_SZ of fcntl(2).
pub(in crate::sys) fn pipe_capacity(fd: BorrowedFd<'_>) -> io::Result<usize> {
    let size = fcntl(fd, FcntlArg::F_GETPIPE_SZ)?;
    Ok(usize::try_from(size).unwrap_or_default())
}

/// The way to what a descriptor of this process leads to (proc_pid_fd(5)). There is none to the end of a terminal that its emulator
/// has (`/dev/ptmx`, pts(4)): whoever opens that gets another terminal.
pub(in crate::sys) fn way_to(fd: BorrowedFd<'_>, rdev: libc::dev_t) -> io::Result<PathBuf> {
    const EMULATORS: (u64, u64) = (5, 2);
    if (major(rdev), minor(rdev)) == EMULATORS {
        return Err(io::ErrorKind::Unsupported.into());
    }
    Ok(PathBuf::from(format!("/proc/self/fd/{}", fd.as_raw_fd())))
}

/// RWF_NOWAIT of pwritev2(2): pipes that pipe(2) made know it since Linux 6.4.
pub(in crate::sys) fn write_at_once(fd: BorrowedFd<'_>, bytes: &[u8]) -> nix::Result<usize> {
    let part = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    // Where the file is, in two halves: a pipe is nowhere else.
    const HERE: libc::c_long = -1;
    const PARTS: libc::c_ulong = 1;
    let (fd, flags) = (fd.as_raw_fd(), libc::RWF_NOWAIT);
    // SAFETY: the one part describes the slice, which outlives the call, and the kernel reads from it alone.
    let written = unsafe { libc::syscall(libc::SYS_pwritev2, fd, &raw const part, PARTS, HERE, HERE, flags) };
    nix::errno::Errno::result(written).map(|count| usize::try_from(count).unwrap_or_default())
}

/// FALLOC_FL_KEEP_SIZE of fallocate(2), on ext4.
pub(in crate::sys) fn reserve(fd: BorrowedFd<'_>, from: u64, bytes: u64) -> io::Result<()> {
    if fstatfs(fd)?.filesystem_type() != EXT4_SUPER_MAGIC {
        return Err(io::ErrorKind::Unsupported.into());
    }
    let [from, bytes] = [from, bytes].map(|it| it.try_into().map_err(io::Error::other));
    Ok(fallocate(fd, FallocateFlags::FALLOC_FL_KEEP_SIZE, from?, bytes?)?)
}

/// File systems in which the kernel shows itself, and in which nobody can make a file.
const KERNELS: [FsType; 8] = [
    PROC_SUPER_MAGIC,
    SYSFS_MAGIC,
    CGROUP_SUPER_MAGIC,
    CGROUP2_SUPER_MAGIC,
    DEBUGFS_MAGIC,
    DEVPTS_SUPER_MAGIC,
    SECURITYFS_MAGIC,
    TRACEFS_MAGIC,
];

/// By the type of its file system (statfs(2)).
pub(in crate::sys) fn shows_the_kernel(path: &Path) -> bool {
    statfs(path).is_ok_and(|found| KERNELS.contains(&found.filesystem_type()))
}

/// PR_SET_TIMERSLACK of prctl(2) on this thread.
pub(in crate::sys) fn wake_on_time() {
    let _ = nix::sys::prctl::set_timerslack(1);
}

/// The process that holds a flock(2) on a file, by proc_locks(5).
pub(in crate::sys) fn lock_holder(path: &Path) -> Option<Pid> {
    let found = fs::metadata(path).ok()?;
    let file = format!("{:02x}:{:02x}:{}", major(found.st_dev()), minor(found.st_dev()), found.st_ino());
    let locks = fs::read_to_string("/proc/locks").ok()?;
    locks.lines().find_map(|line| {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let is_it = words.get(1) == Some(&"FLOCK") && words.get(5) == Some(&file.as_str());
        is_it.then(|| Pid::new(words.get(4)?.parse().ok()?)).flatten()
    })
}

/// Marks every descriptor from `first` on to be closed by an exec (close_range(2), Linux 5.11); an older kernel leaves
/// them as they are. Async-signal-safe.
pub(in crate::sys) fn close_on_exec_from(first: i32) {
    let first = libc::c_uint::try_from(first).unwrap_or_default();
    // SAFETY: close_range takes numbers by value and with this flag closes nothing.
    unsafe { libc::syscall(libc::SYS_close_range, first, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC) };
}

/// How many threads this process has (proc_pid_task(5)); 0 when the system does not say.
pub(in crate::sys) fn threads() -> usize {
    fs::read_dir("/proc/self/task").map_or(0, Iterator::count)
}

/// The weakest niceness for this thread alone: on Linux setpriority(2) acts on threads.
pub(in crate::sys) fn stand_back() {
    let _ = set_nice(19);
}

/// RUSAGE_THREAD of getrusage(2).
pub(in crate::sys) fn used() -> Option<Used> {
    let used = getrusage(UsageWho::RUSAGE_THREAD).ok()?;
    let cpu = used.user_time() + used.system_time();
    let cpu = Duration::from_micros(u64::try_from(cpu.num_microseconds()).unwrap_or_default());
    let preemptions = u64::try_from(used.involuntary_context_switches()).unwrap_or_default();
    Some(Used { cpu, preemptions })
}

/// setpriority(2) on this process.
pub(in crate::sys) fn set_nice(nice: i32) -> io::Result<()> {
    // SAFETY: setpriority takes its arguments by value and touches no memory of ours.
    let done = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, nice) };
    Ok(nix::errno::Errno::result(done).map(drop)?)
}

// The C library's functions of these names ask all threads to do the same, and a process that was born without its knowledge
// has none of those that it knows of. The system calls act on this thread alone.

/// setgroups(2), of this thread.
pub(in crate::sys) fn set_groups(groups: &[u32]) -> io::Result<()> {
    // SAFETY: the pointer and the length describe the slice, which outlives the call; gid_t is u32.
    let done = unsafe { libc::syscall(SET_GROUPS, groups.len(), groups.as_ptr()) };
    Ok(nix::errno::Errno::result(done).map(drop)?)
}

/// setgid(2), of this thread.
pub(in crate::sys) fn set_group(group: u32) -> io::Result<()> {
    // SAFETY: the call takes a number by value.
    let done = unsafe { libc::syscall(SET_GROUP, group) };
    Ok(nix::errno::Errno::result(done).map(drop)?)
}

/// setuid(2), of this thread.
pub(in crate::sys) fn set_user(user: u32) -> io::Result<()> {
    // SAFETY: the call takes a number by value.
    let done = unsafe { libc::syscall(SET_USER, user) };
    Ok(nix::errno::Errno::result(done).map(drop)?)
}
