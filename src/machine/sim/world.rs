use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;

use super::agenda::{Agenda, Due, Life as Daemon, Start, wait};
use super::check::Before;
use super::child::{Child, Life};
use super::falls;
use super::hooks::Hooked;
use super::ledger::{Ends, Ledger};
use super::operator::Temper;
use super::spec_maker;
use super::stranger::Stranger;
use crate::machine::blame::Blame;
use crate::machine::event::{End, Event, Finding, Verb};
use crate::machine::fleet::{Fleet, Revision};
use crate::machine::memory::Survivor;
use crate::machine::phase::Phase;
use crate::machine::service::Service;
use crate::machine::ticket::TicketId;
use crate::spec;
use crate::spec::hooks::Occasion;
use crate::vocab::identity::Pid;
use crate::vocab::moment::Moment;
use crate::vocab::name::ServiceName;
use crate::vocab::port::Endpoint;
use crate::vocab::run::RunId;

/// What a world has to say against the machine; its seed is added by whoever plays it.
pub(super) type Verdict = Result<(), String>;

/// Whether a world tells its story as it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Telling {
    Silent,
    Aloud,
}

/// One world: everything that a machine can see, in virtual time.
pub(super) struct World {
    pub(super) rng: Rng,
    pub(super) now: Moment,
    pub(super) agenda: Agenda,
    pub(super) temper: Temper,
    /// What the config file says.
    pub(super) file: Arc<spec::fleet::Fleet>,
    /// Every process that lives, or whose end is still to be told.
    pub(super) children: BTreeMap<Pid, Child>,
    pub(super) born: i32,
    /// Services that were up when something became a need of theirs, and which.
    pub(super) excused: BTreeSet<(ServiceName, ServiceName)>,
    /// Those that had fallen with what they need before what is being handled.
    pub(super) fallen: BTreeSet<ServiceName>,
    /// Ports that strangers hold, or held.
    pub(super) squatted: BTreeMap<Endpoint, Stranger>,
    /// When a process of ours that held a port last ended, or was last said to hold it.
    pub(super) freed: BTreeMap<Endpoint, Moment>,
    pub(super) supervisor: Option<Supervisor>,
    pub(super) daemon: Daemon,
    pub(super) journal: Option<Journal>,
    pub(super) ledger: Ledger,
    /// What was told of runs, to be told again when nobody cares any more.
    pub(super) past: Vec<Event>,
    /// Whether somebody asks for SIGKILL with the event that is being handled.
    pub(super) violence: Violence,
    telling: Telling,
    ticks_at: (Moment, u32),
}

/// Whether processes may be killed before their time to end by themselves is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Violence {
    AfterTheirTime,
    AtOnce,
    /// They may not, but may be asked to end before those that need them have.
    OutOfOrder,
}

impl Violence {
    fn of(event: &Event) -> Self {
        match event {
            Event::Command(command) if command.verb == Verb::Kill => Self::AtOnce,
            Event::Command(command) if command.verb == Verb::StopAtOnce => Self::OutOfOrder,
            Event::Command(_) | Event::Abandoned(_) | Event::Spawned { .. } | Event::NotSpawned { .. } => {
                Self::AfterTheirTime
            }
            Event::Exited { .. } | Event::Probed { .. } | Event::Notified { .. } => Self::AfterTheirTime,
            Event::PortsSeen { .. } | Event::Drained { .. } | Event::Reconfigured(_) => Self::AfterTheirTime,
            Event::Resumed(_) | Event::Tick => Self::AfterTheirTime,
            Event::CalledOff { .. }
            | Event::HandedOver { .. }
            | Event::Hooked { .. }
            | Event::Measured { .. }
            | Event::Repaired(_)
            | Event::ScheduleDue { .. }
            | Event::Planned { .. }
            | Event::FileChanged { .. } => Self::AfterTheirTime,
        }
    }
}

