use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use interprocess::local_socket::tokio::{Listener, Stream};
use interprocess::local_socket::traits::StreamCommon as _;
use interprocess::local_socket::traits::tokio::Listener as _;
use interprocess::local_socket::{GenericFilePath, ListenerOptions, ToFsName};
use tokio::sync::Semaphore;

use crate::sys;

/// So many connections are served at once; the next ones wait in the kernel's queue.
const SESSIONS_MAX: usize = 256;

/// A request's head has to arrive within this time.
const HEAD_MAX: Duration = Duration::from_secs(10);

/// After an error of `accept` that is not the peer's (no descriptors left), this long passes before the next try.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Binds the control socket for its owner alone. A socket file that is there belongs to a supervisor that is dead, for
/// the caller holds the lock.
pub fn bind(path: &Path) -> io::Result<Listener> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => (),
    }
    let name = path.to_fs_name::<GenericFilePath>()?;
    let listener = ListenerOptions::new().name(name).reclaim_name(false).create_tokio()?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Serves connections until the task is dropped.
pub async fn serve(listener: Listener, router: Router) {
    let sessions = Arc::new(Semaphore::new(SESSIONS_MAX));
    loop {
        let Ok(permit) = Arc::clone(&sessions).acquire_owned().await else { return };
        match listener.accept().await {
            Ok(stream) => {
                let router = router.clone();
                tokio::spawn(async move {
                    session(stream, router).await;
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

async fn session(stream: Stream, router: Router) {
    if let Err(why) = admit(&stream) {
        tracing::warn!(%why, "connection refused");
        return;
    }
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_MAX).max_buf_size(64 * 1024);
    let served = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router)).await;
    if let Err(error) = served {
        tracing::debug!(%error, "a connection ended early");
    }
}

/// Only the owner and root may talk to the supervisor.
fn admit(stream: &Stream) -> Result<(), String> {
    let peer = stream.peer_creds().map_err(|error| format!("cannot tell who connects: {error}"))?;
    let owner = sys::user::effective();
    match peer.euid() {
        Some(uid) if uid == owner || uid == 0 => Ok(()),
        Some(uid) => Err(format!("user {uid} is neither the owner nor root")),
        None => Err("the system does not say who connects".to_owned()),
    }
}
