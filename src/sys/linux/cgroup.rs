use std::ffi::CString;
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::sys::statfs::{CGROUP2_SUPER_MAGIC, statfs};

use crate::sys::cgroup::Cgroup;

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

/// Makes the cgroup of a run, and opens it for a process to be born in.
pub(super) fn open_new(cgroup: &Cgroup) -> io::Result<File> {
    cgroup.make()?;
    File::open(cgroup.path())
}

/// Whether a service manager gave this cgroup away as a whole: systemd says so by `user.delegate` (xattr(7)).
pub(in crate::sys) fn is_delegated(path: &Path) -> bool {
    let Ok(path) = CString::new(path.as_os_str().as_bytes()) else { return false };
    let mut value = [0_u8; 1];
    // SAFETY: both names end in NUL, and the buffer is as long as is said.
    let length = unsafe {
        libc::getxattr(path.as_ptr(), c"user.delegate".as_ptr(), value.as_mut_ptr().cast(), value.len())
    };
    length == 1 && value == *b"1"
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
