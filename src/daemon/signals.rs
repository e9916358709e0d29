use std::io;
use std::os::unix::net::UnixStream as StdStream;

use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1};
use signal_hook::low_level::pipe;
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;

use super::causes::askers::Asker;
use super::engine::{Ending, Engine};
use super::mailbox::{Mailbox, Message};
use crate::machine::event::Verb;
use crate::sys::fork::Signals;
use crate::sys::{exit, signal};
use crate::vocab::cause::Means;
use crate::vocab::identity::Pid;
use crate::vocab::signal::Signal;

/// What a signal to the supervisor asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// SIGTERM, SIGINT or SIGQUIT: stop the services and end. A second one: at once.
    End(Signal),
    /// SIGHUP: read the config again.
    Reload,
    /// SIGCHLD: some child ended; those that no warden watches are to be reaped.
    Reap,
    /// SIGUSR1: a client finds the lock held and no socket to talk to; what was taken away is to be put back.
    Reappear,
}

/// Signals that others send to a supervisor and that are not for it: whoever holds the lock gets SIGUSR1 from clients that
/// find no socket, before it can do anything about that, and scripts that rotate supervisord's logs send SIGUSR2. Either
/// would end what they mean to tell.
pub fn ignore_what_is_for_others() -> io::Result<()> {
    signal::ignore(Signal::USR1)?;
    signal::ignore(Signal::USR2)
}

/// Passes signals on to the engine from here on, also those that came while they were held back. Each handler only writes a
/// byte to its own socket pair.
pub fn forward(mailbox: &Mailbox, held: Option<&Signals>) -> io::Result<()> {
    let wishes = [
        (SIGTERM, Wish::End(Signal::TERM)),
        (SIGINT, Wish::End(Signal::INT)),
        (SIGQUIT, Wish::End(Signal::QUIT)),
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
    held.map_or(Ok(()), Signals::release)
}

async fn pass_on(mut signals: UnixStream, wish: Wish, mailbox: Mailbox) {
    let mut bytes = [0; 64];
    while let Ok(count) = signals.read(&mut bytes).await {
        // Many SIGCHLD at once are one reason to look; each SIGTERM counts, for the second one means haste.
        let wishes = match wish {
            Wish::End(_) => count,
            Wish::Reload | Wish::Reap | Wish::Reappear => count.min(1),
        };
        for _ in 0..wishes {
            mailbox.send(Message::Signal(wish)).await;
        }
        if count == 0 {
            return;
        }
    }
}

impl Engine {
    /// The first such signal stops the services gracefully, the second kills what still runs.
    pub(super) fn end_by_signal(&mut self, signal: Signal) {
        let ticket = self.mailbox.ticket();
        let by = Asker::NOBODY.by(Means::SignalToProcman);
        match self.ending {
            Ending::NotYet => {
                self.log_signal(signal);
                self.stop_all(ticket, Verb::Stop, &by);
            }
            Ending::After(_) => {
                tracing::warn!("received {signal} again; killing what still runs");
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
