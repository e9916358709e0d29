use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::sys::spawn::take_on;
use crate::vocab::credentials::Credentials;

/// What a process takes on before it becomes a command.
#[derive(Debug)]
pub struct Guise {
    /// The file mode creation mask, if not ours.
    pub umask: Option<u32>,
    /// The nice value, if not ours.
    pub nice: Option<i32>,
    /// Who it runs as, if not as we do.
    pub credentials: Option<Credentials>,
}

/// Becomes a command; returns only when that is not possible, and why.
pub fn become_command(mut command: Command, guise: Guise) -> io::Error {
    match take_on(guise.umask, guise.nice, guise.credentials.as_ref()) {
        Ok(()) => command.exec(),
        Err(error) => error,
    }
}
