use std::io;
use std::os::unix::net::UnixStream as StdStream;

use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM, SIGUSR1};
use signal_hook::low_level::pipe;
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;

use super::causes::askers::Asker;
use super::engine::{Ending, Engine};
use super::mailbox::{Mailbox, Message};
use crate::machine::event::Verb;
use crate::sys::exit;
use crate::vocab::cause::Means;
use crate::vocab::identity::Pid;

/// What a signal to the supervisor asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// SIGTERM or SIGINT: stop the services and end. A second one: at once.
    End,
    /// SIGHUP: read the config again.
    Reload,
    /// SIGCHLD: some child ended; those that no warden watches are to be reaped.
    Reap,
    /// SIGUSR1: a client finds the lock held and no socket to talk to; what was taken away is to be put back.
    Reappear,
}

/// Passes signals on to the engine from here on. Each handler only writes a byte to its own socket pair.
pub fn forward(mailbox: &Mailbox) -> io::Result<()> {
    let wishes = [
        (SIGTERM, Wish::End),
        (SIGINT, Wish::End),
        (SIGHUP, Wish::Reload),
        (SIGCHLD, Wish::Reap),
        (SIGUSR1, Wish::Reappear),
    ];
    for (signal, wish) in wishes {
        let (read, write) = StdStream::pair()?;
        read.set_nonblocking(true)?;
        pipe::register(signal, write)?;
        let read = UnixStream::from_std(read)?;
        tokio::spawn(pass_on(read, wish, mailbox.clone()));
    }
    Ok(())
}

async fn pass_on(mut signals: UnixStream, wish: Wish, mailbox: Mailbox) {
    let mut bytes = [0; 64];
    while let Ok(count) = signals.read(&mut bytes).await {
        // Many SIGCHLD at once are one reason to look; each SIGTERM counts, for the second one means haste.
        let wishes = if wish == Wish::End { count } else { count.min(1) };
        for _ in 0..wishes {
            mailbox.send(Message::Signal(wish)).await;
        }
        if count == 0 {
            return;
        }
    }
}

impl Engine {
    /// The first SIGTERM or SIGINT stops the services gracefully, the second kills what still runs.
    pub(super) fn end_by_signal(&mut self) {
        let ticket = self.mailbox.ticket();
        let by = Asker::NOBODY.by(Means::SignalToProcman);
        match self.ending {
            Ending::NotYet => {
                tracing::info!("asked to end by a signal; stopping the services");
                self.stop_all(ticket, Verb::Stop, &by);
            }
            Ending::After(_) => {
                tracing::info!("asked to end again; killing what still runs");
                self.stop_all(ticket, Verb::Kill, &by);
            }
            Ending::Over(_) => (),
        }
    }

    /// Reaps children that nobody watches: orphans that came to this process as their subreaper.
    pub(super) fn reap(&self) {
        for pid in exit::reap_any_except(&self.leaders.borrow()) {
            tracing::trace!(pid = Pid::as_raw(pid), "reaped an orphan");
        }
    }
}
