use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::agenda::{Due, Life as Daemon, Start, wait};
use super::check::require;
use super::child::{Character, Child, Keeper, Life, identity};
use super::hooks::Hooked;
use super::ledger::Ends;
use super::spec_maker::is_job;
use super::world::{Ending, Journal, Supervisor, Verdict, Violence, World};
use crate::machine::action::Action;
use crate::machine::event::{Event, Obstacle, Verb};
use crate::machine::fleet::Fleet;
use crate::machine::memory::{Progress, SecondPlan, Survivor};
use crate::spec::hooks::Occasion;
use crate::spec::policy::RestartPolicy;
use crate::spec::service::Service;
use crate::vocab::identity::Pid;
use crate::vocab::outcome::Outcome;
use crate::vocab::run::RunId;
use crate::vocab::signal::Signal;
use crate::vocab::state::Goal;

impl World {
    /// Does one thing that the machine asks for.
    pub(super) fn perform(&mut self, action: Action, events: &mut VecDeque<Event>) -> Verdict {
        match action {
            Action::Spawn { run, service } => {
                self.check_spawn(run, &service)?;
                self.excuse_no_more(run, &service);
                let is_first = self.supervisor.as_ref().and_then(|it| it.fleet.service_of(run));
                if is_first.is_some_and(|it| it.phase().run() == Some(run)) {
                    self.check_start_limit(&service.name)?;
                }
                if service.hooks.contains_key(&Occasion::PreStart) {
                    self.prepare(run, &service);
                } else {
                    self.make(run, &service, events);
                }
                Ok(())
            }
            Action::Hook { run, service, occasion, .. } => self.hook(run, &service, occasion),
            Action::Measure { run } => {
                self.child_of(run, None)?;
                let at = self.now.after(wait(&mut self.rng, 5));
                self.agenda.plan(at, Due::Measured(run, self.daemon));
                Ok(())
            }
            Action::CallOff { run } => self.call_off(run, events),
            Action::Stop { run, stop } => self.stop(run, stop.signal),
            Action::Drain { run, service } => self.drain(run, &service, events),
            Action::Kill { run } => self.kill(run),
            Action::Probe { run, service, .. } => {
                let pid = self.child_of(run, Some(&service))?.pid();
                let at = self.now.after(wait(&mut self.rng, 5));
                self.agenda.plan(at, Due::Looked(run, pid, self.daemon));
                Ok(())
            }
            Action::LookAtPorts { service, .. } => {
                let taken = self.taken(&service);
                events.push_back(Event::PortsSeen { service: service.name.clone(), taken });
                Ok(())
            }
            Action::FreePort { service, holder } => self.free_port(&service, holder),
            Action::Publish(change) => {
                self.tell(|| format!("    {change:?}"));
                self.ledger.publish(change)
            }
            Action::Answer { ticket, answer } => {
                self.tell(|| format!("    {ticket:?}: {answer:?}"));
                self.check_answer(ticket, &answer)?;
                if let Some(supervisor) = &mut self.supervisor {
                    if supervisor.ending == Ending::After(ticket) {
                        supervisor.ending = Ending::Over;
                    }
                }
                Ok(())
            }
            Action::Forget(service) => self.ledger.forget(&service),
        }
    }

    /// The process of a run that an action names; nothing else may be named.
    pub(super) fn child_of(&mut self, run: RunId, service: Option<&Service>) -> Result<&mut Child, String> {
        let owner = self.supervisor.as_ref().and_then(|it| it.fleet.service_of(run));
        let name = owner.map(|service| service.spec().name.clone());
        let child = self.children.values_mut().find(|child| child.run == run && child.is_ours());
        let child = child.ok_or_else(|| format!("run {run} is named, and there is no such process"))?;
        if name.as_ref() != Some(&child.service) || service.is_some_and(|it| it.name != child.service) {
            return Err(format!("run {run} of {} is named as one of {name:?}", child.service));
        }
        Ok(child)
    }

    pub(super) fn make(&mut self, run: RunId, service: &Arc<Service>, events: &mut VecDeque<Event>) {
        let event = match self.taken(service) {
            Some(taken) => Event::NotSpawned { run, obstacle: Obstacle::PortTaken(taken) },
            None if self.rng.u32(0..100) < self.temper.refusals() => {
                let why = "cannot start: refused".to_owned();
                Event::NotSpawned { run, obstacle: Obstacle::Refused { why } }
            }
            None => Event::Spawned { run, identity: self.bear(run, service) },
        };
        if self.rng.u32(0..16) == 0 {
            let at = self.now.after(wait(&mut self.rng, 50));
            if let Some(child) = self.children.values_mut().find(|child| child.run == run && child.is_ours())
            {
                child.told_at = at;
            }
            if let Some(supervisor) = &mut self.supervisor {
                supervisor.spawning.insert(run);
            }
            self.agenda.plan(at, Due::Spawned(event, self.daemon));
        } else {
            events.push_back(event);
        }
    }

