use std::time::Duration;

use super::agenda::wait;
use super::check::require;
use super::world::{Verdict, World};
use crate::machine::event::{Event, Finding};
use crate::machine::exchange::Second;
use crate::machine::fleet::Fleet;
use crate::machine::phase::{NextLook, Phase};
use crate::machine::service::Service;
use crate::machine::trouble::Remedy;
use crate::spec::health::{Aspect, OnUnhealthy};
use crate::vocab::run::RunId;
use crate::vocab::state::{Goal, Health};

/// The look that a decision is about, if it is about one.
pub(super) enum Look {
    None,
    Good(RunId, Duration),
    Bad(RunId),
}

impl Look {
    pub(super) fn of(fleet: &Fleet, event: &Event) -> Self {
        match event {
            // It began under another spec, and asked something else.
            Event::Probed { run, .. } if !is_under_way(fleet, *run) => Self::None,
            Event::Probed { run, finding: Finding::Good } => Self::Good(*run, Duration::MAX),
            Event::Probed { run, finding: Finding::GoodFor(time) } => Self::Good(*run, *time),
            Event::Probed { run, finding: Finding::Bad(_) } => Self::Bad(*run),
            Event::Command(_) | Event::Abandoned(_) | Event::Spawned { .. } | Event::NotSpawned { .. } => {
                Self::None
            }
            Event::Exited { .. } | Event::Notified { .. } | Event::Reconfigured(_) => Self::None,
            Event::PortsSeen { .. } | Event::Resumed(_) | Event::Tick => Self::None,
            Event::CalledOff { .. }
            | Event::Hooked { .. }
            | Event::Measured { .. }
            | Event::HandedOver { .. }
            | Event::Repaired(_)
            | Event::ScheduleDue { .. }
            | Event::Planned { .. }
            | Event::FileChanged { .. }
            | Event::Drained { .. } => Self::None,
        }
    }
}

fn is_under_way(fleet: &Fleet, run: RunId) -> bool {
    match fleet.service_of(run).map(Service::phase) {
        Some(Phase::Starting(_, proof) | Phase::Running(_, proof)) => proof.next == NextLook::UnderWay,
        Some(_) | None => false,
    }
}

/// Whether its run ends because it was unhealthy, and none is to follow.
pub(super) fn ends_for_good(service: &Service) -> bool {
    service.condemned().is_some_and(|(_, remedy)| remedy == Remedy::Stop)
}

fn remedies(service: &Service) -> impl Iterator<Item = (u32, OnUnhealthy)> {
    let checks = [service.spec().ready.as_ref(), service.spec().live.as_ref()];
    checks.into_iter().flatten().map(|health| (health.retries, health.on_unhealthy))
}

impl World {
    /// A run that is wanted is asked to end only because its check failed as often as it takes, and within its budget.
    pub(super) fn check_remedy(&mut self, run: RunId) -> Verdict {
        let fleet = self.fleet()?;
        let Some(service) = fleet.service_of(run) else { return Err(format!("run {run} is nobody's")) };
        if self.is_ended_for_greed(run, service, fleet.reason(&service.spec().name).as_ref()) {
            return Ok(());
        }
        if self.is_renewed(run, service, fleet.reason(&service.spec().name).as_ref()) {
            return Ok(());
        }
        let (name, unfit) = (service.spec().name.clone(), self.ledger.unfit_looks(run));
        let before = |within| self.ledger.remedies(&name, within, self.now);
        let is_due = remedies(service).any(|(retries, remedy)| match remedy {
            OnUnhealthy::Report => false,
            OnUnhealthy::Stop => unfit >= retries,
            OnUnhealthy::Restart(budget) => {
                let has_room = u32::try_from(before(budget.within)).is_ok_and(|it| it < budget.restarts_max);
                unfit >= retries && has_room
            }
        });
        require(is_due, || {
            format!("run {run} is asked to end and is wanted: {unfit} bad looks, {service:?}")
        })?;
        let is_said = fleet.reason(&name).is_some_and(|reason| reason.contains("its check failed"));
        require(is_said, || format!("nobody says why run {run} is asked to end: {service:?}"))?;
        if !ends_for_good(service) {
            self.ledger.note_remedy(&name, self.now);
        }
        Ok(())
    }

    /// After a look: one that is unhealthy is left so only if nothing is to be done, or the budget is spent; and one that
    /// stays good for a time is looked at by the end of it.
    pub(super) fn check_look(&self, look: &Look) -> Verdict {
        let (Look::Good(run, _) | Look::Bad(run)) = look else { return Ok(()) };
        let of_run = self.fleet()?.service_of(*run);
        let Some(service) = of_run.filter(|it| it.phase().run() == Some(*run)) else { return Ok(()) };
        let (aspect, proof) = match service.phase() {
            Phase::Starting(_, proof) => (Aspect::Ready, proof),
            Phase::Running(_, proof) => (Aspect::Alive, proof),
            Phase::Resting(_) | Phase::Waiting | Phase::Spawning { .. } => return Ok(()),
            Phase::Stopping { .. } | Phase::Killing { .. } => return Ok(()),
            Phase::Backoff { .. } | Phase::Blocked { .. } => return Ok(()),
        };
        if let (Look::Good(_, time), NextLook::At(at)) = (look, proof.next) {
            let by = self.now.after(time.saturating_add(Duration::from_millis(1)));
            require(at <= by, || format!("{service:?} is looked at after it was to be found unfit: {by:?}"))?;
        }
        let is_news = matches!(look, Look::Bad(_)) && proof.next != NextLook::UnderWay;
        if !is_news || proof.health != Health::Unhealthy || service.goal() != Goal::Up {
            return Ok(());
        }
        let remedy = service.spec().health(aspect).map(|health| health.on_unhealthy);
        let is_left_alone = match remedy {
            None | Some(OnUnhealthy::Report) => true,
            Some(OnUnhealthy::Stop) => false,
            Some(OnUnhealthy::Restart(budget)) => {
                let spent = self.ledger.remedies(&service.spec().name, budget.within, self.now);
                u32::try_from(spent).is_ok_and(|spent| spent >= budget.restarts_max)
            }
        };
        // One whose understudy is tried is about to be replaced as it is.
        let is_left_alone = is_left_alone || service.has_understudy();
        require(is_left_alone, || format!("nothing is done about it: {service:?}"))
    }

    /// A process tells of itself, and may ask for more time.
    pub(super) fn notify(&mut self) -> Verdict {
        let runs: Vec<RunId> = self.children.values().filter(|it| it.is_ours()).map(|it| it.run).collect();
        let Some(run) = self.rng.choice(runs) else { return Ok(()) };
        let extension = self.rng.bool().then(|| wait(&mut self.rng, 3000));
        let service = self.supervisor.as_ref().and_then(|it| it.fleet.service_of(run));
        let is_stopping = service.is_some_and(|it| match it.second().filter(|second| second.run() == run) {
            Some(second) => matches!(second, Second::Stopping { .. }),
            None => matches!(it.phase(), Phase::Stopping { .. }),
        });
        let until = extension.filter(|_| is_stopping).map(|extension| self.now.after(extension));
        let child = self.children.values_mut().find(|it| it.run == run && it.is_ours());
        if let Some(kill_by) = child.and_then(|child| child.kill_by.as_mut()) {
            *kill_by = until.map_or(*kill_by, |until| until.max(*kill_by));
        }
        self.feed(Event::Notified { run, extension })
    }
}
