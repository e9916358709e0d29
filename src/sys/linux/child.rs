use std::cell::Cell;
use std::ffi::{CString, NulError, c_char, c_int, c_void};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;

use nix::errno::Errno;
use nix::sys::signal::{SigSet, SigmaskHow, sigprocmask};
use nix::sys::wait::waitpid;
use nix::unistd::{chdir, setsid};

use super::cgroup::open_new;
use super::clone::{self, Part};
use crate::sys::handover::Handover;
use crate::sys::limits;
use crate::sys::spawn::{Launch, SpawnError, reset_signals, take_on};

/// Makes the process, as posix_spawn(3) does: it runs in our memory and on a stack of its own, while this thread waits,
/// until it is the program. So nothing is copied that an exec would throw away, and the pages and descriptors of a
/// supervisor of a thousand services make a start no slower.
pub(in crate::sys) fn make(launch: &Launch<'_>) -> Result<i32, SpawnError> {
    let made = make_process(launch);
    if let (Err(_), Some(cgroup)) = (&made, launch.cgroup) {
        // Who ended in it has just been reaped.
        let _ = cgroup.remove();
    }
    made
}

fn make_process(launch: &Launch<'_>) -> Result<i32, SpawnError> {
    let plan = Plan::of(launch).map_err(|source| not_run(launch, source))?;
    // What the child does before it is the program must not be interrupted by handlers of ours: they act on our memory.
    let mask = SigSet::all().thread_swap_mask(SigmaskHow::SIG_BLOCK).map_err(no_process)?;
    let made = plan.make_in_cgroup().unwrap_or_else(|| plan.make());
    // A mask that the kernel gave is one that it takes.
    let _ = mask.thread_set_mask();
    let pid = made.map_err(no_process)?;
    let Some((step, errno)) = plan.failed.get() else { return Ok(pid) };
    // It ends at once, and nobody else knows of it.
    let _ = waitpid(nix::unistd::Pid::from_raw(pid), None);
    Err(match step {
        Step::Entering => {
            SpawnError::Directory { directory: launch.directory.to_owned(), source: errno.into() }
        }
        Step::Preparing | Step::Executing => not_run(launch, errno.into()),
    })
}

fn no_process(errno: Errno) -> SpawnError {
    SpawnError::NoProcess { source: errno.into() }
}

fn not_run(launch: &Launch<'_>, source: io::Error) -> SpawnError {
    SpawnError::Program { program: launch.program.to_owned(), source }
}

/// What the child was about when it failed.
#[derive(Debug, Clone, Copy)]
enum Step {
    Preparing,
    Entering,
    Executing,
}

/// Everything that the child needs, made beforehand: it must not allocate, for it shares our heap.
struct Plan<'a> {
    launch: &'a Launch<'a>,
    program: CString,
    directory: CString,
    arguments: Words,
    environment: Words,
    /// The entry of the environment that is the pid.
    pid: Option<PidEntry>,
    /// Its standard input, if it is given none.
    null: Option<File>,
    /// What it gets after standard error.
    handed: Vec<OwnedFd>,
    /// What kept the child from becoming the program.
    failed: Cell<Option<(Step, Errno)>>,
}

impl<'a> Plan<'a> {
    fn of(launch: &'a Launch<'a>) -> io::Result<Self> {
        let arguments =
            std::iter::once(launch.argument_zero).chain(launch.arguments.iter().map(String::as_str));
        let environment = launch.environment.iter().map(|(name, value)| format!("{name}={value}"));
        let mut environment = Words::new(environment.map(CString::new))?;
        let pid = launch.handover.pid_variable().map(PidEntry::new);
        environment.extend(pid.iter().map(PidEntry::as_ptr));
        Ok(Self {
            launch,
            program: CString::new(launch.program.as_os_str().as_bytes())?,
            directory: CString::new(launch.directory.as_os_str().as_bytes())?,
            arguments: Words::new(arguments.map(CString::new))?,
            environment,
            pid,
            null: launch.handover.stdin().is_none().then(|| File::open("/dev/null")).transpose()?,
            handed: launch.handover.copies()?,
            failed: Cell::new(None),
        })
    }

