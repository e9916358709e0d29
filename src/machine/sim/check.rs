use std::collections::BTreeSet;
use std::time::Duration;

use super::child::Life;
use super::deadlines;
use super::falls;
use super::leavers;
use super::ledger::Asked;
use super::policy::{self, Expected};
use super::rolling::is_hopeless;
use super::sickness;
use super::world::{Verdict, Violence, World};
use crate::machine::event::{Awaited, Event, Finding, Obstacle, Verb};
use crate::machine::exchange::{Roll, Second};
use crate::machine::fleet::Fleet;
use crate::machine::phase::{Phase, Rest};
use crate::machine::service::Service;
use crate::machine::ticket::{Answer, TicketId, Verdict as Judged};
use crate::spec;
use crate::spec::graph::{Bond, Condition, Need};
use crate::vocab::identity::Identity;
use crate::vocab::moment::Moment;
use crate::vocab::name::ServiceName;
use crate::vocab::outcome::Outcome;
use crate::vocab::run::RunId;
use crate::vocab::state::{Goal, Health, State};

/// What has to be known from before a decision to judge it.
pub(super) struct Before {
    running: BTreeSet<RunId>,
    /// The run that a look finds fit, or whose past is taken over.
    proven: Proven,
    end: Option<Expected>,
    look: sickness::Look,
    falls: falls::Before,
}

/// A run that lives, its main process, and the one that it began with.
pub(super) type Known = (RunId, [Identity; 2]);

enum Proven {
    Nobody,
    One(RunId),
    Anybody,
}

impl Before {
    pub(super) fn of(fleet: &Fleet, event: &Event, now: Moment) -> Self {
        let proven = match event {
            Event::Probed { run, finding: Finding::Good | Finding::GoodFor(_) } => Proven::One(*run),
            Event::Resumed(_) => Proven::Anybody,
            Event::Probed { .. } | Event::Command(_) | Event::Abandoned(_) | Event::Spawned { .. } => {
                Proven::Nobody
            }
            Event::NotSpawned { .. } | Event::Exited { .. } | Event::Notified { .. } => Proven::Nobody,
            Event::PortsSeen { .. } | Event::Drained { .. } => Proven::Nobody,
            Event::Reconfigured(_) | Event::Tick => Proven::Nobody,
            Event::CalledOff { .. }
            | Event::Hooked { .. }
            | Event::HandedOver { .. }
            | Event::Measured { .. }
            | Event::Repaired(_)
            | Event::ScheduleDue { .. }
            | Event::Planned { .. }
            | Event::FileChanged { .. } => Proven::Nobody,
        };
        let end = match event {
            Event::Exited { run, end } => {
                let service = fleet.service_of(*run).filter(|service| service.phase().run() == Some(*run));
                service.and_then(|service| policy::expected(service, end, now))
            }
            Event::NotSpawned { run, obstacle: Obstacle::PortTaken(taken) } => {
                let service = fleet.service_of(*run).filter(|service| service.goal() != Goal::Down);
                service.and_then(|service| policy::conflict(service, taken))
            }
            Event::NotSpawned { obstacle: Obstacle::Refused { .. }, .. } | Event::PortsSeen { .. } => None,
            Event::Command(_) | Event::Abandoned(_) | Event::Spawned { .. } => None,
            Event::Probed { .. } | Event::Notified { .. } | Event::Reconfigured(_) => None,
            Event::Drained { .. } => None,
            Event::Resumed(_)
            | Event::Tick
            | Event::CalledOff { .. }
            | Event::HandedOver { .. }
            | Event::Hooked { .. }
            | Event::FileChanged { .. }
            | Event::Repaired(_)
            | Event::ScheduleDue { .. }
            | Event::Planned { .. }
            | Event::Measured { .. } => None,
        };
        let (look, falls) = (sickness::Look::of(fleet, event), falls::Before::of(fleet, event));
        Self { running: running(fleet), proven, end, look, falls }
    }
}

fn running(fleet: &Fleet) -> BTreeSet<RunId> {
    let is_running = |service: &&Service| matches!(service.phase(), Phase::Running(..));
    fleet.services().values().filter(is_running).filter_map(|service| service.phase().run()).collect()
}

pub(super) fn require(holds: bool, words: impl FnOnce() -> String) -> Verdict {
    if holds { Ok(()) } else { Err(words()) }
}

impl World {
    pub(super) fn fleet(&self) -> Result<&Fleet, String> {
        self.supervisor.as_ref().map(|it| &it.fleet).ok_or_else(|| "there is no daemon".to_owned())
    }

    fn phase_of(&self, name: &ServiceName) -> Option<&Phase> {
        self.supervisor.as_ref()?.fleet.services().get(name).map(Service::phase)
    }

