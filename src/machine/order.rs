use std::collections::{BTreeMap, BTreeSet};

use super::leavers::Leavers;
use super::phase::{Awaits, Phase, Rest};
use super::service::Service;
use crate::spec::graph::{Bond, Condition, Graph, Need};
use crate::spec::policy::RestartPolicy;
use crate::spec::supervisor::StopOrder;
use crate::vocab::name::ServiceName;
use crate::vocab::state::{Goal, Health};

/// All services of a fleet by name, with who needs whom.
#[derive(Clone, Copy)]
pub(super) struct Order<'a> {
    pub(super) graph: &'a Graph,
    pub(super) services: &'a BTreeMap<ServiceName, Service>,
    /// Those that the graph knows no more: they keep what they needed until they have gone.
    pub(super) removed: &'a BTreeSet<ServiceName>,
    pub(super) leavers: &'a Leavers,
    /// Who is stopped before whom.
    pub(super) stops: StopOrder,
}

/// What a waiting service waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wait<'a> {
    /// This one is on its way.
    For(&'a ServiceName, Condition),
    /// This one will not get there by itself.
    InVain(&'a ServiceName, Condition),
}

impl<'a> Order<'a> {
    /// What `name` needs directly.
    pub(super) fn needs_of(self, name: &ServiceName) -> impl Iterator<Item = (&'a ServiceName, Need)> {
        let needs = self.services.get(name).map(|service| &service.spec.depends_on);
        needs.into_iter().flatten().map(|(needed, need)| (needed, *need))
    }

    /// Who needs `name` directly.
    pub(super) fn dependents_of(self, name: &ServiceName) -> impl Iterator<Item = &'a ServiceName> {
        let needs_it = move |removed: &&ServiceName| self.needs_of(removed).any(|(needed, _)| needed == name);
        self.graph.dependents_of(name).chain(self.removed.iter().filter(needs_it))
    }

    /// Whether `name` may start: all that it cannot be up without holds, and nothing else is on its way.
    pub(super) fn may_start(self, name: &ServiceName) -> bool {
        self.lacks(name).is_none() && Outlook::new(self).hopes_for(name).is_none()
    }

    /// The first thing that `name` cannot be up without and that does not hold.
    pub(super) fn lacks(self, name: &ServiceName) -> Option<(&'a ServiceName, Condition)> {
        self.unmet_of(name, Bond::Hard).next()
    }

    /// Whether `name` may be asked to end: nobody has to end before it.
    pub(super) fn may_stop(self, name: &ServiceName) -> bool {
        self.leavers.before(name).len() == 0 && !self.is_outranked(name)
    }

    /// Whether somebody is on the way out who goes before `name` by priority.
    fn is_outranked(self, name: &ServiceName) -> bool {
        let own = self.services.get(name).map(|it| it.spec.priority);
        self.goes_by_priority() && self.leavers.rank_max() > own
    }

    /// Whether priorities say who ends before whom: where somebody needs somebody, both could wait for each other.
    fn goes_by_priority(self) -> bool {
        self.stops == StopOrder::ByPriority && self.graph.is_flat() && self.leavers.need_nothing()
    }

    /// Those whose turn to end comes next by their priority.
    pub(super) fn next_to_end(self) -> impl Iterator<Item = &'a ServiceName> {
        let waits = move |(_, it): &(&ServiceName, &Service)| it.phase.is_up() && it.is_leaving();
        let next = self.leavers.rank_max().filter(|_| self.goes_by_priority());
        next.into_iter().flat_map(move |rank| {
            let waiting = self.services.iter().filter(waits);
            waiting.filter(move |(_, it)| it.spec.priority == rank).map(|(name, _)| name)
        })
    }

    fn unmet_of(self, name: &ServiceName, bond: Bond) -> impl Iterator<Item = (&'a ServiceName, Condition)> {
        let of_bond = self.needs_of(name).filter(move |(_, need)| need.bond == bond);
        let unmet = of_bond.filter(move |(needed, need)| {
            !self.services.get(*needed).is_some_and(|it| holds(it, need.condition))
        });
        unmet.map(|(needed, need)| (needed, need.condition))
    }
}

/// Whether a service becomes ready by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Prospect {
    /// It does not: something from outside has to happen first.
    Lost,
    /// It has failed, and tries again later.
    Retrying,
    /// It is ready, or on its way there.
    Near,
}

impl Prospect {
    /// What a service says of that by itself; none when it waits for what it needs.
    pub(super) fn of(service: &Service) -> Option<Self> {
        let unless = |is_lost: bool| if is_lost { Self::Lost } else { Self::Near };
        Some(match &service.phase {
            Phase::Resting(Rest::Completed) => Self::Near,
            Phase::Resting(Rest::Stopped | Rest::Planned | Rest::Failed | Rest::Fatal) => Self::Lost,
            _ if service.goal == Goal::Down => Self::Lost,
            // One that is about to end for another run is as good as gone.
            Phase::Starting(_, proof) => {
                unless(proof.health == Health::Unhealthy && service.goal == Goal::Up)
            }
            Phase::Backoff { awaits: Awaits::Nothing, .. } => Self::Retrying,
            Phase::Backoff { awaits: Awaits::Change { .. }, .. } => Self::Lost,
            Phase::Blocked { .. } => unless(service.is_blocked_for_good()),
            Phase::Waiting if service.hangs_in_kernel() => Self::Lost,
            Phase::Waiting => return None,
            Phase::Spawning { .. } | Phase::Running(..) | Phase::Stopping { .. } => Self::Near,
            Phase::Killing { .. } => unless(service.hangs_in_kernel()),
        })
    }