    /// What a start came to is told late: somebody in its way may have left meanwhile, which the machine finds out from here on.
    pub(super) fn answer_late(&mut self, event: Event) -> Verdict {
        if let Event::NotSpawned { obstacle: Obstacle::PortTaken(taken), .. } = &event {
            self.freed.insert(taken.port, self.now);
        }
        self.feed(event)
    }

    fn bear(&mut self, run: RunId, service: &Service) -> crate::vocab::identity::Identity {
        self.born += 1;
        let identity = identity(self.born);
        let end = self.natural_end(service);
        let is_bad = self.rng.u32(0..100) < self.temper.badness();
        let character =
            if is_bad { Character::bad(&mut self.rng, end) } else { Character::good(&mut self.rng, end) };
        self.tell(|| format!("  {} run {run}: {character:?}", service.name));
        if let Some((after, _)) = character.dies {
            self.agenda.plan(self.now.after(after), Due::Dies(identity.pid));
        }
        let child = Child {
            run,
            service: service.name.clone(),
            identity,
            first: identity,
            former: None,
            born: self.now,
            ports: service.ports.clone(),
            character,
            life: Life::Alive,
            keeper: Keeper::Machine,
            told_at: self.now,
            kill_by: None,
            killed_at: None,
            drain: None,
        };
        self.children.insert(identity.pid, child);
        identity
    }

    /// When a process of a service ends by itself even if it is good: a job does, unless it would be started again.
    pub(super) fn natural_end(&mut self, service: &Service) -> Option<(Duration, Outcome)> {
        let ends = (is_job(&service.name) || service.is_job()) && service.restart != RestartPolicy::Always;
        ends.then(|| (wait(&mut self.rng, 2000), Outcome::Code(0)))
    }

    fn stop(&mut self, run: RunId, signal: Signal) -> Verdict {
        self.check_asked(run)?;
        let now = self.now;
        let timeout = self.supervisor.as_ref().and_then(|it| it.fleet.service_of(run));
        let timeout = timeout.map_or(Duration::ZERO, |service| service.spec().stop.timeout);
        let child = self.child_of(run, None)?;
        child.kill_by = Some(now.after(timeout));
        let (pid, obeys) = (child.pid(), child.character.obeys);
        self.tell(|| format!("    {signal} to run {run}"));
        if let Some((after, outcome)) = obeys {
            self.agenda.plan(now.after(after), Due::Falls(pid, outcome));
        }
        Ok(())
    }

    fn kill(&mut self, run: RunId) -> Verdict {
        let (now, violence) = (self.now, self.violence);
        let child = self.child_of(run, None)?;
        if violence != Violence::AtOnce && child.kill_by.is_none_or(|by| by > now) {
            return Err(format!("run {run} is sent SIGKILL before its time is over: {child:?}"));
        }
        child.kill_by = None;
        child.killed_at.get_or_insert(now);
        let (pid, hangs) = (child.pid(), child.character.hangs);
        self.tell(|| format!("    SIGKILL to run {run}"));
        self.agenda.plan(now.after(hangs), Due::Falls(pid, Outcome::Signal(Signal::KILL)));
        Ok(())
    }

    /// Writes the journal as the engine does: when it has nothing else to do, which is not after every event. The engine
    /// leaves it as it is at the same revision, and has to be right in that.
    pub(super) fn keep_journal(&mut self) -> Verdict {
        let Some(supervisor) = &mut self.supervisor else { return Ok(()) };
        let is_over = supervisor.ending == Ending::Over;
        if !is_over && self.rng.u32(0..8) == 0 {
            return Ok(());
        }
        let memories = supervisor.fleet.services().values().map(|service| service.memory());
        let survivors: Vec<Survivor> = memories.filter(Survivor::matters).collect();
        let last_run = supervisor.fleet.last_run();
        let kept = supervisor.kept.replace(supervisor.fleet.revision());
        if let Some(journal) = self.journal.as_ref().filter(|_| kept == supervisor.kept) {
            require(journal.survivors == survivors && journal.last_run == last_run, || {
                format!("{survivors:?} is not in the journal, which has {:?}", journal.survivors)
            })?;
        }
        self.journal = Some(Journal { survivors, last_run, ends: self.ledger.ends().clone() });
        if is_over {
            self.end_daemon();
        }
        Ok(())
    }

    /// The daemon ends as it was asked to; the next one follows, and finds the journal or nothing.
    fn end_daemon(&mut self) {
        self.tell(|| "the daemon ends in peace".to_owned());
        if self.rng.bool() {
            self.journal = None;
        }
        self.leave_children();
        let at = self.now.after(wait(&mut self.rng, 100));
        self.agenda.plan(at, Due::Boot(Start::Up));
    }

