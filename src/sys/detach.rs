use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use nix::unistd::setsid;

use super::estate::{self, Numbers};
use super::limits;
use super::os;
use super::spawn::identity_of;
use crate::vocab::identity::Identity;

/// The descriptor under which a detached process finds the pipe that it reports its readiness on.
pub const READY_FD: i32 = 3;

/// A process that goes on when its maker's terminal and session end.
#[derive(Debug)]
pub struct Detached<'a> {
    /// The file to execute.
    pub program: &'a Path,
    /// Its arguments.
    pub arguments: &'a [OsString],
    /// Its working directory.
    pub directory: &'a Path,
    /// A variable that it gets beside our environment, and its value.
    pub mark: (&'a str, &'a str),
    /// Variables of our environment that it does not get.
    pub forget: &'a [&'a str],
    /// Its standard output and standard error.
    pub log: File,
    /// Becomes its descriptor [`READY_FD`].
    pub ready: OwnedFd,
    /// What of ours it shares, under the same numbers.
    pub estate: Option<Numbers>,
}

/// Starts a process in a session of its own, with our environment and no descriptors but 0 to 3 and those
/// of an estate. It is our child until we end.
pub fn spawn_detached(detached: Detached<'_>) -> io::Result<Identity> {
    let ready = detached.ready.as_raw_fd();
    let shared = detached.estate;
    let mut command = Command::new(detached.program);
    command
        .args(detached.arguments)
        .current_dir(detached.directory)
        .env(detached.mark.0, detached.mark.1)
        .stdin(Stdio::null())
        .stdout(detached.log.try_clone()?)
        .stderr(detached.log);
    for variable in detached.forget {
        command.env_remove(variable);
    }
    let prepare = move || {
        setsid()?;
        pass_on(ready)?;
        limits::give_back_open_files()?;
        os::rest::close_on_exec_from(READY_FD + 1);
        if let Some(numbers) = shared {
            estate::let_through(numbers);
        }
        Ok(())
    };
    // SAFETY: between fork and exec only setsid, dup2, fcntl, setrlimit and close_range are called; all are async-signal-safe.
    unsafe { command.pre_exec(prepare) };
    let child = command.spawn()?;
    Ok(identity_of(i32::try_from(child.id()).unwrap_or_default()))
}

/// Makes `fd` the descriptor [`READY_FD`], open across exec.
fn pass_on(fd: i32) -> io::Result<()> {
    if fd == READY_FD {
        return keep_open(fd);
    }
    // SAFETY: dup2 takes numbers by value; a number that is no open descriptor is an error and nothing else.
    let done = unsafe { libc::dup2(fd, READY_FD) };
    Ok(nix::errno::Errno::result(done).map(drop)?)
}

/// Leaves a descriptor open across exec.
fn keep_open(fd: i32) -> io::Result<()> {
    // SAFETY: fcntl takes numbers by value.
    let done = unsafe { libc::fcntl(fd, libc::F_SETFD, 0) };
    Ok(nix::errno::Errno::result(done).map(drop)?)
}

/// Takes the readiness pipe that whoever started this process passed on; none when the descriptor is not open.
pub fn take_ready_pipe() -> Option<File> {
    use std::os::fd::FromRawFd;
    // SAFETY: fcntl takes numbers by value.
    let is_open = unsafe { libc::fcntl(READY_FD, libc::F_SETFD, libc::FD_CLOEXEC) } == 0;
    // SAFETY: the descriptor is open, and only the caller of this function, once at the start of the process, owns it.
    is_open.then(|| unsafe { File::from_raw_fd(READY_FD) })
}

/// Goes on with standard output and standard error in a new file, if they went to one that was removed.
pub fn reopen_removed_output(path: &Path) -> io::Result<()> {
    let is_removed = |fd: BorrowedFd<'_>| -> io::Result<bool> {
        let found = File::from(fd.try_clone_to_owned()?).metadata()?;
        Ok(found.is_file() && found.nlink() == 0)
    };
    let (out, error) = (io::stdout(), io::stderr());
    if !is_removed(error.as_fd())? {
        return Ok(());
    }
    let fresh = OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
    if is_removed(out.as_fd())? {
        nix::unistd::dup2_stdout(&fresh)?;
    }
    Ok(nix::unistd::dup2_stderr(&fresh)?)
}

/// Keeps every descriptor that this process was started with, beyond the first three, from those it starts in turn: a
/// shell's lock or a test's pipe must not live as long as a service.
pub fn keep_inherited_descriptors() {
    os::rest::close_on_exec_from(3);
}
