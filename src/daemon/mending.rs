use std::io;
use std::path::Path;
use std::time::Duration;

use tokio::sync::oneshot;

use super::boot::keep_applied;
use super::engine::{Ending, Engine};
use super::http::serve::Reopened;
use super::mailbox::{Mailbox, Message};
use crate::rundir::paths::Paths;
use crate::rundir::{cgroups, lock};
use crate::sys::removal::RemovalWatch;
use crate::sys::{detach, signal};
use crate::vocab::signal::Signal;

/// Who removes one file is about to remove others: so long they have before anything is put back.
const SETTLE: Duration = Duration::from_millis(20);

/// What cannot be put back, or is by somebody else in a moment, is looked at again after pauses that double up to the last.
const TRY_AGAIN_FIRST: Duration = Duration::from_millis(50);
const TRY_AGAIN_LAST: Duration = Duration::from_secs(60);

impl Engine {
    /// Puts back what somebody took away of the run directory, and touches nothing that is there. The journal follows by
    /// itself, and a live service keeps the pipe that it has: its next run gets one that has a name.
    pub(super) fn mend(&mut self) {
        if let Ending::Over(_) = self.ending {
            return;
        }
        let ground =
            self.paths.prepare().map_err(io::Error::other).and_then(|()| lock::take_again(&self.paths));
        match ground.and_then(|()| self.door.open_again()) {
            Ok(Reopened::AsItWas) => (),
            Ok(Reopened::Anew) => tracing::warn!("the control socket was taken away; it is bound again"),
            Err(error) => {
                tracing::error!(%error, "the run directory was damaged and cannot be mended");
                return;
            }
        }
        if !self.paths.applied.exists() {
            keep_applied(&self.paths, &self.applied);
        }
        if let Some(home) = self.cgroups.as_ref().filter(|_| !self.paths.cgroup.exists()) {
            cgroups::note(&self.paths, home);
        }
        self.declare_channels(self.fleet.spec());
        if let Err(error) = detach::reopen_removed_output(&self.paths.supervisor_log) {
            tracing::warn!(%error, "cannot go on with the supervisor's log in its place");
        }
        if let Some(guardian) = self.guardian.filter(|_| !self.paths.guardian.exists()) {
            // It takes its lock again, and its log; one that has just ended is replaced.
            let _ = signal::send(guardian, Signal::USR1);
        }
    }
}

/// Sees to it that the run directory is mended, as long as the engine lives. A system that has no watches to give leaves that
/// to the clients: they tell a supervisor whose socket is gone.
pub(super) async fn keep_whole(paths: Paths, mailbox: Mailbox) {
    let mut pause = TRY_AGAIN_FIRST;
    let mut watch = watch_over(&paths);
    loop {
        match &watch {
            Ok(watch) if is_whole(&paths) => {
                pause = TRY_AGAIN_FIRST;
                let _ = watch.readable().await;
                tokio::time::sleep(SETTLE).await;
            }
            Err(error) if error.kind() != io::ErrorKind::NotFound => return,
            Ok(_) | Err(_) => {
                tokio::time::sleep(pause).await;
                pause = TRY_AGAIN_LAST.min(pause * 2);
            }
        }
        // The next one is opened before anything is put back: what goes meanwhile, or is put back and goes again, is told of
        // by that one.
        watch = watch_over(&paths);
        let (done, mended) = oneshot::channel();
        mailbox.send(Message::Mend(done)).await;
        if mended.await.is_err() {
            return;
        }
    }
}

fn watch_over(paths: &Paths) -> io::Result<tokio::io::unix::AsyncFd<RemovalWatch>> {
    let elsewhere = paths.socket.parent().filter(|it| *it != paths.own_dir);
    let directories: Vec<&Path> = [&*paths.own_dir, &*paths.channels].into_iter().chain(elsewhere).collect();
    RemovalWatch::open(&directories)?.into_async()
}

fn is_whole(paths: &Paths) -> bool {
    [&paths.own_dir, &paths.channels, &paths.times, &paths.lock, &paths.socket]
        .into_iter()
        .all(|it| it.exists())
}
