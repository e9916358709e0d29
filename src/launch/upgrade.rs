use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::detached::{Process, start_detached, word_of};
use crate::rundir::paths::Paths;
use crate::rundir::roles::GUARD;
use crate::sys::estate::{Estate, Numbers};
use crate::sys::{clock, exit, limits, process, signal};
use crate::vocab::identity::Identity;
use crate::vocab::signal::Signal;

/// The exit code by which a supervisor asks its guardian to start the procman on disk in its place.
pub const CODE: u8 = 75;

/// How long a candidate may take to vanish after SIGKILL, and how often it is looked at meanwhile.
const KILLED_MAX: Duration = Duration::from_secs(5);
const LOOK_AGAIN: Duration = Duration::from_millis(1);

/// How this procman was started, so that a newer one can be started in the same way.
#[derive(Debug, Clone)]
pub struct Program {
    /// The file that is executed.
    pub executable: PathBuf,
    /// The config file, absolute.
    pub config: PathBuf,
}

impl Program {
    /// This very program with its config. The file may have been replaced since: what counts is the path.
    pub fn this(config: &Path) -> io::Result<Self> {
        let executable = std::env::current_exe()?;
        let path = executable.to_string_lossy().into_owned();
        let executable = path.strip_suffix(" (deleted)").map_or(executable, PathBuf::from);
        Ok(Self { executable, config: config.to_owned() })
    }

    fn arguments(&self, role: &str, partner: Partner) -> Vec<OsString> {
        let config = self.config.as_os_str().to_owned();
        vec!["supervise".into(), "--config".into(), config, role.into(), partner.to_string().into()]
    }
}

/// The other one of guardian and supervisor, for a procman that takes the place of one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Partner {
    /// Its process.
    pub identity: Identity,
    /// What both share.
    pub estate: Numbers,
}

impl fmt::Display for Partner {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { identity: Identity { pid, started }, estate } = self;
        write!(formatter, "{pid}:{}:{estate}", started.0)
    }
}

/// Another process of procman's own, that has to do with one of guardian and supervisor.
pub(super) struct Second<'a> {
    pub(super) program: &'a Program,
    /// What it is to its partner, as the command line has it.
    pub(super) role: &'a str,
    pub(super) partner: Partner,
    /// Becomes its descriptor 3.
    pub(super) pipe: OwnedFd,
}

/// Starts it, with our log.
pub(super) fn start_beside(paths: &Paths, second: Second<'_>) -> io::Result<Identity> {
    let Second { program, role, partner, pipe } = second;
    let log = File::from(io::stderr().as_fd().try_clone_to_owned()?);
    let arguments = program.arguments(role, partner);
    let program = &*program.executable;
    start_detached(paths, Process { program, arguments: &arguments, log, pipe, estate: Some(partner.estate) })
}

/// Starts the procman on disk as a supervisor under this guardian and waits until it is ready.
///
/// # Errors
/// Why it is not, in words; it does not run then.
pub(super) fn try_out(
    program: &Program,
    paths: &Paths,
    guardian: Identity,
    estate: &Estate,
) -> Result<Identity, String> {
    let refused = |error: io::Error| format!("cannot start {}: {error}", program.executable.display());
    let (read, write) = io::pipe().map_err(refused)?;
    let partner = Partner { identity: guardian, estate: estate.numbers() };
    let second = Second { program, role: "--under", partner, pipe: write.into() };
    let candidate = start_beside(paths, second).map_err(refused)?;
    let why = match word_of(read).as_deref() {
        Some("ready\n") => return Ok(candidate),
        Some("") => "it ended without a word".to_owned(),
        Some(why) => why.trim().to_owned(),
        None => "it did not become ready in time".to_owned(),
    };
    end(candidate);
    Err(why)
}

/// Kills a candidate and waits until it is gone; one that hangs in the kernel is left to be reaped whenever it ends.
fn end(candidate: Identity) {
    let _ = signal::send(candidate, Signal::KILL);
    let deadline = clock::now().after(KILLED_MAX);
    // One that has ended by itself is a zombie until it is reaped.
    while exit::reap(candidate.pid).is_none() && process::is_alive(candidate) && clock::now() < deadline {
        std::thread::sleep(LOOK_AGAIN);
    }
}

/// Becomes the guardian of the procman on disk, keeping pid, children and place. Returns only when that is not possible.
pub(super) fn become_guardian(program: &Program, supervisor: Identity, estate: &Estate) -> io::Error {
    if let Err(error) = estate.pass_on() {
        return error;
    }
    let partner = Partner { identity: supervisor, estate: estate.numbers() };
    let arguments = program.arguments(GUARD, partner);
    // That program raises it again, and knows then what its own children are to have.
    let _ = limits::give_back_open_files();
    let error = Command::new(&program.executable).args(arguments).exec();
    limits::raise_open_files();
    // Where even this fails, a program that this process becomes later has two sockets more.
    let _ = estate.keep_back();
    error
}

/// A partner as `--under` and `--guard` name it: `PID:START:ESTATE`.
pub fn parse_partner(text: &str) -> Result<Partner, String> {
    use crate::vocab::identity::{Pid, StartTime};
    let bad = || format!("`{text}` is not PID:START:ESTATE");
    let (pid, rest) = text.split_once(':').ok_or_else(bad)?;
    let (started, estate) = rest.split_once(':').ok_or_else(bad)?;
    let pid = pid.parse().ok().and_then(Pid::new).ok_or_else(bad)?;
    let started = StartTime(started.parse().map_err(|_| bad())?);
    Ok(Partner { identity: Identity { pid, started }, estate: estate.parse()? })
}