    fn is_declared(&self, name: &ServiceName) -> bool {
        self.supervisor.as_ref().is_some_and(|it| it.fleet.spec().service(name).is_some())
    }

    fn processes_of(&self, name: &ServiceName) -> Vec<Known> {
        let of_it = self.children.values().filter(|it| it.service == *name && it.is_ours());
        of_it.map(|child| (child.run, [child.identity, child.first])).collect()
    }

    pub(super) fn has_process(&self, name: &ServiceName) -> bool {
        self.children.values().any(|child| child.service == *name && child.is_ours())
    }

    /// A run begins only when the service has no other, and what it needs holds.
    pub(super) fn check_spawn(&self, run: RunId, spec: &spec::service::Service) -> Verdict {
        let name = &spec.name;
        let fleet = self.fleet()?;
        let is_understudy = fleet.service_of(run).is_some_and(|it| it.second().is_some());
        if is_understudy {
            self.check_understudy(run, spec)?;
        } else {
            require(!self.is_occupied(name), || {
                format!("run {run} of `{name}` is begun while another lives")
            })?;
        }
        require(self.ledger.wants_up(name), || {
            format!("run {run} of `{name}` is begun, and nobody wants it")
        })?;
        require(fleet.last_run() >= run, || format!("run {run} is not numbered"))?;
        let is_new = self.children.values().all(|child| child.run != run);
        require(is_new, || format!("run {run} of `{name}` is given twice"))?;
        // What one can be up without is waited for at a start, and at no exchange of what is up.
        let is_asked = |need: &Need| need.bond == Bond::Hard || !is_understudy;
        let mut needs = spec.depends_on.iter().filter(|(_, need)| is_asked(need));
        let held = |needed: &ServiceName| self.begins_anew(needed) || self.has_just_fallen(needed);
        let unmet = needs.find(|(needed, need)| !self.lets_start(needed, **need) && !held(needed));
        require(unmet.is_none(), || format!("run {run} of `{name}` is begun without {unmet:?}"))
    }

    pub(super) fn holds(&self, needed: &ServiceName, condition: Condition) -> bool {
        let service = self.supervisor.as_ref().and_then(|it| it.fleet.services().get(needed));
        let Some(service) = service else { return false };
        let stays = service.goal() == Goal::Up;
        match (condition, service.phase()) {
            (_, Phase::Resting(Rest::Completed)) => self.has_completed(needed),
            (Condition::Started, Phase::Starting(..) | Phase::Running(..)) => {
                stays && self.has_process(needed)
            }
            (Condition::Ready, Phase::Running(..)) => stays && self.has_process(needed),
            (Condition::Started | Condition::Ready | Condition::Completed, _) => false,
        }
    }

    fn has_completed(&self, name: &ServiceName) -> bool {
        matches!(self.ledger.last_end(name), Some(Outcome::Code(0 | 3)))
    }

    /// A process is asked to end only when everyone that needs it and is on the way out has gone.
    pub(super) fn check_stop(&mut self, run: RunId) -> Verdict {
        let fleet = self.fleet()?;
        let Some(service) = fleet.service_of(run) else { return Err(format!("run {run} is nobody's")) };
        if service.phase().run() != Some(run) {
            return self.check_stop_of_second(service, run);
        }
        if service.goal() == Goal::Up {
            return self.check_remedy(run);
        }
        let name = &service.spec().name;
        // Who falls after the decision to stop what it needs comes too late to go first.
        let comes_late = |other: &&ServiceName| self.has_just_fallen(other) && !self.has_just_fallen(name);
        let first = self.leave_before(fleet, name).find(|other| !comes_late(other));
        let is_in_order = first.is_none() || self.violence == Violence::OutOfOrder;
        require(is_in_order, || {
            format!("`{name}` is asked to end while {first:?} has a process: {:?}", fleet.services())
        })
    }

    /// A ticket is answered once, by its deadline, of every service that it names, and what it says is true.
    pub(super) fn check_answer(&mut self, ticket: TicketId, answer: &Answer) -> Verdict {
        let asked = self.ledger.settle(ticket);
        let asked = asked.ok_or_else(|| format!("{ticket:?} is answered and was not open"))?;
        require(answer.keys().eq(asked.services.iter()), || {
            format!("{ticket:?} speaks of {:?} and not of {:?}", answer.keys(), asked.services)
        })?;
        for (name, judged) in answer {
            let is_true = match judged {
                Judged::Done => self.is_done(name, asked.verb, asked.old_runs.get(name).copied()),
                Judged::Failed(why) => !why.is_empty() && !self.is_well(name, &asked),
                Judged::TimedOut(why) => !why.is_empty() && asked.deadline.is_some_and(|at| at <= self.now),
            };
            require(is_true, || {
                format!("{ticket:?} says {judged:?} of `{name}`, which is not so: {asked:?}")
            })?;
        }
        Ok(())
    }

