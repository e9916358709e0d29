use std::collections::BTreeSet;

use super::explain;
use super::fleet::Fleet;
use super::order::{Order, holds};
use super::phase::{Awaits, Phase, Rest};
use super::service::Service;
use super::trouble::{Remedy, remedy};
use crate::spec::policy::Recovery;
use crate::vocab::name::ServiceName;
use crate::vocab::run::RunId;
use crate::vocab::state::Goal;

/// Why those that need a service go down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fall {
    /// Who fell.
    pub by: ServiceName,
    /// How, in words that follow its name.
    pub how: String,
}

/// What a service gave those that need it to stand on, before a change of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Footing {
    goal: Goal,
    ground: Ground,
    run: Option<RunId>,
    restarts: u64,
    end: Ending,
}

/// Whether its run is ended for another that was asked for, by its age or its schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// It is.
    Renewed,
    /// It is not ended, or for something else.
    Other,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ground {
    /// It has proven itself.
    Firm,
    /// It is on its way up.
    Rising,
    /// Its process was asked to end.
    Leaving,
    /// It waits for another try.
    Wavering,
    /// It ended well, or was stopped.
    Resting,
    /// It has failed for good, or until its file changes.
    Lost,
}

impl Footing {
    pub(super) fn of(service: &Service) -> Self {
        let ground = match &service.phase {
            Phase::Running(..) => Ground::Firm,
            Phase::Waiting | Phase::Spawning { .. } | Phase::Starting(..) => Ground::Rising,
            Phase::Stopping { .. } | Phase::Killing { .. } => Ground::Leaving,
            // Most likely nothing but a change of its file brings it back.
            Phase::Backoff { awaits: Awaits::Change { .. }, .. } => Ground::Lost,
            Phase::Backoff { awaits: Awaits::Nothing, .. } | Phase::Blocked { .. } => Ground::Wavering,
            Phase::Resting(Rest::Completed | Rest::Stopped | Rest::Planned) => Ground::Resting,
            Phase::Resting(Rest::Failed | Rest::Fatal) => Ground::Lost,
        };
        let end = match remedy(service.trouble.as_ref()) {
            Some(Remedy::Renew) => Ending::Renewed,
            Some(Remedy::Restart | Remedy::Stop | Remedy::Fail) | None => Ending::Other,
        };
        let (run, restarts) = (service.phase.run(), service.restarts);
        Self { goal: service.goal, ground, run, restarts, end }
    }

    /// Whether this change of a service takes away what others stand on. A restart that somebody asked for does not,
    /// unless it fails: whoever asks for it names whom it concerns.
    fn gives_way_to(self, after: Self, recovery: Recovery) -> bool {
        let comes_to = |ground| after.ground == ground && self.ground != ground;
        // The run has ended, and the one that was to replace it goes on in its place.
        let is_promoted = after.ground == Ground::Rising && self.run.is_some() && self.run < after.run;
        let is_given_up = after.goal == Goal::Down || comes_to(Ground::Lost);
        let is_renewed = self.end == Ending::Renewed || after.end == Ending::Renewed;
        let is_asked = after.goal != Goal::Up || is_renewed;
        let is_failing = (after.restarts > self.restarts && !is_renewed)
            || comes_to(Ground::Wavering)
            || (!is_asked && (comes_to(Ground::Leaving) || is_promoted));
        match (self.goal, recovery) {
            (Goal::Down, _) => false,
            (Goal::Up | Goal::Again, Recovery::WithDependents) => is_given_up || is_failing,
            (Goal::Up | Goal::Again, Recovery::Smooth) => is_given_up,
        }
    }
}

impl Fall {
    fn of(service: &Service) -> Self {
        let how = match service.goal {
            Goal::Down => "was stopped".to_owned(),
            Goal::Up | Goal::Again => explain::fall(service),
        };
        Self { by: service.spec.name.clone(), how }
    }

    /// In words.
    pub(super) fn words(&self) -> String {
        format!("`{}` {}", self.by, self.how)
    }
}

impl Service {
    /// What it needs has fallen: a run that it has ends, and another follows when what it needs is there again.
    fn go_down_with(&mut self, fall: &Fall) {
        let has_run = matches!(self.phase, Phase::Spawning { .. } | Phase::Starting(..) | Phase::Running(..));
        if has_run && self.goal == Goal::Up {
            self.goal = Goal::Again;
            self.fallen_with = Some(fall.clone());
            self.forget_exchange();
        }
    }

