use std::time::Duration;

use super::agenda::{Due, wait};
use super::check::require;
use super::child::{Life, identity};
use super::world::{Verdict, World};
use crate::machine::event::Taken;
use crate::machine::phase::Phase;
use crate::spec::policy::PortConflict;
use crate::spec::service::Service;
use crate::vocab::identity::Identity;
use crate::vocab::moment::Moment;
use crate::vocab::outcome::Outcome;
use crate::vocab::port::{Endpoint, Whose};

/// Somebody who is no live run and listens on a port of a service.
#[derive(Debug, Clone)]
pub(super) struct Stranger {
    identity: Identity,
    whose: Whose,
    /// When it leaves by itself, or left.
    until: Moment,
    /// How long it takes to go when it is made to; one of another user does not.
    goes: Option<Duration>,
}

/// So soon after a port is free its service has begun to start.
const STARTED_AFTER_MAX: Duration = Duration::from_millis(100);

impl World {
    /// Somebody takes a port for a while. A process that was about to listen on it finds it taken, and gives up.
    pub(super) fn squat(&mut self) {
        let ports: Vec<_> = self.file.ports().into_iter().collect();
        let Some((port, service)) = self.rng.choice(ports) else { return };
        self.born += 1;
        let whose = if self.rng.u32(0..3) == 0 { Whose::Stray(service) } else { Whose::Foreign };
        let goes = *self.rng.choice(&[Some(0), Some(300), Some(2000), None]).unwrap_or(&None);
        let stranger = Stranger {
            identity: identity(self.born),
            whose,
            until: self.now.after(wait(&mut self.rng, 5000)),
            goes: goes.map(Duration::from_millis),
        };
        self.tell(|| format!("port {port} is taken by {stranger:?}"));
        self.squatted.insert(port, stranger);
        let late = self.children.values().filter(|it| {
            it.ports.contains(&port) && it.life == Life::Alive && it.is_ours() && !it.is_fit(self.now)
        });
        if let Some(pid) = late.map(|child| child.pid()).next() {
            self.agenda.plan(self.now.after(Duration::from_millis(1)), Due::Falls(pid, Outcome::Code(1)));
        }
    }

    /// Every stranger leaves.
    pub(super) fn send_strangers_away(&mut self) {
        for stranger in self.squatted.values_mut() {
            stranger.until = stranger.until.min(self.now);
        }
    }

    /// Who is in the way of a service: a stranger, or a process that an earlier daemon left and that is about to end.
    pub(super) fn taken(&self, service: &Service) -> Option<Taken> {
        service.ports.iter().find_map(|port| {
            let stranger = self.squatted.get(port).filter(|stranger| stranger.until > self.now);
            let left = self.children.values().find(|it| it.life == Life::Alive && it.ports.contains(port));
            let (by, whose) = match (stranger, left) {
                (Some(stranger), _) => (stranger.identity, stranger.whose.clone()),
                (None, Some(child)) => (child.identity, Whose::Stray(service.name.clone())),
                (None, None) => return None,
            };
            let holder = format!("{by}");
            Some(Taken { port: *port, holder, by: Some(by), whose, socket: by.started.0 })
        })
    }

    /// Somebody is made to go: only who is in the way, and only by the policy of the service.
    pub(super) fn free_port(&mut self, service: &Service, holder: Identity) -> Verdict {
        let is_live = self.children.values().any(|child| child.identity == holder && child.is_ours());
        require(!is_live, || format!("a live run is made to go for `{}`", service.name))?;
        // What the machine was told can be late: then nobody is in the way any more, and the daemon finds nobody.
        let taken = self.taken(service).filter(|taken| taken.by == Some(holder));
        let Some(taken) = taken else { return Ok(()) };
        let is_allowed = match (service.on_port_conflict, &taken.whose) {
            (PortConflict::Fail, _) | (_, Whose::Live(_) | Whose::Supervisor) => false,
            (PortConflict::Wait, whose) => *whose != Whose::Foreign,
            (PortConflict::Flush, _) => true,
        };
        require(is_allowed, || format!("`{}` may not make {taken:?} go", service.name))?;
        let now = self.now;
        if let Some(stranger) = self.squatted.get_mut(&taken.port).filter(|it| it.identity == holder) {
            stranger.until = stranger.goes.map_or(stranger.until, |goes| stranger.until.min(now.after(goes)));
        }
        Ok(())
    }

    /// A service that waits for a port has somebody in its way, or had a moment ago.
    pub(super) fn check_blocked(&self, service: &Service, phase: &Phase) -> Verdict {
        if !matches!(phase, Phase::Blocked { .. }) || self.taken(service).is_some() {
            return Ok(());
        }
        let left = |port: &Endpoint| {
            let stranger = self.squatted.get(port).map(|stranger| stranger.until);
            stranger.into_iter().chain(self.freed.get(port).copied()).max()
        };
        let left = service.ports.iter().filter_map(left).max();
        require(left.is_some_and(|at| self.now <= at.after(STARTED_AFTER_MAX)), || {
            format!("`{}` waits for a port that is free since {left:?}", service.name)
        })
    }
}