    fn is_done(&self, name: &ServiceName, verb: Verb, old_run: Option<RunId>) -> bool {
        let phase = self.phase_of(name);
        let has_completed =
            matches!(phase, Some(Phase::Resting(Rest::Completed))) && self.has_completed(name);
        let is_ready = match phase {
            Some(Phase::Running(live, _)) => {
                self.has_process(name) && old_run.is_none_or(|old| live.run > old)
            }
            Some(_) | None => has_completed,
        };
        let is_planned = matches!(phase, Some(Phase::Resting(Rest::Planned)));
        match verb {
            Verb::Up | Verb::Start | Verb::Restart => is_ready || is_planned,
            Verb::Await(Awaited::Ready) => is_ready,
            Verb::Roll { .. } => (is_ready || is_planned) && self.processes_of(name).len() <= 1,
            // One that was to go may have been declared again since, and rests.
            Verb::Fit if self.is_declared(name) && self.ledger.wants_up(name) => is_ready || is_planned,
            Verb::Fit => !self.is_occupied(name),
            Verb::Await(Awaited::Alive) => self.has_process(name),
            Verb::Stop | Verb::StopAtOnce | Verb::Kill => !self.is_occupied(name),
            Verb::Await(Awaited::Gone) => !self.is_occupied(name),
        }
    }

    /// Whether what was asked for has plainly been reached, so that nobody may call it failed.
    fn is_well(&self, name: &ServiceName, asked: &Asked) -> bool {
        let service = self.supervisor.as_ref().and_then(|it| it.fleet.services().get(name));
        let Some(service) = service else { return false };
        let is_clear = service.last().is_none_or(|last| last.end.left.is_empty());
        let is_settled = match asked.verb {
            Verb::Up | Verb::Start | Verb::Restart => {
                service.goal() == Goal::Up && service.health() != Health::Unhealthy
            }
            Verb::Fit => {
                let is_up = service.goal() == Goal::Up && service.health() != Health::Unhealthy;
                self.is_declared(name) == is_up && (is_up || !service.has_process())
            }
            Verb::Roll { .. } => {
                let is_alone = service.second().is_none() && *service.roll() == Roll::Nothing;
                service.goal() == Goal::Up && service.health() != Health::Unhealthy && is_alone
            }
            Verb::Stop | Verb::StopAtOnce | Verb::Kill => {
                service.goal() == Goal::Down && !service.has_process() && is_clear
            }
            Verb::Await(Awaited::Ready) => {
                service.goal() == Goal::Up && service.health() != Health::Unhealthy
            }
            Verb::Await(Awaited::Alive) => service.has_live_process(),
            Verb::Await(Awaited::Gone) => !service.has_process(),
        };
        is_settled && self.is_done(name, asked.verb, asked.old_runs.get(name).copied())
    }

    /// After a decision: nobody's turn was missed, nobody runs unproven, policies hold, and all of it was told.
    pub(super) fn check_decision(&self, before: &Before) -> Verdict {
        let fleet = self.fleet()?;
        for (name, service) in fleet.services() {
            self.check_turn(fleet, name, service)?;
            self.check_told(fleet, name, service)?;
            let is_wanted = self.ledger.wants_up(name);
            require(is_wanted == (service.goal() != Goal::Down), || {
                format!("the goal of `{name}` is {:?}, and it is wanted up: {is_wanted}", service.goal())
            })?;
            match service.phase() {
                Phase::Running(live, _) if !before.running.contains(&live.run) => {
                    require(is_proven(service, before, self.now), || {
                        format!("`{name}` counts as running and has not proven itself")
                    })?;
                }
                Phase::Running(..) | Phase::Starting(..) | Phase::Spawning { .. } | Phase::Waiting => (),
                Phase::Stopping { .. } | Phase::Killing { .. } => (),
                Phase::Backoff { .. } | Phase::Resting(_) => (),
                phase @ Phase::Blocked { .. } => self.check_blocked(service.spec(), phase)?,
            }
        }
        deadlines::check(fleet)?;
        leavers::check(fleet)?;
        self.check_look(&before.look)?;
        self.check_falls(&before.falls)?;
        before.end.as_ref().map_or(Ok(()), |end| policy::check(fleet, end))
    }

