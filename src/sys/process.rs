use std::io;
use std::path::PathBuf;
use std::time::Duration;

use super::{clock, os, user};
use crate::vocab::identity::{Identity, Pid, StartTime};
use crate::vocab::moment::Moment;
use crate::vocab::run::Tag;

/// A process as the kernel described it a moment ago.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Process {
    /// Its pid and start time.
    pub identity: Identity,
    /// Its parent's pid; 0 when it has none.
    pub parent: i32,
    /// Its process group.
    pub group: i32,
    /// Its session.
    pub session: i32,
    /// Whether it runs.
    pub life: Life,
    /// What it uses; nothing where this user may not know.
    pub usage: Usage,
}

/// Whether a process runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    /// It runs, or could.
    Alive,
    /// It was stopped by a signal and goes on with SIGCONT.
    Stopped,
    /// It has ended, and its parent has not taken note.
    Zombie,
}

/// What a process uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// CPU time since its start, in user and kernel mode.
    pub cpu: Duration,
    /// Resident memory, in bytes.
    pub memory_bytes: u64,
}

impl Process {
    /// Whether it has not ended; a stopped one has not.
    pub fn is_alive(&self) -> bool {
        match self.life {
            Life::Alive | Life::Stopped => true,
            Life::Zombie => false,
        }
    }
}

/// The process with this pid; none when there is none, or when this user may not see it.
pub fn read(pid: Pid) -> Option<Process> {
    look(pid).ok().flatten()
}

/// The same where it counts that nothing was seen.
///
/// # Errors
/// The system has no descriptor or memory to look by, and nothing is known of the process.
pub fn look(pid: Pid) -> io::Result<Option<Process>> {
    os::process::look(pid)
}

/// How often this program could not look at a process for want of descriptors or memory: what was listed meanwhile may not be all.
pub fn refused_looks() -> u64 {
    os::process::refused_looks()
}

/// Every process that this user may see.
pub fn all() -> Vec<Process> {
    pids().into_iter().filter_map(read).collect()
}

/// The pid of every process that this user may see.
pub fn pids() -> Vec<Pid> {
    os::process::pids()
}

/// Who has this pid at this moment.
pub fn identify(pid: Pid) -> Option<Identity> {
    read(pid).map(|process| process.identity)
}

/// Whether this very process has not ended, as far as is known: one that cannot be looked at has not.
pub fn is_alive(identity: Identity) -> bool {
    let is_it = |process: Process| process.identity == identity && process.is_alive();
    look(identity.pid).map_or(true, |found| found.is_some_and(is_it))
}

/// The pid of this process.
pub fn own_pid() -> Pid {
    Pid::new(nix::unistd::getpid().as_raw()).unwrap_or(Pid::FIRST)
}

/// This process. Where the system does not let it be read (no proc(5)), its start time is 0, which matches nobody.
pub fn own() -> Identity {
    let pid = own_pid();
    identify(pid).unwrap_or(Identity { pid, started: StartTime(0) })
}

/// Its command line, word by word; bytes that are not UTF-8 are replaced. Empty for kernel threads and zombies.
pub fn arguments(pid: Pid) -> Vec<String> {
    os::process::arguments(pid)
}

/// Its working directory.
pub fn working_directory(pid: Pid) -> Option<PathBuf> {
    os::process::working_directory(pid)
}

/// The file it runs.
pub fn executable(pid: Pid) -> Option<PathBuf> {
    os::process::executable(pid)
}

/// A variable of the environment it was started with.
pub fn variable(pid: Pid, name: &str) -> Option<String> {
    os::process::variable(pid, name)
}

/// The tag in its environment, if it carries one.
pub fn tag(pid: Pid) -> Option<Tag> {
    variable(pid, Tag::VARIABLE).and_then(|value| Tag::parse(&value))
}

/// How long it has lived.
pub fn age(identity: Identity) -> Duration {
    clock::now().since(started(identity))
}

/// When it was started, to the precision of the kernel: 10 ms on Linux.
pub fn started(identity: Identity) -> Moment {
    os::process::started(identity.started)
}

/// Its effective user.
pub fn user(pid: Pid) -> Option<u32> {
    os::process::user(pid)
}

/// The login name of a user; the number as text when the system knows none.
pub fn user_name(uid: u32) -> String {
    user::name(uid)
}

#[cfg(test)]
mod tests {
    use super::{
        Life, age, all, arguments, identify, is_alive, own, read, user, variable, working_directory,
    };
    use crate::vocab::identity::{Identity, Pid, StartTime};
    use std::process::{Command, Stdio};
    use std::time::Duration;

    #[test]
    fn a_process_knows_itself() {
        let own = own();
        let process = read(own.pid).unwrap();
        assert_eq!(process.life, Life::Alive);
        assert_eq!(user(own.pid), Some(crate::sys::user::effective()));
        assert!(all().iter().any(|process| process.identity == own));
        assert!(age(own) < Duration::from_secs(3600));
        assert!(process.usage.memory_bytes > 100_000);
        assert_eq!(working_directory(own.pid).unwrap(), std::env::current_dir().unwrap());
    }

    #[test]
    fn another_start_time_is_another_process() {
        let own = own();
        let impostor = Identity { started: StartTime(own.started.0 + 1), ..own };
        assert!(is_alive(own));
        assert!(!is_alive(impostor));
    }

    #[test]
    fn a_child_is_seen_with_its_command_and_environment_and_as_a_zombie() {
        let mut child = Command::new("/bin/sh")
            .args(["-c", "read line; exit 0", "a b", "c)"])
            .env("PROCMAN_TEST", "x=y")
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let pid = Pid::new(i32::try_from(child.id()).unwrap()).unwrap();
        let arguments_are_there = || arguments(pid).last().is_some_and(|word| word == "c)");
        wait(&arguments_are_there);
        assert_eq!(variable(pid, "PROCMAN_TEST").as_deref(), Some("x=y"));
        assert_eq!(variable(pid, "PROCMAN_TES"), None);
        drop(child.stdin.take());
        wait(&|| read(pid).unwrap().life == Life::Zombie);
        assert!(!is_alive(identify(pid).unwrap()));
        child.wait().unwrap();
    }

    fn wait(condition: &dyn Fn() -> bool) {
        let deadline = std::time::Instant::now() + Duration::from_secs(10);
        while !condition() {
            assert!(std::time::Instant::now() < deadline);
            std::thread::yield_now();
        }
    }
}
