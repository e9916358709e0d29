use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use interprocess::local_socket::tokio::{Listener, Stream};
use interprocess::local_socket::traits::StreamCommon as _;
use interprocess::local_socket::traits::tokio::Listener as _;
use interprocess::local_socket::{GenericFilePath, ListenerOptions, ToFsName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Semaphore, mpsc, oneshot, watch};

use crate::daemon::causes::askers::Asker;
use crate::sys;

/// So many connections are served at once; the next ones wait in the kernel's queue.
const SESSIONS_MAX: usize = 256;

/// A request's head has to arrive within this time.
const HEAD_MAX: Duration = Duration::from_secs(10);

/// After an error of `accept` that is not the peer's (no descriptors left), this long passes before the next try.
pub(super) const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long answers that are under way may take when the supervisor ends.
pub(super) const FAREWELL_MAX: Duration = Duration::from_secs(1);

/// Nobody hangs up before a prompt answer; to watch for it costs as much as to answer.
const PROMPT: Duration = Duration::from_millis(50);

/// A peer that has ended its own sending is looked at this often, to see whether it is gone.
const HALF_CLOSED_PAUSE: Duration = Duration::from_secs(1);

/// The control socket's place in the file system, where somebody may take it away while the supervisor runs.
#[derive(Debug)]
pub struct Door {
    path: PathBuf,
    bound: Option<FileId>,
    listeners: mpsc::Sender<Listener>,
}

/// What tells one file from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FileId {
    device: u64,
    inode: u64,
}

/// Whether a door had to be made anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reopened {
    /// It was where it should be.
    AsItWas,
    /// It was gone.
    Anew,
}

impl Door {
    /// Binds the control socket, and gives what [`serve`] serves: this listener, and each that takes its place.
    pub fn open(path: PathBuf) -> io::Result<(Self, mpsc::Receiver<Listener>)> {
        // One is taken over before the next is asked for, or that is asked for again.
        let (listeners, inbox) = mpsc::channel(1);
        let mut door = Self { path, bound: None, listeners };
        door.bind()?;
        Ok((door, inbox))
    }

    /// Binds the control socket again if it is not where it was bound.
    pub fn open_again(&mut self) -> io::Result<Reopened> {
        if self.bound.is_some() && socket_at(&self.path) == self.bound {
            return Ok(Reopened::AsItWas);
        }
        self.bind()?;
        Ok(Reopened::Anew)
    }

    fn bind(&mut self) -> io::Result<()> {
        let listener = bind(&self.path)?;
        self.listeners.try_send(listener).map_err(io::Error::other)?;
        self.bound = socket_at(&self.path);
        Ok(())
    }
}

fn socket_at(path: &Path) -> Option<FileId> {
    let found = fs::symlink_metadata(path).ok().filter(|found| found.file_type().is_socket())?;
    Some(FileId { device: found.dev(), inode: found.ino() })
}

/// Binds the control socket for its owner alone. A socket file that is there belongs to a supervisor that is dead, for
/// the caller holds the lock.
fn bind(path: &Path) -> io::Result<Listener> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => (),
    }
    let name = path.to_fs_name::<GenericFilePath>()?;
    let listener = ListenerOptions::new().name(name).reclaim_name(false).create_tokio()?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Serves connections until `ending` says so; then lets every answer that is under way come to its end, for a while.
pub async fn serve(listeners: mpsc::Receiver<Listener>, router: Router, ending: oneshot::Receiver<()>) {
    let sessions = Arc::new(Semaphore::new(SESSIONS_MAX));
    let (end, ended) = watch::channel(());
    tokio::select! {
        _ = ending => (),
        () = accept(listeners, router, &sessions, ended) => (),
    }
    let _ = end.send(());
    let all = u32::try_from(SESSIONS_MAX).unwrap_or(u32::MAX);
    let _ = tokio::time::timeout(FAREWELL_MAX, sessions.acquire_many(all)).await;
}

async fn accept(
    mut listeners: mpsc::Receiver<Listener>,
    router: Router,
    sessions: &Arc<Semaphore>,
    ended: watch::Receiver<()>,
) {
    let Some(mut listener) = listeners.recv().await else { return };
    loop {
        let Ok(permit) = Arc::clone(sessions).acquire_owned().await else { return };
        let accepted = tokio::select! {
            Some(fresh) = listeners.recv() => {
                listener = fresh;
                continue;
            }
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok(stream) => {
                let session = session(stream, router.clone(), ended.clone());
                tokio::spawn(async move {
                    session.await;
                    drop(permit);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection; trying again");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn session(stream: Stream, router: Router, ended: watch::Receiver<()>) {
    let asker = match admit(&stream) {
        Ok(asker) => asker,
        Err(why) => {
            tracing::warn!(%why, "connection refused");
            return;
        }
    };
    let Stream::UdSocket(socket) = &stream;
    let gone = hung_up(socket);
    talk(stream, gone, Guest { asker, router }, ended).await;
}

/// Who is answered, and by what.
pub(super) struct Guest {
    pub(super) asker: Asker,
    pub(super) router: Router,
}

/// Answers one peer until it is `gone`, or says no more, or the supervisor ends.
pub(super) async fn talk<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    gone: impl Future<Output = ()>,
    guest: Guest,
    mut ended: watch::Receiver<()>,
) {
    let Guest { asker, router } = guest;
    let mut http = http1::Builder::new();
    // A peer that has said all it has to say still gets its answer.
    http.half_close(true).timer(TokioTimer::new()).header_read_timeout(HEAD_MAX).max_buf_size(64 * 1024);
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(asker);
        router.call(request)
    });
    let connection = http.serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let served = tokio::select! {
        served = &mut connection => served,
        _ = ended.changed() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
        // Nobody will read the answer; a stream that has nothing to say would not find out.
        () = gone => return,
    };
    if let Err(error) = served {
        tracing::debug!(%error, "a connection ended early");
    }
}

/// Resolves when the peer has hung up; never when the system gives no second descriptor to see it by.
pub(super) fn hung_up<S: AsFd>(socket: &S) -> impl Future<Output = ()> + use<S> {
    let copy = socket.as_fd().try_clone_to_owned();
    async move {
        tokio::time::sleep(PROMPT).await;
        let watch = copy.and_then(sys::socket::watch_for_hang_up);
        let Ok(watch) = watch else { return std::future::pending().await };
        while let Ok(mut guard) = watch.readable().await {
            if sys::socket::has_hung_up(&watch.get_ref()) {
                return;
            }
            // A peer that has ended its own sending stays readable for ever.
            if guard.ready().is_read_closed() {
                tokio::time::sleep(HALF_CLOSED_PAUSE).await;
            } else {
                guard.clear_ready();
            }
        }
    }
}

/// Only the owner and root may talk to the supervisor.
fn admit(stream: &Stream) -> Result<Asker, String> {
    let peer = stream.peer_creds().map_err(|error| format!("cannot tell who connects: {error}"))?;
    let owner = sys::user::effective();
    match peer.euid() {
        Some(uid) if uid == owner || uid == 0 => Ok(Asker(Some(uid))),
        Some(uid) => Err(format!("user {uid} is neither the owner nor root")),
        None => Err("the system does not say who connects".to_owned()),
    }
}
