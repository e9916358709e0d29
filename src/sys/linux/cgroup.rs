use std::fs;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::statfs::{CGROUP2_SUPER_MAGIC, statfs};

/// This process' own cgroup: where cgroup2 is mounted (proc_pid_mountinfo(5)), and the path in there (cgroups(7),
/// `/proc/PID/cgroup`).
pub(in crate::sys) fn own() -> io::Result<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mountinfo")?;
    let groups = fs::read_to_string("/proc/self/cgroup")?;
    within(&mounts, &groups)
        .ok_or_else(|| io::Error::other("no cgroup2 that this process lives in is mounted"))
}

fn within(mounts: &str, groups: &str) -> Option<PathBuf> {
    let path = groups.lines().find_map(|line| line.strip_prefix("0::"))?;
    mounts.lines().find_map(|line| {
        let (before, after) = line.split_once(" - ")?;
        let mut fields = before.split(' ').skip(3);
        let (root, mount_point) = (fields.next()?, fields.next()?);
        // A mount may show a part of the hierarchy only, and this process may live in another.
        let below = Path::new(path).strip_prefix(root).ok()?;
        let is_below = after.starts_with("cgroup2 ") && !path.contains("/..");
        is_below.then(|| {
            if below == Path::new("") { mount_point.into() } else { Path::new(mount_point).join(below) }
        })
    })
}

/// Whether this directory is a cgroup of version 2.
pub(in crate::sys) fn is_one(path: &Path) -> bool {
    statfs(path).is_ok_and(|found| found.filesystem_type() == CGROUP2_SUPER_MAGIC)
}

/// `CLONE_INTO_CGROUP` of linux/sched.h (Linux 5.7).
const INTO_CGROUP: u64 = 1 << 33;

/// The first version of `struct clone_args` of linux/sched.h that has a cgroup (88 bytes).
#[repr(C)]
#[derive(Default)]
struct CloneArgs {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
    cgroup: u64,
}

/// As vfork(2), but with a copy of our memory, and the new process is born in a cgroup: it never was elsewhere, and the
/// kernel need not move it, which takes it ten milliseconds and more. Returns 0 in the new process; this thread waits until
/// that has ended or is another program. They share one table of descriptors until then.
///
/// # Safety
/// The new process has one thread and the locks of all, and the C library does not know that it is new. Until it execs or
/// ends it may do nothing but plain system calls.
// SAFETY: see above; the one caller is `child`.
pub(super) unsafe fn fork_into(cgroup: BorrowedFd<'_>) -> Result<libc::pid_t, Errno> {
    let number = |flags: libc::c_int| u64::try_from(flags).unwrap_or_default();
    let arguments = CloneArgs {
        flags: INTO_CGROUP | number(libc::CLONE_VFORK | libc::CLONE_FILES),
        exit_signal: number(libc::SIGCHLD),
        cgroup: number(cgroup.as_raw_fd()),
        ..CloneArgs::default()
    };
    // SAFETY: without CLONE_VM the new process has its own copy of all memory, and goes on here as after fork(2); what it
    // may do from here on is the caller's promise. The structure is as large as the kernel is told.
    let pid = unsafe { libc::syscall(libc::SYS_clone3, &raw const arguments, size_of::<CloneArgs>()) };
    Errno::result(pid).map(|pid| libc::pid_t::try_from(pid).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::within;
    use std::path::PathBuf;

    #[test]
    fn the_own_cgroup_is_found_on_usual_machines_hybrid_ones_and_in_containers() {
        let check = |mounts: &str, groups: &str, expected: Option<&str>| {
            assert_eq!(within(mounts, groups), expected.map(PathBuf::from), "{mounts}{groups}");
        };
        let unified = "30 24 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n";
        check(unified, "0::/user.slice/a.scope\n", Some("/sys/fs/cgroup/user.slice/a.scope"));
        check(unified, "0::/\n", Some("/sys/fs/cgroup"));
        let hybrid = "31 24 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
                      32 24 0:28 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
        check(hybrid, "4:memory:/m\n0::/system.slice\n", Some("/sys/fs/cgroup/unified/system.slice"));
        let part = "33 24 0:26 /docker/1 /sys/fs/cgroup ro - cgroup2 cgroup ro\n";
        check(part, "0::/docker/1/app\n", Some("/sys/fs/cgroup/app"));
        check(part, "0::/elsewhere\n", None);
        check(unified, "0::/../outside\n", None);
        check(unified, "4:memory:/m\n", None);
        check("", "0::/\n", None);
    }
}
