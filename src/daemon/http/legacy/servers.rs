use std::fs::{self, Permissions};
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, chown};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use nix::unistd::{Gid, Group, Uid, User};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use super::gate::Gate;
use super::router;
use crate::config::supervisord::model::{Owner, Server};
use crate::daemon::causes::askers::Asker;
use crate::daemon::http::serve::{ACCEPT_PAUSE, FAREWELL_MAX, Guest, hung_up, talk};
use crate::daemon::mailbox::Mailbox;

/// So many connections are served at once by each server; the next ones wait in the kernel's queue.
const SESSIONS_MAX: usize = 128;

/// A successor binds what its predecessor had; what it cannot, it tries again after pauses that double up to the last.
const TRY_AGAIN_FIRST: Duration = Duration::from_millis(100);
const TRY_AGAIN_LAST: Duration = Duration::from_secs(10);

/// Why a server that the config declares cannot be.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot serve [{section}] at {address}: {source}\nhint: end the program that listens there, or change or remove the section"
)]
pub struct Unserved {
    section: String,
    address: String,
    source: io::Error,
}

/// The servers that are bound, and those that are to be.
#[derive(Debug)]
pub struct Declared {
    bound: Vec<(Server, Listener)>,
    missing: Vec<Server>,
}

/// Servers that serve.
pub struct Serving {
    end: watch::Sender<()>,
    tasks: JoinSet<()>,
}

#[derive(Debug)]
enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener, File),
}

/// A socket's file; another may stand in its place.
#[derive(Debug)]
struct File {
    path: PathBuf,
    inode: u64,
}

impl Declared {
    /// Binds them all.
    ///
    /// # Errors
    /// The first that cannot be; then none is.
    pub async fn bind_all(servers: &[Server]) -> Result<Self, Unserved> {
        let mut bound = Vec::new();
        for (server, address) in servers.iter().filter_map(|server| Some((server, address_of(server)?))) {
            let unserved = |source| Unserved { section: server.section.clone(), address, source };
            bound.push((server.clone(), bind(server).await.map_err(unserved)?));
        }
        Ok(Self { bound, missing: Vec::new() })
    }

    /// Binds them when they serve, as soon as each can be.
    pub fn bind_later(servers: &[Server]) -> Self {
        let missing = servers.iter().filter(|server| address_of(server).is_some());
        Self { bound: Vec::new(), missing: missing.cloned().collect() }
    }

    /// Serves on them.
    pub fn serve(self, mailbox: &Mailbox) -> Serving {
        let (end, ended) = watch::channel(());
        let mut tasks = JoinSet::new();
        let bound = self.bound.into_iter().map(|(server, listener)| (server, Some(listener)));
        for (server, listener) in bound.chain(self.missing.into_iter().map(|server| (server, None))) {
            tasks.spawn(serve(server, listener, mailbox.clone(), ended.clone()));
        }
        Serving { end, tasks }
    }
}

impl Serving {
    /// Serves nobody any more, once the answers that are under way have had a while.
    pub async fn end(self) {
        drop(self.end);
        let mut tasks = self.tasks;
        while tasks.join_next().await.is_some() {}
    }
}

async fn serve(server: Server, bound: Option<Listener>, mailbox: Mailbox, mut ended: watch::Receiver<()>) {
    let bound = match bound {
        Some(listener) => Some(listener),
        None => tokio::select! {
            listener = bind_in_the_end(&server) => Some(listener),
            _ = ended.changed() => None,
        },
    };
    let Some(listener) = bound else { return };
    tracing::info!(section = server.section, address = address_of(&server), "serving supervisord's clients");
    let sessions = Arc::new(Semaphore::new(SESSIONS_MAX));
    let router = router::router(mailbox, Gate::of(&server));
    tokio::select! {
        () = accept(&listener, router, &sessions, ended.clone()) => (),
        _ = ended.changed() => (),
    }
    if let Listener::Unix(_, file) = &listener {
        file.remove();
    }
    let all = u32::try_from(SESSIONS_MAX).unwrap_or(u32::MAX);
    let _ = tokio::time::timeout(FAREWELL_MAX, sessions.acquire_many(all)).await;
}

async fn bind_in_the_end(server: &Server) -> Listener {
    let mut pause = TRY_AGAIN_FIRST;
    loop {
        match bind(server).await {
            Ok(listener) => return listener,
            Err(error) if pause == TRY_AGAIN_FIRST => {
                tracing::warn!(section = server.section, %error, "cannot serve supervisord's clients; trying again");
            }
            Err(_) => (),
        }
        tokio::time::sleep(pause).await;
        pause = TRY_AGAIN_LAST.min(pause * 2);
    }
}

