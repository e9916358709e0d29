use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use nix::errno::Errno;
use nix::unistd::setsid;

use crate::sys::spawn::{Launch, SpawnError, reset_signals, take_on};

/// Makes the process by fork(2) and exec(3).
pub(in crate::sys) fn make(launch: &Launch<'_>) -> Result<i32, SpawnError> {
    let spawned = command_of(launch).and_then(|mut command| command.spawn());
    // The child is reaped by its pid alone; std's handle has no part in it, and dropping it does nothing.
    spawned
        .map(|child| i32::try_from(child.id()).unwrap_or_default())
        .map_err(|source| classify(source, launch))
}

fn command_of(launch: &Launch<'_>) -> io::Result<Command> {
    let stdin = launch.stdin.as_ref().map(|stdin| stdin.try_clone()).transpose()?;
    let mut command = Command::new(launch.program);
    command
        .arg0(launch.argument_zero)
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
        setsid()?;
        reset_signals();
        rlimits.take_on()?;
        take_on(mask, nice, credentials.as_ref())
    };
    // SAFETY: between fork and exec only system calls are made, on data that was allocated before the fork.
    unsafe { command.pre_exec(prepare) };
    Ok(command)
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
