use std::ffi::{CStr, OsString};
use std::io;
use std::mem::{MaybeUninit, size_of};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::time::Duration;

use crate::sys::clock;
use crate::sys::process::{Life, Process, Usage};
use crate::vocab::identity::{Identity, Pid, StartTime};
use crate::vocab::moment::Moment;

/// `SSTOP` and `SZOMB` of sys/proc.h.
const STOPPED: u32 = 4;
const ZOMBIE: u32 = 5;

/// With this argument proc_pidinfo finds zombies too (bsd/kern/proc_info.c).
const ZOMBIES_TOO: u64 = 1;

/// No descriptor is needed for a look.
pub(in crate::sys) fn look(pid: Pid) -> io::Result<Option<Process>> {
    Ok(described(pid))
}

pub(in crate::sys) fn refused_looks() -> u64 {
    0
}

fn described(pid: Pid) -> Option<Process> {
    let info: libc::proc_bsdinfo = info(pid, libc::PROC_PIDTBSDINFO, ZOMBIES_TOO)?;
    let life = match info.pbi_status {
        ZOMBIE => Life::Zombie,
        STOPPED => Life::Stopped,
        _ => Life::Alive,
    };
    // SAFETY: getsid takes a pid by value and touches no memory of ours.
    let session = unsafe { libc::getsid(pid.as_raw()) };
    let started = StartTime(info.pbi_start_tvsec * 1_000_000 + info.pbi_start_tvusec);
    Some(Process {
        identity: Identity { pid, started },
        parent: i32::try_from(info.pbi_ppid).unwrap_or_default(),
        group: i32::try_from(info.pbi_pgid).unwrap_or_default(),
        session,
        life,
        usage: usage(pid).unwrap_or_default(),
    })
}

pub(in crate::sys) fn user(pid: Pid) -> Option<u32> {
    let info: libc::proc_bsdinfo = info(pid, libc::PROC_PIDTBSDINFO, ZOMBIES_TOO)?;
    Some(info.pbi_uid)
}

/// proc_pidinfo of libproc.h, for a plain structure `T` that belongs to the flavor.
pub(super) fn info<T: Copy>(pid: Pid, flavor: i32, argument: u64) -> Option<T> {
    let mut buffer = MaybeUninit::<T>::uninit();
    let size = i32::try_from(size_of::<T>()).ok()?;
    // SAFETY: the pointer and the size describe the buffer, which outlives the call.
    let written =
        unsafe { libc::proc_pidinfo(pid.as_raw(), flavor, argument, buffer.as_mut_ptr().cast(), size) };
    // SAFETY: the kernel filled the whole structure, and it is one of plain numbers.
    (written == size).then(|| unsafe { buffer.assume_init() })
}

pub(in crate::sys) fn pids() -> Vec<Pid> {
    // SAFETY: a null buffer only asks for the number of pids.
    let count = unsafe { libc::proc_listallpids(std::ptr::null_mut(), 0) };
    list(usize::try_from(count).unwrap_or_default() + 64, |buffer, size| {
        // SAFETY: the pointer and the size describe the buffer, which outlives the call.
        unsafe { libc::proc_listallpids(buffer, size) }
    })
}

pub(in crate::sys) fn children(pid: Pid) -> Option<Vec<Pid>> {
    const CHILDREN_MAX: usize = 4096;
    Some(list(CHILDREN_MAX, |buffer, size| {
        // SAFETY: the pointer and the size describe the buffer, which outlives the call.
        unsafe { libc::proc_listchildpids(pid.as_raw(), buffer, size) }
    }))
}

fn list(room: usize, fill: impl Fn(*mut libc::c_void, i32) -> i32) -> Vec<Pid> {
    let mut pids = vec![0_i32; room];
    let size = i32::try_from(room * size_of::<i32>()).unwrap_or(i32::MAX);
    let count = fill(pids.as_mut_ptr().cast(), size);
    pids.truncate(usize::try_from(count).unwrap_or_default());
    pids.into_iter().filter_map(Pid::new).collect()
}

pub(in crate::sys) fn arguments(pid: Pid) -> Vec<String> {
    strings(pid).map(|(arguments, _)| arguments).unwrap_or_default()
}

/// There is no such way.
pub(in crate::sys) fn descriptor(_pid: Pid, _descriptor: i32) -> Option<PathBuf> {
    None
}

