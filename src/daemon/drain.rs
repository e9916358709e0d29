use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

use super::engine::Engine;
use super::mailbox::Message;
use crate::machine::event::{Event, Traffic};
use crate::spec::service::Service;
use crate::sys::listeners::{self, Reach};
use crate::sys::process::Process;
use crate::sys::signal;
use crate::vocab::identity::Pid;
use crate::vocab::port::Endpoint;
use crate::vocab::run::RunId;
use crate::vocab::signal::Signal;

/// What tells the Python shim to take held sockets away from its program. To who has no handler for it, it is nothing.
const DRAIN: Signal = Signal::URG;

impl Engine {
    /// Tells a run that was replaced to accept no more connections, and looks whether it still does or has some.
    /// Everybody else has a turn between the looks at many runs.
    pub(super) fn drain(&self, run: RunId, service: Arc<Service>) {
        let Some(charge) = self.wardens.get(&run).map(|warden| warden.charge().clone()) else { return };
        let mailbox = self.mailbox.clone();
        tokio::spawn(async move {
            let traffic = traffic(&service, &charge.tree()).unwrap_or_else(|error| {
                tracing::debug!(service = %service.name, %run, %error, "cannot see its connections");
                Traffic::Flows
            });
            mailbox.send(Message::Machine(Event::Drained { run, traffic })).await;
        });
    }
}

/// What these processes have to do with connections. Those that can accept some are told not to: the shim proves that it
/// has heard by having no such descriptor any more.
fn traffic(service: &Service, tree: &[Process]) -> io::Result<Traffic> {
    let ports: BTreeSet<Endpoint> = service.ports.iter().copied().collect();
    let pids: Vec<Pid> = tree.iter().map(|process| process.identity.pid).collect();
    let accepting =
        listeners::holders_by(&listeners::on(&ports)?, Reach::These(&pids), service.first_taken());
    let accepting: BTreeSet<Pid> = accepting.into_iter().map(|held| held.pid).collect();
    for process in tree.iter().filter(|process| accepting.contains(&process.identity.pid)) {
        // One that has ended meanwhile accepts nothing.
        let _ = signal::send(process.identity, DRAIN);
    }
    if !accepting.is_empty() {
        return Ok(Traffic::Flows);
    }
    let connected = listeners::holders(&listeners::connected(&ports)?, Reach::These(&pids));
    Ok(if connected.is_empty() { Traffic::Ceased } else { Traffic::Flows })
}