/// A daemon while it lives.
pub(super) struct Supervisor {
    pub(super) fleet: Fleet,
    /// Spawns whose answer is under way.
    pub(super) spawning: BTreeSet<RunId>,
    /// It dies when it has done so many more actions.
    pub(super) doom: Option<u32>,
    pub(super) ending: Ending,
    pub(super) hooked: Hooked,
    /// What the journal was last written for.
    pub(super) kept: Option<Revision>,
}

/// Whether a daemon is about to end in peace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    NotYet,
    After(TicketId),
    Over,
}

/// What lies on the disk for the next daemon.
#[derive(Debug, Clone)]
pub(super) struct Journal {
    pub(super) survivors: Vec<Survivor>,
    pub(super) last_run: RunId,
    /// What the world knew when it was written; the machine can know no more.
    pub(super) ends: Ends,
}

/// So many ticks at one instant are a timer that spins.
const TICKS_MAX: u32 = 50;

impl World {
    pub(super) fn new(seed: u64, telling: Telling) -> Self {
        let mut rng = Rng::with_seed(seed);
        let now = Moment::since_boot(Duration::from_secs(1000));
        let mut world = Self {
            temper: Temper::of(seed, &mut rng),
            file: spec_maker::fleet(&mut rng),
            rng,
            now,
            agenda: Agenda::default(),
            children: BTreeMap::new(),
            born: 0,
            excused: BTreeSet::new(),
            fallen: BTreeSet::new(),
            squatted: BTreeMap::new(),
            freed: BTreeMap::new(),
            supervisor: None,
            daemon: Daemon(0),
            journal: None,
            ledger: Ledger::default(),
            past: Vec::new(),
            violence: Violence::AfterTheirTime,
            telling,
            ticks_at: (now, 0),
        };
        world.agenda.plan(now, Due::Boot(Start::Up));
        world.agenda.plan(now, Due::Act);
        world
    }

    /// Plays the world from its beginning to its end.
    pub(super) fn play(&mut self) -> Verdict {
        for service in self.file.services().values() {
            self.tell(|| format!("{}: {}", service.name, words(service)));
        }
        while self.temper != Temper::Peaceful {
            self.step()?;
        }
        self.come_to_rest()
    }

    pub(super) fn tell(&self, words: impl FnOnce() -> String) {
        if self.telling == Telling::Aloud {
            let at = self.now.since(Moment::since_boot(Duration::from_secs(1000)));
            println!("{:>11.6} {}", at.as_secs_f64(), words());
        }
    }

    /// Jumps to whatever comes first and lets it happen.
    pub(super) fn step(&mut self) -> Verdict {
        let deadline = self.supervisor.as_ref().and_then(|it| it.fleet.deadline()).map(|(at, _)| at);
        match (deadline, self.agenda.next_at()) {
            (Some(deadline), next) if next.is_none_or(|next| deadline <= next) => {
                // A sleep may end late, never early.
                let late = if self.rng.u32(0..4) == 0 { wait(&mut self.rng, 1) } else { Duration::ZERO };
                self.now = self.now.max(deadline.after(late));
                self.check_wake()?;
                self.count_tick()?;
                self.feed(Event::Tick)
            }
            (Some(_) | None, _) => {
                let Some((at, due)) = self.agenda.pop() else {
                    return Err("nothing is due any more, and the goal is not reached".to_owned());
                };
                self.now = self.now.max(at);
                self.check_wake()?;
                self.happen(due)
            }
        }
    }

    fn count_tick(&mut self) -> Verdict {
        let (at, ticks) = self.ticks_at;
        self.ticks_at = if at == self.now { (at, ticks + 1) } else { (self.now, 0) };
        if ticks < TICKS_MAX {
            return Ok(());
        }
        let why = self.supervisor.as_ref().and_then(|it| it.fleet.deadline());
        Err(format!("a timer spins: {why:?} at {:?}", self.now))
    }

