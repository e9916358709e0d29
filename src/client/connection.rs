use std::io;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use interprocess::local_socket::tokio::Stream;
use interprocess::local_socket::traits::tokio::Stream as _;
use interprocess::local_socket::{GenericFilePath, ToFsName};
use tokio::time::Instant;

use crate::rundir::lock::{self, Supervisor};
use crate::rundir::paths::Paths;
use crate::rundir::{leftovers, roles};
use crate::sys::signal;
use crate::vocab::identity::Identity;
use crate::vocab::signal::Signal;

/// A connection to the supervisor.
pub struct Client {
    pub(super) sender: SendRequest<Full<Bytes>>,
    pub(super) paths: Paths,
}

/// Why the supervisor does not answer.
#[derive(Debug, thiserror::Error)]
pub enum Unreachable {
    /// None is running.
    #[error("no supervisor is running for this config\nhint: `procman up` starts one")]
    Absent,
    /// One is alive and does not answer: it hangs, it is stopped, or its socket was removed.
    #[error(
        "the supervisor{} is alive and does not answer on {}\nhint: `procman restart --emergency` replaces it",
        pid_words(.identity), .socket.display()
    )]
    Silent {
        /// Its process, if it can be proven.
        identity: Option<Identity>,
        /// Where it should answer.
        socket: PathBuf,
    },
    /// It died, and its guardian is bringing another.
    #[error("the supervisor died and is about to be replaced\nhint: try again in a moment; {} says what happened", .log.display())]
    Returning {
        /// The log of both.
        log: PathBuf,
    },
    /// The socket is somebody else's.
    #[error("cannot connect to {}: {source}", .socket.display())]
    Denied {
        /// The socket.
        socket: PathBuf,
        /// Why.
        source: io::Error,
    },
}

fn pid_words(identity: &Option<Identity>) -> String {
    identity.map_or_else(String::new, |identity| format!(" ({identity})"))
}

/// How long a living supervisor may take to answer anything that it answers at once. It takes its lock a moment before it
/// binds its socket, and lets go of it a moment after; one whose socket was taken away binds it again when it is told so: a
/// socket that refuses is asked again for as long, while the lock is held.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// How long a supervisor that died may take to come back.
const RETURN_MAX: Duration = Duration::from_secs(3);

/// How often.
const BETWEEN_PAUSE: Duration = Duration::from_millis(2);

/// Who should answer is found out this often, which may take a look at every process of the machine.
const DIAGNOSIS_PAUSE: Duration = Duration::from_millis(20);

/// A supervisor that cannot be reached is told so this often.
const KNOCK_PAUSE: Duration = Duration::from_millis(100);

impl Client {
    /// Connects, or says why that is not possible.
    pub async fn connect(paths: &Paths) -> Result<Self, Unreachable> {
        let client = |sender| Self { sender, paths: paths.clone() };
        let begun = Instant::now();
        let mut last_knock: Option<Instant> = None;
        loop {
            let error = match tokio::time::timeout(PATIENCE, open(paths)).await {
                Ok(Ok(sender)) => return Ok(client(sender)),
                Ok(Err(error)) if error.kind() == io::ErrorKind::PermissionDenied => {
                    return Err(Unreachable::Denied { socket: paths.socket.clone(), source: error });
                }
                Ok(Err(error)) => error,
                Err(_) => return Err(diagnose(paths)),
            };
            let why = diagnose(paths);
            if is_nobody_there(&error) && last_knock.is_none_or(|at| at.elapsed() >= KNOCK_PAUSE) {
                last_knock = Some(Instant::now());
                knock(paths, &why);
            }
            let patience = match why {
                Unreachable::Absent | Unreachable::Denied { .. } => Duration::ZERO,
                Unreachable::Silent { .. } => PATIENCE,
                Unreachable::Returning { .. } => RETURN_MAX,
            };
            if begun.elapsed() >= patience {
                return Err(why);
            }
            if let Some(sender) = open_soon(paths).await {
                return Ok(client(sender));
            }
        }
    }
}

/// Tries to connect again and again, until it is time for the next diagnosis.
async fn open_soon(paths: &Paths) -> Option<SendRequest<Full<Bytes>>> {
    let begun = Instant::now();
    while begun.elapsed() < DIAGNOSIS_PAUSE {
        tokio::time::sleep(BETWEEN_PAUSE).await;
        if let Ok(Ok(sender)) = tokio::time::timeout(PATIENCE, open(paths)).await {
            return Some(sender);
        }
    }
    None
}

/// Nobody listens where the socket should be, or there is none.
fn is_nobody_there(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused)
}

/// Tells a supervisor that is alive that its socket is gone, by SIGUSR1: the one that holds the lock, or, where the lock is
/// gone as well, everybody who carries the mark, for its guardian has a lock to take again. Who holds the lock without the
/// mark of a supervisor is a command that cleans up, and would die of it.
fn knock(paths: &Paths, why: &Unreachable) {
    let Unreachable::Silent { .. } = why else { return };
    let told = match lock::supervisor(paths) {
        Ok(Supervisor::Alive(Some(holder))) => {
            Some(holder).filter(|it| leftovers::is_marked(*it, &paths.instance)).into_iter().collect()
        }
        Ok(Supervisor::Alive(None) | Supervisor::Nobody) | Err(_) => leftovers::marked(&paths.instance),
    };
    for identity in told {
        // One that has just ended needs it no more; the next look tells.
        let _ = signal::send(identity, Signal::USR1);
    }
}

async fn open(paths: &Paths) -> io::Result<SendRequest<Full<Bytes>>> {
    let name = paths.socket.as_path().to_fs_name::<GenericFilePath>()?;
    let stream = Stream::connect(name).await?;
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    tokio::spawn(connection);
    Ok(sender)
}

/// Nobody answered: the lock tells whether there is somebody who should.
pub(super) fn diagnose(paths: &Paths) -> Unreachable {
    match lock::supervisor(paths) {
        Ok(Supervisor::Alive(identity)) => Unreachable::Silent { identity, socket: paths.socket.clone() },
        Ok(Supervisor::Nobody) | Err(_) if lock::is_guarded(paths) => {
            Unreachable::Returning { log: paths.supervisor_log.clone() }
        }
        // Its run directory was taken away, or it never had one; it puts it back when it is told so.
        Ok(Supervisor::Nobody) | Err(_) if !paths.own_dir.exists() => {
            match roles::supervisor_among(&leftovers::marked(&paths.instance)) {
                None => Unreachable::Absent,
                identity => Unreachable::Silent { identity, socket: paths.socket.clone() },
            }
        }
        Ok(Supervisor::Nobody) | Err(_) => Unreachable::Absent,
    }
}
