use std::collections::VecDeque;

use super::agenda::wait;
use super::check::{Known, require};
use super::child::Drain;
use super::world::{Verdict, World};
use crate::machine::event::{Event, Traffic, Verb};
use crate::machine::exchange::{Roll, Second};
use crate::machine::memory::{LiveMemory, SecondMemory, SecondPlan};
use crate::machine::phase::{Live, Phase};
use crate::machine::service::Service;
use crate::spec;
use crate::vocab::run::RunId;
use crate::vocab::state::Goal;

impl World {
    /// A run is begun beside another in an exchange only, of a service that may overlap and is wanted, and not of more
    /// replicas at once than the config says.
    pub(super) fn check_understudy(&self, run: RunId, spec: &spec::service::Service) -> Verdict {
        let fleet = self.fleet()?;
        let service = fleet.service_of(run).ok_or_else(|| format!("run {run} is nobody's"))?;
        let is_second = service.second().is_some_and(|second| second.run() == run && second.is_understudy());
        require(is_second && spec.may_overlap() && service.is_exchangeable(), || {
            format!("run {run} is begun beside another of {service:?}")
        })?;
        let lives = |it: &&super::child::Child| it.service == spec.name && it.is_ours();
        let others: Vec<RunId> = self.children.values().filter(lives).map(|child| child.run).collect();
        require(
            others.len() <= 1 && others.iter().all(|other| service.phase().run() == Some(*other)),
            || format!("run {run} of `{}` is begun beside {others:?}", spec.name),
        )?;
        let of = &spec.replica.of;
        let fellows = fleet.services().values().filter(|it| it.spec().replica.of == *of);
        let under_way = fellows.filter(|it| it.second().is_some()).count();
        require(under_way <= usize::try_from(spec.max_unavailable).unwrap(), || {
            format!("{under_way} replicas of `{of}` are exchanged at once")
        })
    }

    /// A run is told to accept no more connections only when another counts and is ready, and the next daemon would know.
    pub(super) fn drain(
        &mut self,
        run: RunId,
        spec: &spec::service::Service,
        events: &mut VecDeque<Event>,
    ) -> Verdict {
        let fleet = self.fleet()?;
        let service = fleet.service_of(run).ok_or_else(|| format!("run {run} is nobody's"))?;
        let Some(Second::Draining(draining)) = service.second().filter(|second| second.run() == run) else {
            return Err(format!("run {run} is drained and was not replaced: {service:?}"));
        };
        let has_successor = matches!(service.phase(), Phase::Running(live, _) if live.run > run);
        require(has_successor && service.goal() == Goal::Up, || {
            format!("run {run} is drained in favour of nobody: {service:?}")
        })?;
        let by = draining.until;
        require(by > self.now, || format!("run {run} is drained beyond its time {by:?}"))?;
        let (now, idle_at) = (self.now, self.now.after(wait(&mut self.rng, 1500)));
        let child = self.child_of(run, Some(spec))?;
        let drain = child.drain.get_or_insert(Drain { by, idle_at, idle_looks: 0 });
        let is_idle = drain.idle_at <= now;
        drain.idle_looks = if is_idle { drain.idle_looks + 1 } else { 0 };
        let traffic = if is_idle { Traffic::Ceased } else { Traffic::Flows };
        events.push_back(Event::Drained { run, traffic });
        Ok(())
    }

    /// A run that drains is asked to end when it has no connections any more, when its time is over, and when nobody else
    /// serves; and then it is.
    fn check_end_of_drain(&self, service: &Service, drain: &Drain) -> Verdict {
        let is_over = drain.idle_looks >= 2 || drain.by <= self.now;
        let is_in_vain = service.goal() != Goal::Up || !service.phase().is_up();
        require(is_over || is_in_vain, || {
            format!("it is asked to end while it drains: {drain:?} of {service:?}")
        })
    }

    /// The run that counted before is asked to end only when another counts and is ready; an understudy only when it has
    /// failed, or nobody wants it.
    pub(super) fn check_stop_of_second(&self, service: &Service, run: RunId) -> Verdict {
        let drain = self.children.values().find(|child| child.run == run).and_then(|child| child.drain);
        if let Some(drain) = drain {
            return self.check_end_of_drain(service, &drain);
        }
        let is_replaced = matches!(service.phase(), Phase::Running(live, _) if live.run > run);
        let has_failed = matches!(service.roll(), Roll::Failed { .. });
        // One that drained, which the next daemon knows, does so in favour of nobody when the other has ended.
        let is_unwanted = service.goal() != Goal::Up || !service.phase().is_up();
        // One whose making was overtaken by a stop is not wanted by those who asked for a start after that, either.
        let is_young = self
            .children
            .values()
            .find(|child| child.run == run)
            .is_some_and(|child| child.told_at.max(child.born) == self.now || child.born == self.now);
        require(is_replaced || has_failed || is_unwanted || is_young, || {
            format!("second run {run} is asked to end: {service:?}")
        })
    }