    /// Makes the child in its cgroup, which is made as well: it is never anywhere else, nor is what it forks. None if it
    /// is to have no cgroup, or cannot.
    fn make_in_cgroup(&self) -> Option<Result<i32, Errno>> {
        let cgroup = self.launch.cgroup?;
        let refused = |why: &io::Error| {
            tracing::debug!(%why, cgroup = %cgroup.path().display(), "a process is not made in its cgroup");
        };
        let directory = open_new(cgroup).inspect_err(refused).ok()?;
        // SAFETY: what the child does is `run`, on a stack that nobody else uses.
        match unsafe { clone::into_cgroup(directory.as_fd(), self.stack().spare_capacity_mut(), self.part()) }
        {
            Err(errno) if !matches!(errno, Errno::EAGAIN | Errno::ENOMEM) => {
                refused(&errno.into());
                // It is made outside of it.
                let _ = cgroup.remove();
                None
            }
            made => Some(made),
        }
    }

    fn make(&self) -> Result<i32, Errno> {
        let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_FILES | libc::SIGCHLD;
        let (mut stack, Part { run, argument }) = (self.stack(), self.part());
        // SAFETY: as above; the top is the end of the stack.
        let pid = unsafe {
            let top = stack.as_mut_ptr().add(stack.capacity());
            libc::clone(run, top.cast(), flags, argument)
        };
        Errno::result(pid)
    }

    /// A stack for the child, which uses it until this thread goes on: when it has its own memory, or has ended.
    fn stack(&self) -> Vec<u128> {
        /// What the system calls below use, with room to spare, and the words of a script that names no interpreter,
        /// which execvpe(3) puts on the stack.
        const STACK_BYTES: usize = 64 * 1024;
        let bytes = STACK_BYTES + self.arguments.pointers.len() * size_of::<*const c_char>();
        Vec::with_capacity(bytes / size_of::<u128>())
    }

    /// What the child does, in our memory: it reads this plan, which lives longer, and writes nothing of ours but `failed`
    /// and the digits of `pid`. It makes plain system calls on what lies ready, neither allocates nor unwinds, and ends
    /// without running anything of ours.
    fn part(&self) -> Part {
        Part { run, argument: std::ptr::from_ref(self).cast_mut().cast() }
    }

    /// What the child does. It comes back only when it failed.
    fn carry_out(&self) -> (Step, Errno) {
        if let Err(errno) = self.prepare() {
            return (Step::Preparing, errno);
        }
        if let Err(errno) = chdir(self.directory.as_c_str()) {
            return (Step::Entering, errno);
        }
        // SAFETY: all pointers are to strings with a NUL at their end, the lists end with a null pointer, and all live in
        // the plan.
        unsafe {
            libc::execvpe(
                self.program.as_ptr(),
                self.arguments.pointers.as_ptr(),
                self.environment.pointers.as_ptr(),
            )
        };
        (Step::Executing, Errno::last())
    }

    fn stdin(&self) -> RawFd {
        let given = self.launch.handover.stdin().map(|fd| fd.as_raw_fd());
        given.or(self.null.as_ref().map(AsRawFd::as_raw_fd)).unwrap_or_default()
    }