pub(in crate::sys) fn variable(pid: Pid, name: &str) -> Option<String> {
    let (_, environment) = strings(pid)?;
    environment.iter().find_map(|entry| entry.strip_prefix(name)?.strip_prefix('=').map(str::to_owned))
}

/// Arguments and environment by sysctl KERN_PROCARGS2: a count, the path of the program, padding, then strings.
fn strings(pid: Pid) -> Option<(Vec<String>, Vec<String>)> {
    let mut request = [libc::CTL_KERN, libc::KERN_PROCARGS2, pid.as_raw()];
    let mut size: usize = 1 << 20;
    let mut buffer = vec![0_u8; size];
    // SAFETY: all pointers are to live buffers of the sizes given; the kernel updates `size`.
    let done = unsafe {
        libc::sysctl(
            request.as_mut_ptr(),
            3,
            buffer.as_mut_ptr().cast(),
            &raw mut size,
            std::ptr::null_mut(),
            0,
        )
    };
    if done != 0 || size < 4 {
        return None;
    }
    let count = usize::try_from(i32::from_ne_bytes(buffer[..4].try_into().ok()?)).ok()?;
    let rest = &buffer[4..size];
    let after_path = rest.iter().position(|byte| *byte == 0)?;
    let first = after_path + rest[after_path..].iter().position(|byte| *byte != 0)?;
    let words = rest[first..].split(|byte| *byte == 0);
    let mut words = words.map(|word| String::from_utf8_lossy(word).into_owned());
    let arguments = words.by_ref().take(count).collect();
    Some((arguments, words.take_while(|word| !word.is_empty()).collect()))
}

pub(in crate::sys) fn working_directory(pid: Pid) -> Option<PathBuf> {
    let info: libc::proc_vnodepathinfo = info(pid, libc::PROC_PIDVNODEPATHINFO, 0)?;
    let path = &info.pvi_cdir.vip_path;
    // SAFETY: the kernel ends the path with a NUL inside the array.
    let path = unsafe { CStr::from_ptr(path.as_ptr().cast()) };
    Some(PathBuf::from(OsString::from_vec(path.to_bytes().to_vec())))
}

pub(in crate::sys) fn executable(pid: Pid) -> Option<PathBuf> {
    let mut buffer = vec![0_u8; usize::try_from(libc::PROC_PIDPATHINFO_MAXSIZE).ok()?];
    let size = u32::try_from(buffer.len()).ok()?;
    // SAFETY: the pointer and the size describe the buffer, which outlives the call.
    let length = unsafe { libc::proc_pidpath(pid.as_raw(), buffer.as_mut_ptr().cast(), size) };
    buffer.truncate(usize::try_from(length).ok().filter(|length| *length > 0)?);
    Some(PathBuf::from(OsString::from_vec(buffer)))
}

/// It is as cheap to read the process.
pub(in crate::sys) fn ran(_pid: Pid) -> Option<Duration> {
    None
}

/// Listeners are listed by process, so a process stands for all sockets that it has; by which descriptors is not told.
pub(in crate::sys) fn sockets(pid: Pid) -> impl Iterator<Item = (i32, u64)> {
    u64::try_from(pid.as_raw()).ok().map(|key| (i32::MAX, key)).into_iter()
}

/// Start times are wall-clock times on macOS; the moment is as far back as the wall clock says.
pub(in crate::sys) fn started(time: StartTime) -> Moment {
    let age = Duration::from_millis(clock::unix_ms().saturating_sub(time.0 / 1000));
    let now = clock::now();
    Moment::since_boot(now.since(Moment::since_boot(age)))
}

fn usage(pid: Pid) -> Option<Usage> {
    let info: libc::proc_taskinfo = info(pid, libc::PROC_PIDTASKINFO, 0)?;
    let ticks = info.pti_total_user + info.pti_total_system;
    Some(Usage { cpu: of_mach_ticks(ticks), memory_bytes: info.pti_resident_size })
}

/// CPU times are in units of mach_absolute_time: 1 ns on Intel, 125/3 ns on Apple silicon.
fn of_mach_ticks(ticks: u64) -> Duration {
    let nanoseconds = if cfg!(target_arch = "aarch64") { ticks.saturating_mul(125) / 3 } else { ticks };
    Duration::from_nanos(nanoseconds)
}