    /// The daemon dies where it stands; the next one comes sooner or later.
    pub(super) fn lose_daemon(&mut self) {
        self.tell(|| "the daemon dies".to_owned());
        self.leave_children();
        let limit = if self.rng.bool() { 50 } else { 6000 };
        let at = self.now.after(wait(&mut self.rng, limit));
        self.agenda.plan(at, Due::Boot(Start::Nothing));
    }

    /// Nobody is told of ends any more, and what only the daemon knew is lost.
    pub(super) fn leave_children(&mut self) {
        self.supervisor = None;
        self.ledger.close();
        self.children.retain(|_, child| child.life == Life::Alive);
        for child in self.children.values_mut() {
            child.kill_by = None;
            child.killed_at = None;
            child.drain = None;
        }
    }

    /// A daemon starts as the real one does: it takes over what the journal names and lives, and ends every other
    /// process of the fleet.
    pub(super) fn boot(&mut self, start: Start) -> Verdict {
        if self.supervisor.is_some() {
            // The lock keeps a second one out.
            return Ok(());
        }
        self.tell(|| "a daemon starts".to_owned());
        self.daemon = Daemon(self.daemon.0 + 1);
        let highest = self.children.values().map(|child| child.run).max().unwrap_or(RunId(0));
        let nothing = Journal { survivors: Vec::new(), last_run: RunId(0), ends: Ends::new() };
        let journal = self.journal.clone().unwrap_or(nothing);
        let mut survivors = journal.survivors;
        for survivor in &mut survivors {
            survivor.live = survivor.live.filter(|memory| self.still_lives(&memory.live));
            survivor.second = survivor.second.filter(|memory| self.still_lives(&memory.live));
        }
        survivors.retain(|survivor| self.file.service(&survivor.service).is_some());
        self.adopt(&survivors);
        self.excuse_survivors(&survivors);
        self.supervisor = Some(Supervisor {
            fleet: Fleet::new(Arc::clone(&self.file), highest.max(journal.last_run)),
            spawning: BTreeSet::new(),
            doom: None,
            ending: Ending::NotYet,
            hooked: Hooked::default(),
            kept: None,
        });
        self.ledger.open(self.file.services().keys(), journal.ends);
        for survivor in &survivors {
            self.ledger.want(std::iter::once(&survivor.service), survivor.goal);
        }
        if survivors.iter().any(|it| it.goal != Goal::Down || it.runs().next().is_some()) {
            self.feed(Event::Resumed(survivors.clone()))?;
            self.check_heritage(&survivors)?;
        }
        match start {
            Start::Nothing => Ok(()),
            Start::Up => {
                let wanted = self.file.services().values().filter(|service| service.autostart);
                let wanted = wanted.map(|service| service.name.clone()).collect();
                self.command(Verb::Up, wanted, None)
            }
        }
    }

    fn adopt(&mut self, survivors: &[Survivor]) {
        let kept: BTreeSet<Pid> =
            survivors.iter().flat_map(Survivor::runs).map(|live| live.identity.pid).collect();
        let first = survivors.iter().filter_map(|it| it.live).map(|memory| match memory.progress {
            Progress::Stopping { kill_at } => (memory.live, Some(kill_at)),
            Progress::Starting | Progress::Ready => (memory.live, None),
        });
        let second = survivors.iter().filter_map(|it| it.second).map(|memory| match memory.plan {
            SecondPlan::Stopping { kill_at } => (memory.live, Some(kill_at)),
            SecondPlan::Understudy { .. } | SecondPlan::Draining { .. } => (memory.live, None),
        });
        for (live, kill_by) in first.chain(second) {
            let Some(child) = self.children.get_mut(&live.identity.pid) else { continue };
            child.keeper = Keeper::Machine;
            child.kill_by = kill_by;
        }
        let strays: Vec<Pid> = self.children.keys().filter(|pid| !kept.contains(pid)).copied().collect();
        for pid in strays {
            let Some(child) = self.children.get_mut(&pid) else { continue };
            child.keeper = Keeper::Nobody;
            let at = self.now.after(child.character.hangs);
            self.agenda.plan(at, Due::Falls(pid, Outcome::Signal(Signal::KILL)));
        }
    }

    /// Somebody ends everything by force and starts afresh: processes, daemon, and all that it knew.
    pub(super) fn emergency(&mut self) {
        self.tell(|| "emergency".to_owned());
        self.leave_children();
        self.children.clear();
        self.journal = None;
        self.daemon = Daemon(self.daemon.0 + 1);
        let at = self.now.after(wait(&mut self.rng, 100));
        self.agenda.plan(at, Due::Boot(Start::Up));
    }
}
