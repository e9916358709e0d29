use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, PipeReader};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::rundir::paths::{Paths, Unusable};
use crate::sys::detach::{Detached, spawn_detached};
use crate::sys::estate::Numbers;
use crate::sys::pipe::read_to_end_within;
use crate::sys::signal;
use crate::vocab::identity::Identity;
use crate::vocab::run::{Instance, Tag};
use crate::vocab::signal::Signal;

/// What to start.
#[derive(Debug)]
pub struct Request<'a> {
    /// The procman to run.
    pub executable: &'a Path,
    /// The config file, absolute.
    pub config: &'a Path,
    /// Where its files lie.
    pub paths: &'a Paths,
    /// Which text it goes by.
    pub text: Text,
}

/// Which text of its config a supervisor goes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Text {
    /// What the file says.
    File,
    /// What the supervisor before it acted on, whatever has become of the file; the file if that is not to be had.
    AsApplied,
}

/// Why no supervisor is running.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// The state directory cannot be used.
    #[error(transparent)]
    StateDirectory(#[from] Unusable),
    /// The process could not be made.
    #[error("cannot start the supervisor: {0}")]
    Spawn(io::Error),
    /// It said why it cannot run.
    #[error("{0}")]
    Refused(String),
    /// It ended without a word.
    #[error("cannot start the supervisor: it ended at once; its log is {}", .log.display())]
    Died {
        /// Its log.
        log: PathBuf,
    },
    /// It lives and says nothing.
    #[error("cannot tell whether the supervisor started: it said nothing within {}s; its log is {}", READY_MAX.as_secs(), .log.display())]
    Silent {
        /// Its log.
        log: PathBuf,
    },
}

/// How long a supervisor may take to say that it is ready.
const READY_MAX: Duration = Duration::from_secs(30);

/// Starts a supervisor and waits for its word.
pub fn start(request: &Request<'_>) -> Result<Identity, LaunchError> {
    request.paths.prepare()?;
    let log = &request.paths.supervisor_log;
    let mut arguments = vec!["supervise".into(), "--config".into(), request.config.as_os_str().to_owned()];
    match request.text {
        Text::File => (),
        Text::AsApplied => arguments.push("--as-applied".into()),
    }
    let file = open_log(log).map_err(LaunchError::Spawn)?;
    let (read, write) = io::pipe().map_err(LaunchError::Spawn)?;
    let process = Process {
        program: request.executable,
        arguments: &arguments,
        log: file,
        pipe: write.into(),
        estate: None,
    };
    let identity = start_detached(request.paths, process).map_err(LaunchError::Spawn)?;
    match word_of(read).as_deref() {
        Some("ready\n") => Ok(identity),
        Some("") => Err(LaunchError::Died { log: log.clone() }),
        Some(why) => Err(LaunchError::Refused(why.to_owned())),
        None => Err(LaunchError::Silent { log: log.clone() }),
    }
}

/// A process of procman's own, beside the one that starts it.
pub(super) struct Process<'a> {
    pub(super) program: &'a Path,
    pub(super) arguments: &'a [OsString],
    pub(super) log: File,
    /// One end of a pipe, which becomes its descriptor 3.
    pub(super) pipe: OwnedFd,
    /// What of ours it shares.
    pub(super) estate: Option<Numbers>,
}

/// Makes a process that carries the mark of a supervisor of this fleet.
pub(super) fn start_detached(paths: &Paths, process: Process<'_>) -> io::Result<Identity> {
    let Process { program, arguments, log, pipe, estate } = process;
    spawn_detached(Detached {
        program,
        arguments,
        directory: Path::new("/"),
        mark: (Instance::VARIABLE, &paths.instance.0),
        // A supervisor that is started from inside a service is not part of that service.
        forget: &[Tag::VARIABLE, "PROCMAN_SERVICE"],
        log,
        ready: pipe,
        estate,
    })
}

fn open_log(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).mode(0o644).open(path)
}

/// All that a supervisor says until it closes its end; none when it takes too long.
pub(super) fn word_of(mut read: PipeReader) -> Option<String> {
    let word = read_to_end_within(&mut read, READY_MAX).ok().flatten()?;
    Some(String::from_utf8_lossy(&word).into_owned())
}

/// The pipe to say "ready" on, in a process that [`start`] started, or on which its supervisor says its last word, in a
/// guardian that the supervisor started; none in any other.
pub fn take_ready_pipe() -> Option<File> {
    crate::sys::detach::take_ready_pipe()
}

/// Takes this process out of the cgroup of the service that it was started from, if it was: what is started in the background
/// is not part of that.
pub fn leave_services() {
    if let Err(error) = crate::sys::cgroup::leave_runs() {
        tracing::debug!(%error, "cannot leave the cgroup of the service that this was started from");
    }
}

/// Lets no word of a client end this process before it listens: clients look for a supervisor by its mark. A program that
/// it becomes inherits that.
pub fn expect_clients() -> io::Result<()> {
    signal::ignore(Signal::USR1)
}

/// Keeps descriptors that this process happened to be started with from all that it starts in turn.
pub fn keep_inherited_descriptors() {
    crate::sys::detach::keep_inherited_descriptors();
}
