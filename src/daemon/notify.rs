use std::io;
use std::sync::Arc;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::engine::Engine;
use super::mailbox::{Mailbox, Message};
use super::words::News;
use crate::machine::event::Event;
use crate::spec::service::Service;
use crate::sys::notify::{Ear, Notice};
use crate::sys::process;
use crate::vocab::identity::Pid;
use crate::vocab::run::RunId;

/// What sd_notify(3) goes by. A supervisor that was given these itself does not pass them on.
const SOCKET: &str = "NOTIFY_SOCKET";
const WATCHDOG: &str = "WATCHDOG_USEC";
const WATCHDOG_OF: &str = "WATCHDOG_PID";

/// So many generations below its main process, somebody still speaks for a run.
const GENERATIONS_MAX: usize = 64;

/// The socket to which services tell of themselves, and who listens to it.
#[derive(Debug)]
pub(super) struct Listening {
    ear: Arc<Ear>,
    listener: JoinHandle<()>,
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

impl Engine {
    /// Opens the socket, if it is not open already or was taken away.
    pub(super) fn listen_to_services(&mut self) -> io::Result<()> {
        if self.listening.as_ref().is_some_and(|it| it.ear.is_there() && !it.listener.is_finished()) {
            return Ok(());
        }
        let path = self.paths.notify();
        let inherited = self.holdings.ear().and_then(|(inode, socket)| Ear::inherited(socket, &path, inode));
        let ear = match inherited {
            Some(ear) => ear,
            None => Ear::open(&path)?,
        };
        let (socket, inode) = ear.estate();
        self.holdings.keep_ear(socket, inode);
        let ear = Arc::new(ear);
        let listener = tokio::spawn(listen(Arc::clone(&ear), self.mailbox.clone()));
        self.listening = Some(Listening { ear, listener });
        Ok(())
    }

    /// Puts what a service needs to tell of itself into its environment, and nothing of what others were given.
    pub(super) fn add_notify_variables(
        &self,
        service: &Service,
        environment: &mut std::collections::BTreeMap<String, String>,
    ) {
        for name in [SOCKET, WATCHDOG, WATCHDOG_OF] {
            if !service.env.contains_key(name) {
                environment.remove(name);
            }
        }
        let mut add = |name: &str, value: String| {
            environment.entry(name.to_owned()).or_insert(value);
        };
        if service.notifies() {
            add(SOCKET, self.paths.notify().display().to_string());
        }
        if let Some(watchdog) = service.watchdog() {
            add(WATCHDOG, watchdog.as_micros().to_string());
        }
    }

    /// Somebody told something. It counts if the sender is proven to belong to a run.
    pub(super) fn hear(&mut self, notice: &Notice) {
        let warden = self.run_of(notice.sender).and_then(|run| self.wardens.get(&run));
        let Some(warden) = warden else {
            tracing::debug!(sender = notice.sender.as_raw(), "a notice from a process of no run is dropped");
            return;
        };
        let heard = warden.charge().notebook.hear(&notice.bytes);
        let run = warden.charge().tag.run;
        if let Some(named) = heard.main {
            self.hear_of_main(run, named);
        }
        if heard.news == News::Some || heard.extension.is_some() {
            self.feed(Event::Notified { run, extension: heard.extension });
        }
    }

    /// Hears all that services have told by this moment: what is in the socket, for what was taken out of it came in messages
    /// before this one.
    pub(super) fn hear_all(&mut self, done: oneshot::Sender<()>) {
        let waiting: Vec<Notice> = self.listening.iter().flat_map(|it| it.ear.waiting()).collect();
        waiting.iter().for_each(|notice| self.hear(notice));
        let _ = done.send(());
    }

    /// The run that a process belongs to: it is the main process or descends from it, or is in the run's tree by another
    /// way and carries its tag. One that is gone, as whoever hands over and ends may be, is known by its pid if that was a
    /// main process's and is nobody's.
    fn run_of(&self, sender: Pid) -> Option<RunId> {
        let Some(found) = process::read(sender) else {
            return self.wardens.iter().find(|(_, it)| it.charge().lead.main().pid == sender).map(|it| *it.0);
        };
        let mut next = Some(found);
        for _ in 0..GENERATIONS_MAX {
            let Some(found) = next else { break };
            let is_leader = self.leaders.borrow().contains(&found.identity.pid);
            let mut wardens = self.wardens.iter().filter(|_| is_leader);
            if let Some((run, _)) = wardens.find(|(_, it)| it.charge().lead.main() == found.identity) {
                return Some(*run);
            }
            next = Pid::new(found.parent).and_then(process::read);
        }
        let tag = process::tag(sender)?;
        let charge = self.wardens.get(&tag.run)?.charge();
        let is_member = charge.tag == tag && charge.tree().iter().any(|it| it.identity.pid == sender);
        is_member.then_some(tag.run)
    }
}

async fn listen(ear: Arc<Ear>, mailbox: Mailbox) {
    // What is taken out of the socket is a message in the same moment: whoever hears all misses none that is on its way.
    while let Some(place) = mailbox.reserve().await {
        match ear.next().await {
            Ok(notice) => place.send(Message::Notice(notice)),
            Err(error) => {
                tracing::error!(%error, "cannot hear what services tell of themselves");
                return;
            }
        }
    }
}
