use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::agenda::{Due, wait};
use super::check::require;
use super::world::{Verdict, World};
use crate::machine::event::{Event, Obstacle};
use crate::machine::hooks::HOOK_PATIENCE;
use crate::machine::phase::Phase;
use crate::spec::hooks::Occasion;
use crate::spec::service::Service;
use crate::vocab::name::ServiceName;
use crate::vocab::run::RunId;

/// The hooks that a daemon was asked for.
#[derive(Default)]
pub(super) struct Hooked {
    /// Starts whose `pre_start` is under way.
    preparing: BTreeMap<RunId, Arc<Service>>,
    asked: BTreeMap<(RunId, Occasion), (ServiceName, Stage)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    UnderWay,
    Over,
}

impl Hooked {
    /// Whether a `post_stop` of a service is under way.
    pub(super) fn is_after_stop(&self, service: &ServiceName) -> bool {
        self.asked.iter().any(|((_, occasion), asked)| {
            *occasion == Occasion::PostStop && *asked == (service.clone(), Stage::UnderWay)
        })
    }
}

impl World {
    /// A start begins with its `pre_start`, which takes its time.
    pub(super) fn prepare(&mut self, run: RunId, service: &Arc<Service>) {
        let Some(supervisor) = &mut self.supervisor else { return };
        supervisor.spawning.insert(run);
        supervisor.hooked.preparing.insert(run, Arc::clone(service));
        let at = self.now.after(wait(&mut self.rng, 500));
        self.agenda.plan(at, Due::Prepared(run, self.daemon));
    }

    /// The `pre_start` of a run is over: its process is made, unless nobody wants it any more.
    pub(super) fn prepared(&mut self, run: RunId) -> Verdict {
        let service = self.supervisor.as_mut().and_then(|it| it.hooked.preparing.remove(&run));
        let Some(service) = service else { return Ok(()) };
        require(self.ledger.wants_up(&service.name), || {
            format!("the start of run {run} should have been called off")
        })?;
        if self.rng.u32(0..100) < self.temper.refusals() {
            let why = "cannot start: pre_start failed".to_owned();
            return self.feed(Event::NotSpawned { run, obstacle: Obstacle::Refused { why } });
        }
        let mut events = VecDeque::new();
        self.make(run, &service, &mut events);
        events.into_iter().try_for_each(|event| self.feed(event))
    }

    /// A start is called off. Where the process is made already there is nothing to be done.
    pub(super) fn call_off(&mut self, run: RunId, events: &mut VecDeque<Event>) -> Verdict {
        let Some(supervisor) = &mut self.supervisor else { return Ok(()) };
        let is_answer = |event: &Event| matches!(event, Event::Spawned { run: it, .. } | Event::NotSpawned { run: it, .. } if *it == run);
        let is_answered = events.iter().any(is_answer);
        require(is_answered || supervisor.spawning.contains(&run), || {
            format!("run {run} is called off and not starting")
        })?;
        if supervisor.hooked.preparing.remove(&run).is_some() {
            events.push_back(Event::CalledOff { run });
        }
        Ok(())
    }

    /// A hook is run: once on its occasion, which has to be one.
    pub(super) fn hook(&mut self, run: RunId, service: &Service, occasion: Occasion) -> Verdict {
        let name = &service.name;
        require(service.hooks.contains_key(&occasion), || format!("`{name}` has no {}", occasion.key()))?;
        let Some(supervisor) = &mut self.supervisor else { return Ok(()) };
        let asked = (name.clone(), Stage::UnderWay);
        let before = supervisor.hooked.asked.insert((run, occasion), asked);
        require(before.is_none(), || format!("the {} of run {run} is run twice", occasion.key()))?;
        let phase = supervisor.fleet.services().get(name).map(crate::machine::service::Service::phase);
        let fits = match occasion {
            Occasion::PreStart => false,
            Occasion::PostStart => matches!(phase, Some(Phase::Running(live, _)) if live.run == run),
            Occasion::PreStop | Occasion::PostStop | Occasion::OnFailure => true,
        };
        require(fits, || format!("{} of run {run} has no place in {phase:?}", occasion.key()))?;
        match occasion {
            Occasion::PreStop => self.begin_pre_stop(run, service)?,
            Occasion::PostStop => {
                let lives = self.children.values().any(|child| child.run == run && child.is_ours());
                require(!lives, || format!("post_stop of run {run} is run while it lives"))?;
            }
            Occasion::PreStart | Occasion::PostStart | Occasion::OnFailure => return Ok(()),
        }
        let at = self.now.after(wait(&mut self.rng, 600));
        self.agenda.plan(at, Due::Hooked(name.clone(), run, occasion, self.daemon));
        Ok(())
    }

    fn begin_pre_stop(&mut self, run: RunId, service: &Service) -> Verdict {
        self.check_stop(run)?;
        let limit = service.hooks.get(&Occasion::PreStop).map_or(Duration::ZERO, |hook| hook.timeout);
        let by = self.now.after(limit + HOOK_PATIENCE + service.stop.timeout);
        self.child_of(run, None)?.kill_by = Some(by);
        Ok(())
    }

    /// A hook is over.
    pub(super) fn hooked(&mut self, service: ServiceName, run: RunId, occasion: Occasion) -> Verdict {
        if let Some(supervisor) = &mut self.supervisor {
            supervisor.hooked.asked.insert((run, occasion), (service.clone(), Stage::Over));
        }
        self.feed(Event::Hooked { service, run, occasion })
    }

    /// A process is asked to end in its turn, and after its `pre_stop` if it had one.
    pub(super) fn check_asked(&mut self, run: RunId) -> Verdict {
        let asked = self.supervisor.as_ref().and_then(|it| it.hooked.asked.get(&(run, Occasion::PreStop)));
        match asked.map(|(_, stage)| *stage) {
            None => self.check_stop(run),
            Some(Stage::Over) => Ok(()),
            Some(Stage::UnderWay) => Err(format!("run {run} is asked to end during its pre_stop")),
        }
    }

    /// Whether something of a service has to be over before another run of it begins.
    pub(super) fn is_occupied(&self, service: &ServiceName) -> bool {
        self.has_process(service) || self.is_after_stop(service)
    }

    /// Whether a `post_stop` of a service is under way.
    pub(super) fn is_after_stop(&self, service: &ServiceName) -> bool {
        self.supervisor.as_ref().is_some_and(|it| it.hooked.is_after_stop(service))
    }
}
