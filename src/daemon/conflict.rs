use std::collections::BTreeSet;
use std::time::Duration;

use super::engine::Engine;
use crate::machine::blame::Blame;
use crate::machine::event::{End, Taken};
use crate::machine::phase::Phase;
use crate::ports::flush::{Foreign, Own, Plan, Request};
use crate::ports::holder::{self, Holder};
use crate::ports::verdict::Ours;
use crate::spec::policy::PortConflict;
use crate::spec::service::Service;
use crate::sys::listeners::{self, Listener};
use crate::sys::{process, signal};
use crate::vocab::identity::Identity;
use crate::vocab::listen::ListenAddress;
use crate::vocab::port::{Endpoint, Whose};
use crate::vocab::run::RunId;
use crate::vocab::signal::Signal;

/// How long whoever is in the way of a service has between SIGTERM and SIGKILL.
const GRACE: Duration = Duration::from_secs(2);

impl Engine {
    /// The known processes of live runs.
    pub(super) fn ours(&self) -> Ours {
        let services = self.fleet.services().iter();
        let live = services.filter_map(|(name, service)| Some((name, service.phase().live()?)));
        let live = live.flat_map(|(name, live)| {
            [live.first, live.identity].map(|identity| (identity, (name.clone(), live.run)))
        });
        let supervisors = self.guardian.into_iter().chain([process::own()]).collect();
        Ours { instance: self.paths.instance.clone(), live: live.collect(), supervisors }
    }

    /// Who keeps a service from its ports at a start. Sockets that are held for a config that is not in force any more
    /// are closed for it.
    pub(super) fn in_its_way(&mut self, service: &Service) -> Option<Taken> {
        let taken = self.taken(service)?;
        if taken.whose != Whose::Supervisor {
            return Some(taken);
        }
        self.holdings.keep_wanted(&self.fleet);
        self.taken(service)
    }

    /// Somebody else who listens on a port of a service; none when all are free, or held for it. Where sockets are to be
    /// held, their addresses are looked at.
    pub(super) fn taken(&self, service: &Service) -> Option<Taken> {
        let wanted: BTreeSet<Endpoint> = match &service.hold {
            None => service.ports.iter().copied().collect(),
            Some(hold) => self.holdings.missing(hold).filter_map(ListenAddress::endpoint).collect(),
        };
        let listening = seen(&wanted);
        let in_the_way = |port: &Endpoint| {
            let listener = listening.iter().find(|listener| listener.endpoint.overlaps(port))?;
            self.taken_by(service, *port, listener)
        };
        wanted.iter().find_map(in_the_way)
    }

    fn taken_by(&self, service: &Service, port: Endpoint, listener: &Listener) -> Option<Taken> {
        let mut holders = holder::among(std::slice::from_ref(listener), &[port].into());
        let first = holders.remove(&port).and_then(|holders| holders.into_iter().next());
        let whose = first.as_ref().map_or(Whose::Foreign, |holder| self.ours().judge(holder));
        if whose == Whose::Live(service.name.clone()) {
            return None;
        }
        let holder = words(first.as_ref(), &whose);
        Some(Taken { port, holder, by: first.map(|holder| holder.identity), whose, socket: listener.key })
    }

    /// The same for a service that waits. Who is in its way is looked up again only if that is not the one that is known.
    pub(super) fn still_taken(&self, service: &Service, known: Taken) -> Option<Taken> {
        let is_known = |listener: &Listener| listener.key == known.socket;
        let listens = seen(&[known.port].into()).iter().any(is_known);
        if listens && known.by.is_none_or(process::is_alive) { Some(known) } else { self.taken(service) }
    }

    /// Ends a process that listens on a port of a service, under the rules of a flush: listeners only, never pid 1, this
    /// process or an ancestor of it, never on a protected port. The config is the consent for foreign ones.
    pub(super) fn free_port(&self, service: &Service, holder: Identity) {
        let foreign = match service.on_port_conflict {
            PortConflict::Flush => Foreign::Ended,
            PortConflict::Wait | PortConflict::Fail => Foreign::Refused,
        };
        let ports = service.ports.iter().map(|port| (*port, Some(service.name.clone()))).collect();
        let fence = self.fleet.spec().supervisor();
        let plan = Plan::make(&Request { ports, ours: &self.ours(), fence, own: Own::Spared, foreign });
        let ends = plan.is_ok_and(|plan| plan.ends().any(|step| step.holder.identity == holder));
        if !ends {
            tracing::warn!(service = %service.name, %holder, "listens on its port, and may not be ended");
            return;
        }
        tracing::warn!(service = %service.name, %holder, "listens on its port, and is ended");
        tokio::spawn(async move {
            send(holder, Signal::TERM);
            tokio::time::sleep(GRACE).await;
            send(holder, Signal::KILL);
        });
    }

    /// Adds to the end of a run that did not become ready, or says so itself, who listens on one of its ports: its own tree has gone, so
    /// somebody took the port when the program was about to.
    pub(super) fn note_conflict(&self, run: RunId, end: &mut End) {
        let Some(service) = self.fleet.service_of(run) else { return };
        if matches!(service.phase(), Phase::Starting(..)) || end.blame == Blame::Address {
            end.taken = self.taken(service.spec());
        }
    }
}

fn seen(wanted: &BTreeSet<Endpoint>) -> Vec<Listener> {
    listeners::on(wanted).unwrap_or_else(|error| {
        tracing::debug!(%error, "cannot look at ports; the service will find out");
        Vec::new()
    })
}

fn words(holder: Option<&Holder>, whose: &Whose) -> String {
    let Some(holder) = holder else { return "a process that this user may not see".to_owned() };
    match whose {
        Whose::Live(service) => format!("{holder}, which is of `{service}`"),
        Whose::Stray(service) => format!("{holder}, a stray of `{service}`"),
        Whose::Supervisor => format!("{holder}, the supervisor, which holds it for another service"),
        Whose::Foreign => holder.to_string(),
    }
}

/// A process that has ended, or that another user owns, stays as it is; the next look at the port tells.
fn send(holder: Identity, signal: Signal) {
    if let Err(error) = signal::send(holder, signal) {
        tracing::debug!(%holder, %signal, %error, "not sent");
    }
}