    /// Whether somebody who waited for a service, by some path, may have less to wait for after this change of it.
    pub(super) fn has_worsened(before: Option<Self>, after: Option<Self>) -> bool {
        match (before, after) {
            (Some(Self::Lost), _) | (_, Some(Self::Near)) => false,
            (Some(Self::Retrying) | None, None) => false,
            (Some(Self::Near), None) => true,
            (before, Some(Self::Retrying | Self::Lost)) => before != after,
        }
    }
}

/// Who waits for what, and who in vain. Each service is looked at once however many paths lead to it, so that all
/// questions together cost one walk over the graph.
pub(super) struct Outlook<'a> {
    order: Order<'a>,
    known: BTreeMap<&'a ServiceName, Prospect>,
}

impl<'a> Outlook<'a> {
    pub(super) fn new(order: Order<'a>) -> Self {
        Self { order, known: BTreeMap::new() }
    }

    pub(super) fn order(&self) -> Order<'a> {
        self.order
    }

    /// The first thing that `name` still waits for before it may start; none when it may.
    pub(super) fn wait_of(&mut self, name: &ServiceName) -> Option<Wait<'a>> {
        let unmet: Vec<(&'a ServiceName, Condition)> = self.order.unmet_of(name, Bond::Hard).collect();
        let in_vain = unmet
            .iter()
            .find(|(needed, condition)| self.never_comes_to(needed, *condition) || self.is_stuck(needed));
        match (in_vain, unmet.first()) {
            (Some((needed, condition)), _) => Some(Wait::InVain(needed, *condition)),
            (None, Some((needed, condition))) => Some(Wait::For(needed, *condition)),
            (None, None) => self.hopes_for(name).map(|(needed, condition)| Wait::For(needed, condition)),
        }
    }

    /// The first thing that `name` can be up without and waits for, because it is on its way.
    fn hopes_for(&mut self, name: &ServiceName) -> Option<(&'a ServiceName, Condition)> {
        let mut unmet = self.order.unmet_of(name, Bond::Soft);
        unmet.find(|(needed, condition)| {
            !self.never_comes_to(needed, *condition) && self.prospect_of(needed) == Prospect::Near
        })
    }

    /// Whether `name` will not become ready by itself: something from outside has to happen first.
    pub(super) fn is_stuck(&mut self, name: &ServiceName) -> bool {
        self.prospect_of(name) == Prospect::Lost
    }

    /// Whether `name` becomes ready by itself.
    pub(super) fn prospect_of(&mut self, name: &ServiceName) -> Prospect {
        let Some((name, _)) = self.order.services.get_key_value(name) else { return Prospect::Lost };
        let mut open = vec![name];
        // Depth first without recursion: a long chain must not overflow the stack.
        while let Some(next) = open.last().copied() {
            match self.look_at(next) {
                Look::Known(prospect) => {
                    self.known.insert(next, prospect);
                    open.pop();
                }
                Look::After(needed) => open.extend(needed),
            }
        }
        self.known.get(name).copied().unwrap_or(Prospect::Lost)
    }

    fn look_at(&self, name: &ServiceName) -> Look<'a> {
        if let Some(known) = self.known.get(name) {
            return Look::Known(*known);
        }
        match self.order.services.get(name).map(Prospect::of) {
            Some(Some(prospect)) => Look::Known(prospect),
            Some(None) => self.look_at_needs_of(name),
            None => Look::Known(Prospect::Lost),
        }
    }

    /// Whoever waits has the worst prospect of all that it cannot be up without.
    fn look_at_needs_of(&self, name: &ServiceName) -> Look<'a> {
        let mut worst = Prospect::Near;
        let mut unknown = Vec::new();
        for (needed, condition) in self.order.unmet_of(name, Bond::Hard) {
            match self.known.get(needed) {
                _ if self.never_comes_to(needed, condition) => return Look::Known(Prospect::Lost),
                _ if !self.order.services.contains_key(needed) => return Look::Known(Prospect::Lost),
                Some(Prospect::Lost) => return Look::Known(Prospect::Lost),
                Some(prospect) => worst = worst.min(*prospect),
                None => unknown.push(needed),
            }
        }
        if unknown.is_empty() { Look::Known(worst) } else { Look::After(unknown) }
    }

    /// Whether a condition contradicts the policy of the needed one: who is always started again never completes.
    fn never_comes_to(&self, needed: &ServiceName, condition: Condition) -> bool {
        let policy = self.order.services.get(needed).map(|service| service.spec.restart);
        condition == Condition::Completed && policy == Some(RestartPolicy::Always)
    }
}

enum Look<'a> {
    Known(Prospect),
    /// These have to be looked at first.
    After(Vec<&'a ServiceName>),
}

/// Whether this holds of what is needed.
pub(super) fn holds(needed: &Service, condition: Condition) -> bool {
    let is_staying = needed.goal == Goal::Up;
    match (&needed.phase, condition) {
        (Phase::Resting(Rest::Completed), _) => true,
        (Phase::Running(..), Condition::Ready | Condition::Started) => is_staying,
        (Phase::Starting(..), Condition::Started) => is_staying,
        (_, Condition::Ready | Condition::Started | Condition::Completed) => false,
    }
}
