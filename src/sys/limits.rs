use std::sync::OnceLock;

use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::vocab::rlimits::{Least, Rlimits};

/// The soft limit of open files that this process was started with, if it has raised it.
static STARTED_WITH: OnceLock<u64> = OnceLock::new();

/// A limit that cannot be raised as far as is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "cannot have {wanted} {what}, which `{option}` asks for: {allowed} are allowed here\nhint: allow more (`ulimit -H{letter}`), or lower `{option}`"
)]
pub struct TooLow {
    what: &'static str,
    option: &'static str,
    letter: char,
    wanted: u64,
    allowed: u64,
}

/// Holds this process to them; with none of open files, it has those that this program was started with. It makes system calls
/// alone, and may be called between fork and exec.
///
/// # Errors
/// EPERM: more than the hard limit is for root alone.
pub fn take_on(limits: &Rlimits) -> nix::Result<()> {
    match limits.open_files {
        Some(limit) => setrlimit(Resource::RLIMIT_NOFILE, limit, limit)?,
        None => give_back_open_files()?,
    }
    let known = [
        (Resource::RLIMIT_CORE, limits.core_bytes),
        (Resource::RLIMIT_CPU, limits.cpu_time.map(|time| time.as_secs())),
    ];
    for (resource, limit) in known {
        if let Some(limit) = limit {
            setrlimit(resource, limit, limit)?;
        }
    }
    limits.processes.map_or(Ok(()), |count| limit_processes((count, count)))
}

/// What RLIMIT_NPROC holds this process to, soft and hard; nix knows it on Linux alone.
fn processes() -> nix::Result<(u64, u64)> {
    let mut limits = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the pointer is to a live variable of that type.
    let done = unsafe { libc::getrlimit(libc::RLIMIT_NPROC, &raw mut limits) };
    Errno::result(done).map(|_| (limits.rlim_cur, limits.rlim_max))
}

fn limit_processes((soft, hard): (u64, u64)) -> nix::Result<()> {
    let limits = libc::rlimit { rlim_cur: soft, rlim_max: hard };
    // SAFETY: the pointer is to a live variable of that type.
    let done = unsafe { libc::setrlimit(libc::RLIMIT_NPROC, &raw const limits) };
    Errno::result(done).map(drop)
}

/// Raises the soft limit of open files to the hard one (getrlimit(2)); a system that refuses leaves it as it was. What this
/// process starts has the limit that it had itself: there are programs that close or poll as many as they may open.
pub fn raise_open_files() {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return };
    if soft < hard {
        STARTED_WITH.get_or_init(|| soft);
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}

/// Takes back the limit of open files that this program was started with. It makes system calls alone, and may be called
/// between fork and exec.
///
/// # Errors
/// None are known: the soft limit is for everybody to lower.
pub fn give_back_open_files() -> nix::Result<()> {
    let Some(soft) = STARTED_WITH.get() else { return Ok(()) };
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, (*soft).min(hard), hard)
}

/// Raises limits that are lower, for this process and all that it starts; none is lowered (setrlimit(2)).
///
/// # Errors
/// One that would have to be higher than the hard limit, which is for root alone to raise.
pub fn raise_to(least: &Least) -> Result<(), TooLow> {
    let open_files = getrlimit(Resource::RLIMIT_NOFILE).unwrap_or((u64::MAX, u64::MAX));
    if let Some((soft, hard)) = raised(open_files, least.open_files) {
        let (wanted, allowed) = (least.open_files, open_files.1);
        let too_low = TooLow { what: "open files", option: "minfds", letter: 'n', wanted, allowed };
        setrlimit(Resource::RLIMIT_NOFILE, soft, hard).map_err(|_| too_low)?;
    }
    let count = processes().unwrap_or((u64::MAX, u64::MAX));
    if let Some(limits) = raised(count, least.processes) {
        let (wanted, allowed) = (least.processes, count.1);
        let too_low = TooLow { what: "processes", option: "minprocs", letter: 'u', wanted, allowed };
        limit_processes(limits).map_err(|_| too_low)?;
    }
    Ok(())
}

/// The soft and the hard limit that hold for so much, if those that are there do not.
fn raised((soft, hard): (u64, u64), least: u64) -> Option<(u64, u64)> {
    (soft < least).then_some((least, hard.max(least)))
}

#[cfg(test)]
mod tests {
    use super::{TooLow, raised};

    #[test]
    fn a_limit_is_raised_as_far_as_it_is_asked_for_and_never_lowered() {
        for (limits, least, expected) in [
            ((1024, 4096), 2000, Some((2000, 4096))),
            ((1024, 4096), 5000, Some((5000, 5000))),
            ((1024, 4096), 1024, None),
            ((u64::MAX, u64::MAX), 1 << 40, None),
        ] {
            assert_eq!(raised(limits, least), expected, "{limits:?} {least}");
        }
    }

    #[test]
    fn what_cannot_be_had_is_said_with_the_option_and_a_way_out() {
        let too_low =
            TooLow { what: "open files", option: "minfds", letter: 'n', wanted: 9000, allowed: 4096 };
        let words = too_low.to_string();
        assert_eq!(
            words,
            "cannot have 9000 open files, which `minfds` asks for: 4096 are allowed here\nhint: allow more (`ulimit -Hn`), or lower `minfds`"
        );
    }
}