    fn happen(&mut self, due: Due) -> Verdict {
        match due {
            Due::Dies(pid) => {
                let end = self.children.get(&pid).and_then(|child| child.character.dies);
                if let Some((_, outcome)) = end {
                    self.end_child(pid, outcome);
                }
                Ok(())
            }
            Due::Falls(pid, outcome) => {
                self.end_child(pid, outcome);
                Ok(())
            }
            Due::Told(pid, daemon) if daemon == self.daemon => self.tell_of_end(pid),
            Due::Looked(run, pid, daemon) if daemon == self.daemon => self.tell_of_look(run, pid),
            Due::Spawned(event, daemon) if daemon == self.daemon => self.answer_late(event),
            Due::Prepared(run, daemon) if daemon == self.daemon => self.prepared(run),
            Due::Hooked(service, run, occasion, daemon) if daemon == self.daemon => {
                self.hooked(service, run, occasion)
            }
            Due::Told(..) | Due::Looked(..) | Due::Spawned(..) => Ok(()),
            Due::Measured(run, daemon) if daemon == self.daemon => self.measured(run),
            Due::Prepared(..) | Due::Hooked(..) | Due::Measured(..) => Ok(()),
            Due::Act => self.act(),
            Due::Doom => {
                let left = self.rng.u32(0..8);
                if let Some(supervisor) = &mut self.supervisor {
                    supervisor.doom = Some(left);
                }
                Ok(())
            }
            Due::Boot(start) => self.boot(start),
            Due::Peace => self.make_peace(),
        }
    }

    /// A process ends. Its daemon is told once its tree is cleared; if there is none, nobody ever is.
    fn end_child(&mut self, pid: Pid, outcome: crate::vocab::outcome::Outcome) {
        let Some(child) = self.children.get_mut(&pid).filter(|child| child.life == Life::Alive) else {
            return;
        };
        child.life = Life::Ended(outcome);
        let told = self.now.after(child.character.telling).max(child.told_at.after(Duration::from_micros(1)));
        let (service, run, is_ours) = (child.service.clone(), child.run, child.is_ours());
        self.freed.extend(child.ports.iter().map(|port| (*port, self.now)));
        self.tell(|| format!("  {service} run {run}: {outcome}"));
        if is_ours && self.supervisor.is_some() {
            self.agenda.plan(told, Due::Told(pid, self.daemon));
        } else {
            self.children.remove(&pid);
        }
    }

    fn tell_of_end(&mut self, pid: Pid) -> Verdict {
        let Some(child) = self.children.remove(&pid) else { return Ok(()) };
        let Life::Ended(outcome) = child.life else {
            return Err(format!("the world is broken: {pid} is told to have ended and has not"));
        };
        // The end of a run beside the one that counts says nothing of how the service ended.
        let owner = self.supervisor.as_ref().and_then(|it| it.fleet.service_of(child.run));
        if owner.is_none_or(|service| service.phase().run() == Some(child.run)) {
            self.ledger.note_end(&child, outcome);
        }
        let service = self.supervisor.as_ref().and_then(|it| it.fleet.service_of(child.run));
        let blame = self.blame_of(&child, outcome);
        let is_looked_at =
            |service: &&Service| matches!(service.phase(), Phase::Starting(..)) || blame == Blame::Address;
        let taken = service.filter(is_looked_at).and_then(|service| self.taken(service.spec()));
        let end = End { outcome, last_words: None, left: child.character.left, taken, blame };
        self.feed(Event::Exited { run: child.run, end })
    }

    fn tell_of_look(&mut self, run: RunId, pid: Pid) -> Verdict {
        let is_fit = self.children.get(&pid).is_some_and(|child| child.is_fit(self.now));
        let finding = match is_fit {
            true if self.rng.u32(0..3) == 0 => Finding::GoodFor(wait(&mut self.rng, 3000)),
            true => Finding::Good,
            false => Finding::Bad("is not fit".to_owned()),
        };
        self.ledger.note_look(run, &finding);
        self.feed(Event::Probed { run, finding })
    }

