use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

use crate::sys::process::{Life, Process, Usage};
use crate::vocab::identity::{Identity, Pid, StartTime};
use crate::vocab::moment::Moment;

/// 52 fields, few of them of more than 10 digits: the kernel gives the line whole to one read of this size.
const STAT_BYTES_MAX: usize = 2048;

/// The fields of proc_pid_stat(5) behind the command name, by their number there less 3.
struct Fields<'a>([&'a str; FIELDS]);

/// The last one that is looked at is the 24th.
const FIELDS: usize = 22;

impl<'a> Fields<'a> {
    fn of(stat: &'a [u8]) -> Option<Self> {
        // The name stands in parentheses and may hold any byte, parentheses among them; the last one closes it.
        let after_name = stat.iter().rposition(|byte| *byte == b')')? + 1;
        let mut words = std::str::from_utf8(&stat[after_name..]).ok()?.split_ascii_whitespace();
        let mut fields = [""; FIELDS];
        for field in &mut fields {
            *field = words.next()?;
        }
        Some(Self(fields))
    }

    /// Field `number` as proc_pid_stat(5) counts, from 3 on.
    fn field(&self, number: usize) -> &'a str {
        self.0[number - 3]
    }

    fn number<N: std::str::FromStr>(&self, field: usize) -> Option<N> {
        self.field(field).parse().ok()
    }

    fn usage(&self) -> Option<Usage> {
        let (user, system): (u64, u64) = (self.number(14)?, self.number(15)?);
        let resident_pages: u64 = self.number(24)?;
        Some(Usage { cpu: ticks(user + system), memory_bytes: resident_pages * page_size() })
    }
}

/// A file of proc(5) in as few reads as can be: it tells no size, so there is room beforehand.
fn bytes_of(path: String) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(USUAL_BYTES);
    // The limit keeps the standard library from asking for a size first.
    opened(File::open(path)).ok()?.take(BYTES_MAX).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

/// Most environments and lists of children fit into this, and none that is looked at is larger than the other.
const USUAL_BYTES: usize = 8 * 1024;
const BYTES_MAX: u64 = 16 << 20;

/// How often a file or directory of proc(5) could not be opened though it may be there.
static REFUSED: AtomicU64 = AtomicU64::new(0);

pub(in crate::sys) fn refused_looks() -> u64 {
    REFUSED.load(Ordering::Relaxed)
}

/// What was opened of proc(5), or that it could not be.
fn opened<T>(result: io::Result<T>) -> io::Result<T> {
    result.inspect_err(|error| {
        REFUSED.fetch_add(u64::from(is_refusal(error)), Ordering::Relaxed);
    })
}

/// Descriptors or memory have run out, which says nothing of the process that was to be looked at.
fn is_refusal(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE | libc::ENOMEM))
}

pub(in crate::sys) fn look(pid: Pid) -> io::Result<Option<Process>> {
    match opened(File::open(format!("/proc/{pid}/stat"))) {
        Ok(stat) => Ok(described(pid, stat)),
        Err(error) if is_refusal(&error) => Err(error),
        Err(_) => Ok(None),
    }
}

fn described(pid: Pid, mut stat: File) -> Option<Process> {
    let mut bytes = [0; STAT_BYTES_MAX];
    let length = stat.read(&mut bytes).ok()?;
    let stat = Fields::of(&bytes[..length])?;
    // While other threads live, the process does, whatever has become of its first one: its files are open until the last.
    let threads: u64 = stat.number(20)?;
    let life = match stat.field(3) {
        "Z" | "X" if threads <= 1 => Life::Zombie,
        "T" | "t" => Life::Stopped,
        _ => Life::Alive,
    };
    Some(Process {
        identity: Identity { pid, started: StartTime(stat.number(22)?) },
        parent: stat.number(4)?,
        group: stat.number(5)?,
        session: stat.number(6)?,
        life,
        usage: stat.usage()?,
    })
}

/// The directory /proc/PID belongs to the process' effective user (proc(5)).
pub(in crate::sys) fn user(pid: Pid) -> Option<u32> {
    Some(fs::metadata(format!("/proc/{pid}")).ok()?.uid())
}

pub(in crate::sys) fn pids() -> Vec<Pid> {
    let Ok(entries) = opened(fs::read_dir("/proc")) else { return Vec::new() };
    entries.filter_map(|entry| Pid::new(entry.ok()?.file_name().to_str()?.parse().ok()?)).collect()
}