    /// The processes of a service are those that the machine counts on, in its two places.
    pub(super) fn check_runs(&self, service: &Service, processes: &[Known]) -> Verdict {
        let Some(supervisor) = &self.supervisor else { return Ok(()) };
        let in_the_making = |run: &RunId| supervisor.spawning.contains(run);
        let lives = |live: &Live| (live.run, [live.identity, live.first]);
        let first = service.phase().live().map(lives);
        let second = service.second().and_then(Second::live).map(lives);
        let making = [
            service.phase().run().filter(|_| first.is_none()),
            service.second().filter(|_| second.is_none()).map(Second::run),
        ];
        let counted: Vec<Known> = first.into_iter().chain(second).collect();
        let is_expected = |it: &&Known| counted.contains(*it) || making.contains(&Some(it.0));
        let agrees = processes.iter().all(|it| is_expected(&it))
            && counted.iter().all(|it| processes.contains(it))
            && making.iter().flatten().all(in_the_making);
        require(agrees && processes.len() <= 2, || {
            format!("`{}` is {service:?}, and its processes are {processes:?}", service.spec().name)
        })?;
        let is_alone = service.second().is_none_or(|second| {
            !second.is_understudy() || matches!(service.phase(), Phase::Starting(..) | Phase::Running(..))
        });
        require(is_alone, || format!("an understudy waits for nobody: {service:?}"))
    }

    /// Whether a first run was replaced by its understudy, and is asked to end.
    pub(super) fn is_replaced(&self, memory: &LiveMemory, service: &Service) -> bool {
        let is_second = |second: &Second| match second {
            Second::Draining(draining) => draining.live == memory.live,
            Second::Stopping { live, .. } => *live == memory.live,
            Second::Spawning { .. } | Second::Starting(_) | Second::Killing { .. } => false,
        };
        let has_successor = matches!(service.phase(), Phase::Running(live, _) if live.run > memory.live.run);
        has_successor && service.second().is_some_and(is_second)
    }

    /// A second run that a daemon knew is kept: in its place, or in that of the first if that was free.
    pub(super) fn keeps_second(&self, memory: &SecondMemory, service: &Service) -> bool {
        let is_it = |live: &Live| *live == memory.live;
        match (memory.plan, service.second()) {
            (SecondPlan::Understudy { give_up_at }, Some(Second::Starting(trial))) => {
                is_it(&trial.live) && trial.give_up_at == give_up_at
            }
            (SecondPlan::Understudy { .. }, Some(Second::Stopping { live, .. })) if is_it(live) => true,
            // It was ready on the spot, or the first had gone.
            (SecondPlan::Understudy { .. }, _) => service.phase().live().is_some_and(is_it),
            (SecondPlan::Draining { until }, Some(Second::Draining(draining))) => {
                is_it(&draining.live) && draining.until == until
            }
            (SecondPlan::Draining { until }, Some(Second::Stopping { live, .. })) => {
                is_it(live) && (until <= self.now || !service.phase().is_up() || service.goal() != Goal::Up)
            }
            (SecondPlan::Draining { .. }, _) => false,
            (SecondPlan::Stopping { kill_at }, Some(Second::Stopping { live, kill_at: at })) => {
                is_it(live) && kill_at == *at
            }
            (SecondPlan::Stopping { kill_at }, Some(Second::Killing { live, .. })) => {
                is_it(live) && kill_at <= self.now
            }
            (SecondPlan::Stopping { .. }, _) => false,
        }
    }
}

/// Whether a process that hangs in the kernel stands in the way of what is asked and answered for, so that this has to be
/// told.
pub(super) fn is_hopeless(service: &Service, verb: Verb) -> bool {
    let first = service.first_hangs_in_kernel();
    match verb {
        Verb::Up | Verb::Start | Verb::Restart | Verb::Fit => {
            first || (*service.phase() == Phase::Waiting && service.hangs_in_kernel())
        }
        Verb::Stop | Verb::StopAtOnce | Verb::Kill | Verb::Roll { .. } => service.hangs_in_kernel(),
        Verb::Await(_) => false,
    }
}