    fn check_turn(&self, fleet: &Fleet, name: &ServiceName, service: &Service) -> Verdict {
        let spec = service.spec();
        match service.phase() {
            Phase::Waiting if service.second().is_some() => Ok(()),
            Phase::Waiting => {
                let is_ready = spec.depends_on.iter().all(|(needed, need)| self.lets_start(needed, *need));
                require(!is_ready || self.is_occupied(name), || format!("`{name}` waits for nothing"))
            }
            Phase::Starting(..) | Phase::Running(..) if service.goal() != Goal::Up => {
                let first = self.leave_before(fleet, name).next();
                require(first.is_some(), || format!("`{name}` should be asked to end, and is not"))
            }
            Phase::Starting(..) | Phase::Running(..) | Phase::Spawning { .. } => Ok(()),
            Phase::Stopping { .. } | Phase::Killing { .. } => Ok(()),
            Phase::Backoff { .. } | Phase::Blocked { .. } | Phase::Resting(_) => Ok(()),
        }
    }

    fn check_told(&self, fleet: &Fleet, name: &ServiceName, service: &Service) -> Verdict {
        let told = self.ledger.told(name).ok_or_else(|| format!("nothing was ever told of `{name}`"))?;
        // That a run has got its process is not told; that it is another is.
        let is_young = told.main.is_none() && service.state() == State::Starting;
        let is_true = told.state == service.state()
            && told.health == service.health()
            && told.run == service.phase().run()
            && (told.main == service.phase().live().map(|live| live.identity) || is_young)
            && told.second == service.second().map(Second::run)
            && told.reason == fleet.reason(name);
        require(is_true, || {
            format!("{told:?} was told, and `{name}` is {service:?}, because {:?}", fleet.reason(name))
        })
    }

    /// After an event: machine and world agree, and nothing is late.
    pub(super) fn check_agreement(&self) -> Verdict {
        let Some(supervisor) = &self.supervisor else { return Ok(()) };
        let fleet = &supervisor.fleet;
        for (name, service) in fleet.services() {
            self.check_runs(service, &self.processes_of(name))?;
        }
        for child in self.children.values().filter(|child| child.is_ours()) {
            let is_known = fleet.services().contains_key(&child.service);
            require(is_known, || format!("`{}` is unknown and has a process", child.service))?;
            let is_late = child.life == Life::Alive && child.kill_by.is_some_and(|by| by <= self.now);
            require(!is_late, || format!("`{}` should have been sent SIGKILL: {child:?}", child.service))?;
            let drains = child.kill_by.is_none() && child.killed_at.is_none() && child.life == Life::Alive;
            let is_late = drains && child.drain.is_some_and(|drain| drain.by <= self.now);
            require(!is_late, || format!("nobody asks it to end, and it had its time: {child:?}"))?;
            let hangs = child.killed_at.is_some_and(|at| at.after(KILLED_MAX) <= self.now);
            let is_known = fleet.services().get(&child.service).is_some_and(Service::hangs_in_kernel);
            require(!hangs || is_known, || format!("nobody says that it hangs in the kernel: {child:?}"))?;
        }
        for (ticket, asked) in self.ledger.open_tickets() {
            let is_late = asked.deadline.is_some_and(|at| at <= self.now);
            require(!is_late, || format!("the deadline of {ticket:?} has passed: {asked:?}"))?;
            let is_decided = |name: &ServiceName| match fleet.services().get(name) {
                None => true,
                Some(service) => is_hopeless(service, asked.verb) || self.is_well(name, asked),
            };
            let is_over = asked.services.iter().all(is_decided);
            require(!is_over, || format!("{ticket:?} has come to its end and is not answered: {asked:?}"))?;
        }
        Ok(())
    }

    /// When something happens: the machine had itself woken for whatever was due before.
    pub(super) fn check_wake(&self) -> Verdict {
        if self.supervisor.is_none() {
            return Ok(());
        }
        let is_past = |at: Moment| at.after(LATE_MAX) < self.now;
        let tickets = self.ledger.open_tickets().values().filter_map(|asked| asked.deadline);
        let ours = self.children.values().filter(|child| child.is_ours() && child.life == Life::Alive);
        let missed = tickets.chain(ours.filter_map(|child| child.kill_by)).find(|at| is_past(*at));
        require(missed.is_none(), || format!("nobody woke the machine at {missed:?}; it is {:?}", self.now))
    }
}

/// How late a tick may come.
const LATE_MAX: Duration = Duration::from_millis(2);

/// How long after SIGKILL the machine must say that a process hangs.
const KILLED_MAX: Duration = Duration::from_secs(5);

fn is_proven(service: &Service, before: &Before, now: Moment) -> bool {
    let Some(live) = service.phase().live() else { return false };
    let has_lasted = !service.spec().can_be_probed() && now.since(live.since) >= service.spec().min_uptime;
    match before.proven {
        Proven::Anybody => true,
        Proven::One(run) => run == live.run || has_lasted,
        Proven::Nobody => has_lasted,
    }
}