async fn accept(listener: &Listener, router: Router, sessions: &Arc<Semaphore>, ended: watch::Receiver<()>) {
    loop {
        let Ok(permit) = Arc::clone(sessions).acquire_owned().await else { return };
        let (router, ended) = (router.clone(), ended.clone());
        let accepted = match listener {
            Listener::Tcp(listener) => listener.accept().await.map(|(stream, _)| {
                tokio::spawn(session(stream, router, ended, permit));
            }),
            Listener::Unix(listener, _) => listener.accept().await.map(|(stream, _)| {
                tokio::spawn(session(stream, router, ended, permit));
            }),
        };
        if let Err(error) = accepted {
            tracing::warn!(%error, "cannot accept a connection; trying again");
            tokio::time::sleep(ACCEPT_PAUSE).await;
        }
    }
}

async fn session<S: AsyncRead + AsyncWrite + AsFd + Unpin + Send + 'static>(
    stream: S,
    router: Router,
    ended: watch::Receiver<()>,
    permit: tokio::sync::OwnedSemaphorePermit,
) {
    let gone = hung_up(&stream);
    // Who is at the other end of a network is not known.
    talk(stream, gone, Guest { asker: Asker::NOBODY, router }, ended).await;
    drop(permit);
}

/// Where a server is reached, in words; none if it is not served.
fn address_of(server: &Server) -> Option<String> {
    match (&server.file, server.bound_host(), server.port) {
        (Some(file), ..) => Some(file.clone()),
        (None, Some(host), Some(port)) => Some(format!("{host}:{port}")),
        (None, ..) => None,
    }
}

async fn bind(server: &Server) -> io::Result<Listener> {
    match (&server.file, server.bound_host(), server.port) {
        (Some(file), ..) => bind_unix(server, Path::new(file)),
        (None, Some(host), Some(port)) => bind_tcp(host, port).await.map(Listener::Tcp),
        (None, ..) => Err(io::Error::other("it has no address")),
    }
}

/// IPv4 alone, as in supervisord.
async fn bind_tcp(host: &str, port: u16) -> io::Result<TcpListener> {
    let address = tokio::net::lookup_host((host, port)).await?.find(SocketAddr::is_ipv4);
    let address = address.ok_or_else(|| io::Error::other("the host has no IPv4 address"))?;
    let listener = std::net::TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener)
}

/// The socket is made under another name and takes its own when its mode and owner are right; one on which nobody listens is
/// replaced.
fn bind_unix(server: &Server, path: &Path) -> io::Result<Listener> {
    if let Ok(found) = fs::symlink_metadata(path) {
        if !found.file_type().is_socket() {
            return Err(io::Error::other("a file that is no socket is there"));
        }
        if StdUnixStream::connect(path).is_ok() {
            return Err(io::ErrorKind::AddrInUse.into());
        }
    }
    let fresh = PathBuf::from(format!("{}.{}", path.display(), std::process::id()));
    let _ = fs::remove_file(&fresh);
    let listener = UnixListener::bind(&fresh)?;
    let in_place = dress(server, &fresh).and_then(|()| fs::rename(&fresh, path));
    if let Err(error) = in_place {
        let _ = fs::remove_file(&fresh);
        return Err(error);
    }
    let inode = fs::symlink_metadata(path)?.ino();
    Ok(Listener::Unix(listener, File { path: path.to_owned(), inode }))
}

fn dress(server: &Server, path: &Path) -> io::Result<()> {
    fs::set_permissions(path, Permissions::from_mode(server.chmod.unwrap_or(0o700)))?;
    let Some((user, group)) = &server.chown else { return Ok(()) };
    let (user, group) = (number(user, user_id)?, number(group, group_id)?);
    if user.is_some() || group.is_some() { chown(path, user, group) } else { Ok(()) }
}

fn number(owner: &Owner, by_name: impl Fn(&str) -> Option<u32>) -> io::Result<Option<u32>> {
    let Owner::Named(name) = owner else { return Ok(None) };
    let found = name.parse().ok().or_else(|| by_name(name));
    found.map(Some).ok_or_else(|| io::Error::other(format!("there is no user or group `{name}`")))
}

fn user_id(name: &str) -> Option<u32> {
    User::from_name(name).ok().flatten().map(|user| Uid::as_raw(user.uid))
}

fn group_id(name: &str) -> Option<u32> {
    Group::from_name(name).ok().flatten().map(|group| Gid::as_raw(group.gid))
}

impl File {
    fn remove(&self) {
        if fs::symlink_metadata(&self.path).is_ok_and(|found| found.ino() == self.inode) {
            let _ = fs::remove_file(&self.path);
        }
    }
}