    /// Tells the machine and does what it asks for, as the daemon's engine does, and checks what it did.
    pub(super) fn feed(&mut self, event: Event) -> Verdict {
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            let Some(supervisor) = &mut self.supervisor else { return Ok(()) };
            if let Event::Spawned { run, .. } | Event::NotSpawned { run, .. } | Event::CalledOff { run } =
                &event
            {
                supervisor.spawning.remove(run);
            }
            let before = Before::of(&supervisor.fleet, &event, self.now);
            self.violence = Violence::of(&event);
            self.fallen = falls::fallen(&supervisor.fleet, &event);
            let mut actions = Vec::new();
            supervisor.fleet.handle(event.clone(), self.now, &mut actions);
            self.tell(|| told(&event));
            self.remember(event);
            for action in actions {
                if self.dies_before_next_action() {
                    self.lose_daemon();
                    return Ok(());
                }
                self.perform(action, &mut events)?;
            }
            self.check_decision(&before)?;
        }
        self.check_agreement()?;
        self.keep_journal()
    }

    fn remember(&mut self, event: Event) {
        match event {
            Event::Exited { .. } | Event::Probed { .. } | Event::Notified { .. } => self.past.push(event),
            Event::Spawned { .. } | Event::NotSpawned { .. } => self.past.push(event),
            Event::Command(_) | Event::Abandoned(_) | Event::Tick | Event::PortsSeen { .. } => (),
            Event::FileChanged { .. } | Event::Repaired(_) => (),
            Event::ScheduleDue { .. } | Event::Planned { .. } => (),
            Event::Drained { .. } | Event::HandedOver { .. } => self.past.push(event),
            // Of a `post_stop` nothing is told twice: the next daemon may give its run number again.
            Event::Hooked { occasion: Occasion::PostStop, .. } => (),
            Event::CalledOff { .. } | Event::Hooked { .. } | Event::Measured { .. } => self.past.push(event),
            Event::Reconfigured(_) | Event::Resumed(_) => (),
        }
    }

    fn dies_before_next_action(&mut self) -> bool {
        let doom = self.supervisor.as_mut().and_then(|supervisor| supervisor.doom.as_mut());
        let Some(left) = doom.filter(|_| self.temper != Temper::Peaceful) else { return false };
        let is_now = *left == 0;
        *left = left.saturating_sub(1);
        is_now
    }
}

fn told(event: &Event) -> String {
    match event {
        Event::Reconfigured(spec) => {
            let services = spec.services().values();
            let lines = services.map(|service| format!("\n  {}: {}", service.name, words(service)));
            format!("Reconfigured{}", lines.collect::<String>())
        }
        Event::Command(_) | Event::Abandoned(_) | Event::Spawned { .. } | Event::NotSpawned { .. } => {
            format!("{event:?}")
        }
        Event::Exited { .. } | Event::Probed { .. } | Event::Notified { .. } => format!("{event:?}"),
        Event::PortsSeen { .. } | Event::Measured { .. } | Event::FileChanged { .. } => format!("{event:?}"),
        Event::CalledOff { .. } | Event::Hooked { .. } | Event::Drained { .. } => format!("{event:?}"),
        Event::HandedOver { .. } => format!("{event:?}"),
        Event::ScheduleDue { .. } | Event::Planned { .. } => format!("{event:?}"),
        Event::Resumed(_) | Event::Tick | Event::Repaired(_) => format!("{event:?}"),
    }
}

fn words(service: &spec::service::Service) -> String {
    format!(
        "needs {:?}, {:?}, {:?}, retries {}, stop {:?}, drain {:?}, up {:?}, ports {:?} or {:?}, ready {:?}, live {:?}, autostart {}, hooks {:?}, {:?}, {:?}, {:?}, {:?}",
        service.depends_on,
        service.restart,
        service.recovery,
        service.backoff.max_retries,
        service.stop.timeout,
        service.drain,
        service.min_uptime,
        service.ports,
        service.on_port_conflict,
        service.ready,
        service.live,
        service.autostart,
        service.hooks.keys(),
        service.limits,
        service.start_limit,
        service.max_age,
        service.schedule.as_ref().map(|schedule| schedule.task),
    )
}
