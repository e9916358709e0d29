use std::collections::BTreeMap;

use super::phase::{Phase, Rest};
use super::service::{Service, Trouble};
use crate::spec::graph::{Condition, Graph};
use crate::vocab::name::ServiceName;
use crate::vocab::state::{Goal, Health};

/// All services of a fleet by name, with who needs whom.
#[derive(Clone, Copy)]
pub(super) struct Order<'a> {
    pub(super) graph: &'a Graph,
    pub(super) services: &'a BTreeMap<ServiceName, Service>,
}

/// What a waiting service waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wait<'a> {
    /// This one is on its way.
    For(&'a ServiceName, Condition),
    /// This one will not get there by itself.
    InVain(&'a ServiceName),
}

impl<'a> Order<'a> {
    /// The first thing that `name` still waits for before it may start; none when it may.
    pub(super) fn wait_of(&self, name: &ServiceName) -> Option<Wait<'a>> {
        let unmet: Vec<(&'a ServiceName, Condition)> = self
            .graph
            .needs_of(name)
            .filter(|(needed, condition)| !self.services.get(*needed).is_some_and(|it| holds(it, *condition)))
            .collect();
        let in_vain = unmet.iter().find(|(needed, _)| self.is_stuck(needed));
        match (in_vain, unmet.first()) {
            (Some((needed, _)), _) => Some(Wait::InVain(needed)),
            (None, Some((needed, condition))) => Some(Wait::For(needed, *condition)),
            (None, None) => None,
        }
    }

    /// Whether `name` may be asked to end: everyone who needs it and is on the way out is gone.
    pub(super) fn may_stop(&self, name: &ServiceName) -> bool {
        let mut dependents =
            self.graph.dependents_of(name).filter_map(|dependent| self.services.get(dependent));
        !dependents.any(|dependent| dependent.is_leaving() && dependent.has_process())
    }

    /// Whether `name` will not become ready by itself: something from outside has to happen first.
    pub(super) fn is_stuck(&self, name: &ServiceName) -> bool {
        let Some(service) = self.services.get(name) else { return true };
        match &service.phase {
            Phase::Resting(Rest::Completed) => false,
            Phase::Resting(Rest::Stopped | Rest::Failed | Rest::Fatal) => true,
            _ if service.goal == Goal::Down => true,
            Phase::Starting(_, proof) => proof.health == Health::Unhealthy,
            Phase::Backoff { .. } => has_taken_port(service),
            Phase::Waiting => matches!(self.wait_of(name), Some(Wait::InVain(_))),
            Phase::Spawning { .. } | Phase::Running(..) => false,
            Phase::Stopping { .. } | Phase::Killing { .. } => false,
        }
    }
}

fn holds(needed: &Service, condition: Condition) -> bool {
    let is_staying = needed.goal == Goal::Up;
    match (&needed.phase, condition) {
        (Phase::Resting(Rest::Completed), _) => true,
        (Phase::Running(..), Condition::Ready | Condition::Started) => is_staying,
        (Phase::Starting(..), Condition::Started) => is_staying,
        (_, Condition::Ready | Condition::Started | Condition::Completed) => false,
    }
}

fn has_taken_port(service: &Service) -> bool {
    matches!(&service.trouble, Some(Trouble::NotSpawned(super::event::Obstacle::PortTaken { .. })))
}
