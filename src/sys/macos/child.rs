use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use nix::errno::Errno;
use nix::unistd::setsid;

use crate::sys::handover::Handover;
use crate::sys::limits;
use crate::sys::spawn::{Launch, SpawnError, reset_signals, take_on};

/// Makes the process by fork(2) and exec(3). A variable that is to be its pid is set by a shell that becomes the program, so
/// a program that cannot be executed is then one that ends with 126 or 127.
pub(in crate::sys) fn make(launch: &Launch<'_>) -> Result<i32, SpawnError> {
    let spawned = command_of(launch).and_then(|mut command| command.spawn());
    // The child is reaped by its pid alone; std's handle has no part in it, and dropping it does nothing.
    spawned
        .map(|child| i32::try_from(child.id()).unwrap_or_default())
        .map_err(|source| classify(source, launch))
}

fn command_of(launch: &Launch<'_>) -> io::Result<Command> {
    let handed = launch.handover.copies()?;
    let occupied = occupy_below(handed.iter().map(AsRawFd::as_raw_fd).min().unwrap_or_default())?;
    let mut command = match launch.handover.pid_variable() {
        None => {
            let mut command = Command::new(launch.program);
            command.arg0(launch.argument_zero);
            command
        }
        Some(variable) => {
            let mut command = Command::new("/bin/sh");
            let script = format!("export {variable}=$$; exec \"$0\" \"$@\"");
            command.args(["-c".as_ref(), script.as_ref(), launch.program.as_os_str()]);
            command
        }
    };
    let stdin = launch.handover.stdin().map(|fd| fd.try_clone_to_owned()).transpose()?;
    command
        .args(launch.arguments)
        .env_clear()
        .envs(launch.environment)
        .current_dir(launch.directory)
        .stdin(stdin.map_or_else(Stdio::null, Stdio::from))
        .stdout(launch.stdout.try_clone()?)
        .stderr(launch.stderr.try_clone()?);
    let (mask, nice, credentials) = (launch.umask, launch.nice, launch.credentials.clone());
    let rlimits = launch.rlimits;
    let prepare = move || {
        let _keep = &occupied;
        for (number, fd) in (Handover::FIRST..).zip(&handed) {
            // SAFETY: dup2 takes numbers by value. What it closes in the child is a copy of what the parent has.
            Errno::result(unsafe { libc::dup2(fd.as_raw_fd(), number) })?;
        }
        setsid()?;
        reset_signals();
        limits::take_on(&rlimits)?;
        take_on(mask, nice, credentials.as_ref())
    };
    // SAFETY: between fork and exec only system calls are made, on data that was allocated before the fork.
    unsafe { command.pre_exec(prepare) };
    Ok(command)
}

/// Opens something under every number below `end` that is free, the lowest first: the standard library is about to open the
/// pipe on which the child reports, and must not get a number that is handed over.
fn occupy_below(end: RawFd) -> io::Result<Vec<OwnedFd>> {
    let mut occupied = Vec::new();
    loop {
        let filler = OwnedFd::from(File::open("/dev/null")?);
        if filler.as_raw_fd() >= end {
            return Ok(occupied);
        }
        occupied.push(filler);
    }
}

fn classify(source: io::Error, launch: &Launch<'_>) -> SpawnError {
    let is_limit = matches!(source.raw_os_error().map(Errno::from_raw), Some(Errno::EAGAIN | Errno::ENOMEM));
    if is_limit {
        return SpawnError::NoProcess { source };
    }
    // The child reports one errno for all its steps; whether the directory was it can be seen from here.
    match std::fs::read_dir(launch.directory) {
        Err(source) => SpawnError::Directory { directory: launch.directory.to_owned(), source },
        Ok(_) => SpawnError::Program { program: launch.program.to_owned(), source },
    }
}