    /// Whose fall its run ends by, if it ends by one, and how that fell, in words.
    pub fn taken_down_by(&self) -> Option<(&ServiceName, String)> {
        let fall = self.fallen_with.as_ref().filter(|_| self.goal == Goal::Again)?;
        Some((&fall.by, fall.words()))
    }

    /// Whether those that need it may be up while it is not.
    fn is_passed_through(&self) -> bool {
        self.goal != Goal::Down && !matches!(self.phase, Phase::Resting(_))
    }
}

impl Fleet {
    /// Who would be taken down if these were stopped, and is none of them: asked of a copy.
    pub fn taken_down_with(&self, services: &[ServiceName]) -> Vec<ServiceName> {
        let mut rehearsal = self.clone();
        let services = self.in_stop_order(services.to_vec());
        services.iter().for_each(|name| rehearsal.change(name, Service::want_down));
        let is_new = |service: &Service| {
            let before = self.services.get(&service.spec.name).map(|service| service.goal);
            service.goal == Goal::Again && before != Some(Goal::Again)
        };
        rehearsal.services.values().filter(|service| is_new(service)).map(|it| it.spec.name.clone()).collect()
    }

    /// If this change of a service was a fall, all that cannot be up without it go down, by any path.
    pub(super) fn topple(&mut self, name: &ServiceName, before: Footing) {
        let Some(service) = self.services.get(name) else { return };
        let falls = before.gives_way_to(Footing::of(service), service.spec.recovery);
        // What had completed carries whoever needs it, whatever it stands on itself. What is to run again does not.
        let had_completed = before.goal == Goal::Up && before.ground == Ground::Resting;
        let is_to_run_again = had_completed && service.is_passed_through();
        let fallen = match (falls, is_to_run_again) {
            (true, _) => Some(service),
            (false, true) => self.order().lost_under(name),
            (false, false) => None,
        };
        let Some(fall) = fallen.map(Fall::of) else { return };
        let mut open = vec![name.clone()];
        let mut reached = BTreeSet::new();
        while let Some(fallen) = open.pop() {
            let order = self.order();
            let leaning: Vec<ServiceName> = order
                .graph
                .leaning_on(&fallen)
                .filter(|it| !order.has_another(it, &fallen))
                .cloned()
                .collect();
            for dependent in leaning {
                let passes = self.services.get(&dependent).is_some_and(Service::is_passed_through);
                if passes && reached.insert(dependent.clone()) {
                    self.change(&dependent, |service| service.go_down_with(&fall));
                    open.push(dependent);
                }
            }
        }
    }
}

impl<'a> Order<'a> {
    /// What a service that has no run cannot get one without, by any path through such, and what is lost.
    fn lost_under(self, name: &ServiceName) -> Option<&'a Service> {
        let mut open = vec![name.clone()];
        let mut reached = BTreeSet::new();
        while let Some(next) = open.pop() {
            for (needed, _) in self.needs_of(&next).filter(|(_, need)| need.is_lasting()) {
                let Some(service) = self.services.get(needed) else { continue };
                let has_no_run = match &service.phase {
                    Phase::Waiting | Phase::Backoff { .. } | Phase::Blocked { .. } => true,
                    Phase::Resting(_) | Phase::Spawning { .. } | Phase::Starting(..) => false,
                    Phase::Running(..) | Phase::Stopping { .. } | Phase::Killing { .. } => false,
                };
                if self.has_another(&next, needed) {
                    continue;
                } else if service.goal == Goal::Down || Footing::of(service).ground == Ground::Lost {
                    return Some(service);
                } else if has_no_run && reached.insert(needed) {
                    open.push(needed.clone());
                }
            }
        }
        None
    }

    /// Whether another replica of `lost` is there for `dependent`, which needs any of them to go on.
    fn has_another(self, dependent: &ServiceName, lost: &ServiceName) -> bool {
        let of = |name: &ServiceName| self.services.get(name).map(|it| &it.spec.replica.of);
        self.needs_of(dependent).any(|(needed, need)| {
            needed != lost
                && need.is_lasting()
                && of(needed) == of(lost)
                && self.services.get(needed).is_some_and(|it| holds(it, need.condition))
        })
    }
}
