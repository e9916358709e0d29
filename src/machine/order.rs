use std::collections::{BTreeMap, BTreeSet};

use super::phase::{Phase, Rest};
use super::service::Service;
use crate::spec::graph::{Condition, Graph};
use crate::spec::policy::RestartPolicy;
use crate::vocab::name::ServiceName;
use crate::vocab::state::{Goal, Health};

/// All services of a fleet by name, with who needs whom.
#[derive(Clone, Copy)]
pub(super) struct Order<'a> {
    pub(super) graph: &'a Graph,
    pub(super) services: &'a BTreeMap<ServiceName, Service>,
    /// Those that the graph knows no more: they keep what they needed until they have gone.
    pub(super) removed: &'a BTreeSet<ServiceName>,
}

/// What a waiting service waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wait<'a> {
    /// This one is on its way.
    For(&'a ServiceName, Condition),
    /// This one will not get there by itself.
    InVain(&'a ServiceName, Condition),
}

impl<'a> Wait<'a> {
    /// What is waited for.
    pub(super) fn needed(&self) -> (&'a ServiceName, Condition) {
        match self {
            Self::For(needed, condition) | Self::InVain(needed, condition) => (needed, *condition),
        }
    }
}

impl<'a> Order<'a> {
    /// What `name` needs directly.
    pub(super) fn needs_of(self, name: &ServiceName) -> impl Iterator<Item = (&'a ServiceName, Condition)> {
        let needs = self.services.get(name).map(|service| &service.spec.depends_on);
        needs.into_iter().flatten().map(|(needed, condition)| (needed, *condition))
    }

    /// Who needs `name` directly.
    pub(super) fn dependents_of(self, name: &ServiceName) -> impl Iterator<Item = &'a ServiceName> {
        let needs_it = move |removed: &&ServiceName| self.needs_of(removed).any(|(needed, _)| needed == name);
        self.graph.dependents_of(name).chain(self.removed.iter().filter(needs_it))
    }

    /// Whether `name` may start: all that it needs holds.
    pub(super) fn may_start(self, name: &ServiceName) -> bool {
        self.unmet_of(name).next().is_none()
    }

    /// Whether `name` may be asked to end: nobody has to end before it.
    pub(super) fn may_stop(self, name: &ServiceName) -> bool {
        self.ends_before(name).next().is_none()
    }

    /// Those who need `name`, are on the way out and have a process still. One that hangs in the kernel is not waited
    /// for: nobody knows whether it ever ends.
    pub(super) fn ends_before(self, name: &ServiceName) -> impl Iterator<Item = &'a ServiceName> {
        self.dependents_of(name).filter(move |dependent| {
            self.services
                .get(*dependent)
                .is_some_and(|it| it.is_leaving() && (it.holds_up_order() || it.is_after_stop()))
        })
    }

    fn unmet_of(self, name: &ServiceName) -> impl Iterator<Item = (&'a ServiceName, Condition)> {
        self.needs_of(name).filter(move |(needed, condition)| {
            !self.services.get(*needed).is_some_and(|it| holds(it, *condition))
        })
    }
}

/// Who waits for what, and who in vain. Each service is looked at once however many paths lead to it, so that all
/// questions together cost one walk over the graph.
pub(super) struct Outlook<'a> {
    order: Order<'a>,
    stuck: BTreeMap<&'a ServiceName, bool>,
}

impl<'a> Outlook<'a> {
    pub(super) fn new(order: Order<'a>) -> Self {
        Self { order, stuck: BTreeMap::new() }
    }

    pub(super) fn order(&self) -> Order<'a> {
        self.order
    }

    /// The first thing that `name` still waits for before it may start; none when it may.
    pub(super) fn wait_of(&mut self, name: &ServiceName) -> Option<Wait<'a>> {
        let unmet: Vec<(&'a ServiceName, Condition)> = self.order.unmet_of(name).collect();
        let in_vain = unmet
            .iter()
            .find(|(needed, condition)| self.never_comes_to(needed, *condition) || self.is_stuck(needed));
        match (in_vain, unmet.first()) {
            (Some((needed, condition)), _) => Some(Wait::InVain(needed, *condition)),
            (None, Some((needed, condition))) => Some(Wait::For(needed, *condition)),
            (None, None) => None,
        }
    }

    /// Whether `name` will not become ready by itself: something from outside has to happen first.
    pub(super) fn is_stuck(&mut self, name: &ServiceName) -> bool {
        let Some((name, _)) = self.order.services.get_key_value(name) else { return true };
        let mut open = vec![name];
        // Depth first without recursion: a long chain must not overflow the stack.
        while let Some(next) = open.last().copied() {
            match self.look_at(next) {
                Look::Known(is_stuck) => {
                    self.stuck.insert(next, is_stuck);
                    open.pop();
                }
                Look::After(needed) => open.extend(needed),
            }
        }
        self.stuck.get(name).copied().unwrap_or(true)
    }

    fn look_at(&self, name: &ServiceName) -> Look<'a> {
        if let Some(known) = self.stuck.get(name) {
            return Look::Known(*known);
        }
        let Some(service) = self.order.services.get(name) else { return Look::Known(true) };
        match &service.phase {
            Phase::Resting(Rest::Completed) => Look::Known(false),
            Phase::Resting(Rest::Stopped | Rest::Failed | Rest::Fatal) => Look::Known(true),
            _ if service.goal == Goal::Down => Look::Known(true),
            Phase::Starting(_, proof) => Look::Known(proof.health == Health::Unhealthy),
            Phase::Backoff { .. } => Look::Known(false),
            Phase::Blocked { .. } => Look::Known(service.is_blocked_for_good()),
            Phase::Waiting if service.hangs_in_kernel() => Look::Known(true),
            Phase::Waiting => self.look_at_needs_of(name),
            Phase::Spawning { .. } | Phase::Running(..) | Phase::Stopping { .. } => Look::Known(false),
            Phase::Killing { .. } => Look::Known(service.hangs_in_kernel()),
        }
    }

    fn look_at_needs_of(&self, name: &ServiceName) -> Look<'a> {
        let mut unknown = Vec::new();
        for (needed, condition) in self.order.unmet_of(name) {
            match self.stuck.get(needed) {
                _ if self.never_comes_to(needed, condition) => return Look::Known(true),
                _ if !self.order.services.contains_key(needed) => return Look::Known(true),
                Some(true) => return Look::Known(true),
                Some(false) => (),
                None => unknown.push(needed),
            }
        }
        if unknown.is_empty() { Look::Known(false) } else { Look::After(unknown) }
    }

    /// Whether a condition contradicts the policy of the needed one: who is always started again never completes.
    fn never_comes_to(&self, needed: &ServiceName, condition: Condition) -> bool {
        let policy = self.order.services.get(needed).map(|service| service.spec.restart);
        condition == Condition::Completed && policy == Some(RestartPolicy::Always)
    }
}

enum Look<'a> {
    Known(bool),
    /// These have to be looked at first.
    After(Vec<&'a ServiceName>),
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
