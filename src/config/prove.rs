use std::path::Path;

#[cfg(not(target_os = "macos"))]
use nix::unistd::getgrouplist;
use nix::unistd::{Gid, Group, Uid, User as Login};

use super::load::Machine;
use super::service;
use super::value::Value;
use crate::spec::service::{Command, LoginEnvironment, User};
use crate::vocab::credentials::Credentials;

/// Reads a command that is run from a directory; notes a program that is not there, if that is one.
pub(super) fn command(value: &Value<'_>, directory: &Path, machine: Machine) -> Option<Command> {
    let command = service::command_line(value)?;
    if machine == Machine::Proven && directory.is_dir() {
        program(&command, directory, value.scope().environment().value("PATH"), value);
    }
    Some(command)
}

/// Notes a program that is not there.
fn program(command: &Command, directory: &Path, path_variable: Option<&str>, value: &Value<'_>) {
    if command.resolve(directory, path_variable).is_some() {
        return;
    }
    let program = command.program();
    if program.contains('/') {
        let file = directory.join(program);
        let what = if file.exists() { "is not executable" } else { "does not exist" };
        value.add(
            format!("the program {} {what}", file.display()),
            "a path is taken from the service's directory",
        );
    } else {
        value.add(
            format!("there is no program `{program}` in PATH"),
            "install it, or write its whole path; no shell is run, so shell words do not work here",
        );
    }
}

/// Notes a working directory that is none.
pub(super) fn directory(path: &Path, value: &Value<'_>) {
    if !path.exists() {
        value.add(
            format!("the directory {} does not exist", path.display()),
            "it is taken from the config file's directory",
        );
    } else if !path.is_dir() {
        value.add(format!("{} is not a directory", path.display()), "name the directory to run in");
    }
}

/// Whether a service runs as somebody else than its supervisor.
pub(super) fn is_other(user: &User) -> bool {
    user.credentials.uid != nix::unistd::geteuid().as_raw()
}

/// The login of a name or a number; a name comes first, as POSIX has it for chown.
pub(super) fn login(text: &str) -> Option<Login> {
    let by_number = || Login::from_uid(Uid::from_raw(text.parse().ok()?)).ok().flatten();
    Login::from_name(text).ok().flatten().or_else(by_number)
}

/// The group of a name or a number, in the same order.
pub(super) fn group(text: &str) -> Option<Group> {
    let by_number = || Group::from_gid(Gid::from_raw(text.parse().ok()?)).ok().flatten();
    Group::from_name(text).ok().flatten().or_else(by_number)
}

/// Looks a user up; notes one that is unknown, or that this process may not become.
pub(super) fn user(name: &str, value: &Value<'_>) -> Option<User> {
    let Some(login) = login(name) else {
        value.add(format!("there is no user `{name}`"), "name a login of this machine");
        return None;
    };
    let own = nix::unistd::geteuid();
    if !own.is_root() && own != login.uid {
        value.add(
            format!("only root may run a service as `{name}`"),
            "start procman as root, or remove `user`",
        );
        return None;
    }
    let groups = groups_of(&login);
    let credentials = Credentials { uid: login.uid.as_raw(), gid: login.gid.as_raw(), groups };
    let (home, name) = (login.dir, login.name);
    Some(User { credentials, home, name, login: LoginEnvironment::Set })
}

#[cfg(not(target_os = "macos"))]
fn groups_of(login: &Login) -> Vec<u32> {
    let name = std::ffi::CString::new(login.name.as_str()).unwrap_or_default();
    let groups = getgrouplist(&name, login.gid).unwrap_or_else(|_| vec![login.gid]);
    groups.into_iter().map(Gid::as_raw).collect()
}

/// macOS gives further groups by directory service when they are asked for; the primary one is taken along.
#[cfg(target_os = "macos")]
fn groups_of(login: &Login) -> Vec<u32> {
    vec![Gid::as_raw(login.gid)]
}