/// Children by proc_pid_task(5) `children`, of every thread; none when the kernel has no such file.
pub(in crate::sys) fn children(pid: Pid) -> Option<Vec<Pid>> {
    let tasks = format!("/proc/{pid}/task");
    // A directory has a link for each one in it, and two more: most processes have one thread, which has their own number.
    if fs::metadata(&tasks).ok()?.nlink() == 3 {
        return children_of_thread(&format!("{tasks}/{pid}"));
    }
    let mut found = Vec::new();
    for task in opened(fs::read_dir(&tasks)).ok()? {
        found.extend(children_of_thread(&format!("{tasks}/{}", task.ok()?.file_name().to_str()?))?);
    }
    Some(found)
}

fn children_of_thread(task: &str) -> Option<Vec<Pid>> {
    let list = String::from_utf8(bytes_of(format!("{task}/children"))?).ok()?;
    Some(list.split_ascii_whitespace().filter_map(|word| Pid::new(word.parse().ok()?)).collect())
}

pub(in crate::sys) fn arguments(pid: Pid) -> Vec<String> {
    let bytes = bytes_of(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let words = bytes.strip_suffix(&[0]).unwrap_or(&bytes);
    if words.is_empty() {
        return Vec::new();
    }
    words.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).into_owned()).collect()
}

pub(in crate::sys) fn working_directory(pid: Pid) -> Option<PathBuf> {
    fs::read_link(format!("/proc/{pid}/cwd")).ok()
}

pub(in crate::sys) fn executable(pid: Pid) -> Option<PathBuf> {
    fs::read_link(format!("/proc/{pid}/exe")).ok()
}

/// The way to what one of its descriptors leads to, which can be opened again (proc_pid_fd(5)).
pub(in crate::sys) fn descriptor(pid: Pid, descriptor: i32) -> Option<PathBuf> {
    Some(PathBuf::from(format!("/proc/{pid}/fd/{descriptor}")))
}

pub(in crate::sys) fn variable(pid: Pid, name: &str) -> Option<String> {
    let environment = bytes_of(format!("/proc/{pid}/environ"))?;
    let value = environment
        .split(|byte| *byte == 0)
        .find_map(|entry| entry.strip_prefix(name.as_bytes())?.strip_prefix(b"="))?;
    Some(String::from_utf8_lossy(value).into_owned())
}

/// The descriptors of a process that are sockets, each with its inode (proc_pid_fd(5)).
pub(in crate::sys) fn sockets(pid: Pid) -> impl Iterator<Item = (i32, u64)> {
    let links = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten();
    links.filter_map(|link| {
        let link = link.ok()?;
        let target = fs::read_link(link.path()).ok()?;
        let inode = target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()?;
        Some((link.file_name().to_str()?.parse().ok()?, inode))
    })
}

/// How long all threads of a process have run, by its CPU-time clock (clock_getcpuclockid(3)), whose number the C library
/// makes of the pid in the same way.
pub(in crate::sys) fn ran(pid: Pid) -> Option<Duration> {
    /// CPUCLOCK_SCHED of linux/posix-timers.h: what the scheduler counted, in nanoseconds.
    const SCHEDULED: libc::clockid_t = 2;
    let clock = ClockId::from_raw((!pid.as_raw() << 3) | SCHEDULED);
    clock_gettime(clock).ok().map(Duration::from)
}

pub(in crate::sys) fn started(time: StartTime) -> Moment {
    Moment::since_boot(ticks(time.0))
}

fn ticks(count: u64) -> Duration {
    static PER_SECOND: OnceLock<u64> = OnceLock::new();
    let per_second = *PER_SECOND.get_or_init(|| sysconf(nix::unistd::SysconfVar::CLK_TCK, 100));
    Duration::from_nanos(count.saturating_mul(1_000_000_000 / per_second))
}

fn page_size() -> u64 {
    static SIZE: OnceLock<u64> = OnceLock::new();
    *SIZE.get_or_init(|| sysconf(nix::unistd::SysconfVar::PAGE_SIZE, 4096))
}

fn sysconf(variable: nix::unistd::SysconfVar, usual: u64) -> u64 {
    let known = nix::unistd::sysconf(variable).ok().flatten();
    known.and_then(|value| u64::try_from(value).ok()).filter(|value| *value > 0).unwrap_or(usual)
}
