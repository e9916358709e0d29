use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, PipeReader};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::rundir::paths::{Paths, Unusable};
use crate::sys::detach::{Detached, spawn_detached};
use crate::sys::letterbox::Letterbox;
use crate::sys::pipe::read_to_end_within;
use crate::sys::stash::Numbers;
use crate::vocab::identity::Identity;
use crate::vocab::run::{Instance, Tag};

/// What to start.
#[derive(Debug)]
pub struct Request<'a> {
    /// The procman to run.
    pub executable: &'a Path,
    /// The config file, absolute.
    pub config: &'a Path,
    /// Where its files lie.
    pub paths: &'a Paths,
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
    let arguments = ["supervise".into(), "--config".into(), request.config.as_os_str().to_owned()];
    let file = open_log(log).map_err(LaunchError::Spawn)?;
    let kit =
        Kit { program: request.executable, arguments: &arguments, log: file, stash: None, letterbox: None };
    let (identity, read) = spawn_supervisor(request.paths, kit).map_err(LaunchError::Spawn)?;
    match word_of(read).as_deref() {
        Some("ready\n") => Ok(identity),
        Some("") => Err(LaunchError::Died { log: log.clone() }),
        Some(why) => Err(LaunchError::Refused(why.to_owned())),
        None => Err(LaunchError::Silent { log: log.clone() }),
    }
}

/// What a process that is to be a supervisor is made with.
pub(super) struct Kit<'a> {
    pub(super) program: &'a Path,
    pub(super) arguments: &'a [OsString],
    pub(super) log: File,
    pub(super) stash: Option<Numbers>,
    pub(super) letterbox: Option<&'a Letterbox>,
}

/// Makes a process that is to be a supervisor of this fleet, and gives the pipe on which it says whether it is.
pub(super) fn spawn_supervisor(paths: &Paths, kit: Kit<'_>) -> io::Result<(Identity, PipeReader)> {
    let Kit { program, arguments, log, stash, letterbox } = kit;
    let (read, write) = io::pipe()?;
    let identity = spawn_detached(Detached {
        program,
        arguments,
        directory: Path::new("/"),
        mark: (Instance::VARIABLE, &paths.instance.0),
        // A supervisor that is started from inside a service is not part of that service.
        forget: &[Tag::VARIABLE, "PROCMAN_SERVICE"],
        log,
        ready: write.into(),
        stash,
        letterbox,
    })?;
    Ok((identity, read))
}

fn open_log(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).mode(0o600).open(path)
}

/// All that a supervisor says until it closes its end; none when it takes too long.
pub(super) fn word_of(mut read: PipeReader) -> Option<String> {
    let word = read_to_end_within(&mut read, READY_MAX).ok().flatten()?;
    Some(String::from_utf8_lossy(&word).into_owned())
}

/// The pipe to say "ready" on, in a process that [`start`] started; none in any other.
pub fn take_ready_pipe() -> Option<File> {
    crate::sys::detach::take_ready_pipe()
}

/// Keeps descriptors that this process happened to be started with from all that it starts in turn.
pub fn keep_inherited_descriptors() {
    crate::sys::detach::keep_inherited_descriptors();
}