    fn prepare(&self) -> Result<(), Errno> {
        let standard = [self.stdin(), self.launch.stdout.as_raw_fd(), self.launch.stderr.as_raw_fd()];
        let handed = self.handed.iter().map(OwnedFd::as_raw_fd);
        take_own_descriptors(handed.clone().chain(standard).max().unwrap_or_default())?;
        for (number, fd) in (0..).zip(standard) {
            // SAFETY: the table of descriptors is the child's own, and the three are above those that they replace: Rust
            // opens 0, 1 and 2 before main if they are closed.
            Errno::result(unsafe { libc::dup2(fd, number) })?;
        }
        for (number, fd) in (Handover::FIRST..).zip(handed) {
            // SAFETY: as above; what this closes was needed for the standard ones alone.
            Errno::result(unsafe { libc::dup2(fd, number) })?;
        }
        self.pid.iter().for_each(PidEntry::write);
        setsid()?;
        reset_signals();
        sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None)?;
        let Launch { rlimits, umask, nice, credentials, .. } = self.launch;
        limits::take_on(rlimits)?;
        take_on(*umask, *nice, credentials.as_ref()).map_err(|error| errno_of(&error))
    }
}

extern "C" fn run(plan: *mut c_void) -> c_int {
    // SAFETY: `Plan::make` gives a plan that lives until the child has ended or is the program.
    let plan = unsafe { &*plan.cast_const().cast::<Plan<'_>>() };
    plan.failed.set(Some(plan.carry_out()));
    127
}

/// Leaves the table of descriptors that is shared with the supervisor, with a copy that ends at `last`: the thousands
/// above it need neither be copied nor be closed by the exec (close_range(2), Linux 5.9). An older kernel copies all.
fn take_own_descriptors(last: RawFd) -> Result<(), Errno> {
    let first = libc::c_uint::try_from(last).unwrap_or_default() + 1;
    // SAFETY: both calls take numbers by value, and change the child's table only, which they make its own.
    let done =
        unsafe { libc::syscall(libc::SYS_close_range, first, libc::c_uint::MAX, libc::CLOSE_RANGE_UNSHARE) };
    if done == 0 {
        return Ok(());
    }
    // SAFETY: as above.
    Errno::result(unsafe { libc::unshare(libc::CLONE_FILES) }).map(drop)
}

fn errno_of(error: &io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::EIO, Errno::from_raw)
}

/// Strings as exec(3) takes them.
struct Words {
    /// What the pointers point into.
    _strings: Vec<CString>,
    pointers: Vec<*const c_char>,
}

impl Words {
    fn new(strings: impl Iterator<Item = Result<CString, NulError>>) -> io::Result<Self> {
        let strings = strings.collect::<Result<Vec<CString>, NulError>>()?;
        let pointers = strings.iter().map(|word| word.as_ptr()).chain([std::ptr::null()]).collect();
        Ok(Self { _strings: strings, pointers })
    }

    /// Adds strings that somebody else keeps.
    fn extend(&mut self, more: impl Iterator<Item = *const c_char>) {
        self.pointers.pop();
        self.pointers.extend(more.chain([std::ptr::null()]));
    }
}

/// `NAME=` and room for the digits of any pid, in which the child writes its own.
struct PidEntry {
    bytes: Vec<Cell<u8>>,
    digits_at: usize,
}

impl PidEntry {
    /// A pid has at most ten digits, and a string a NUL at its end.
    const ROOM: usize = 11;

    fn new(variable: &str) -> Self {
        let name = variable.bytes().chain([b'=']);
        let bytes: Vec<Cell<u8>> = name.chain([0; Self::ROOM]).map(Cell::new).collect();
        Self { digits_at: bytes.len() - Self::ROOM, bytes }
    }

    fn as_ptr(&self) -> *const c_char {
        self.bytes.as_ptr().cast()
    }

    /// Runs in the child, and allocates nothing.
    fn write(&self) {
        let mut rest = std::process::id();
        let mut digits = [0; Self::ROOM];
        let mut count = 0;
        while rest > 0 && count < Self::ROOM - 1 {
            digits[count] = b'0' + u8::try_from(rest % 10).unwrap_or_default();
            rest /= 10;
            count += 1;
        }
        let places = self.bytes.iter().skip(self.digits_at);
        places.zip(digits[..count].iter().rev()).for_each(|(place, digit)| place.set(*digit));
    }
}
