use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::sys::spawn::{Credentials, take_on};

/// What a process takes on before it becomes a command.
#[derive(Debug)]
pub struct Guise {
    /// The file mode creation mask, if not ours.
    pub umask: Option<u32>,
    /// The nice value, if not ours.
    pub nice: Option<i32>,
    /// The user, if not ours.
    pub user: Option<User>,
}

/// A user and all groups to take.
#[derive(Debug)]
pub struct User {
    /// The user id.
    pub uid: u32,
    /// The primary group id.
    pub gid: u32,
    /// All group ids.
    pub groups: Vec<u32>,
}

/// Becomes a command; returns only when that is not possible, and why.
pub fn become_command(mut command: Command, guise: Guise) -> io::Error {
    let credentials =
        guise.user.map(|user| Credentials { uid: user.uid, gid: user.gid, groups: user.groups });
    match take_on(guise.umask, guise.nice, credentials.as_ref()) {
        Ok(()) => command.exec(),
        Err(error) => error,
    }
}
