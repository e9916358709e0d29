use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;

use super::agenda::{Due, wait};
use super::ledger::Asked;
use super::spec_maker;
use super::world::{Ending, Verdict, World};
use crate::machine::event::{Awaited, Command, Event, Verb};
use crate::vocab::moment::Moment;
use crate::vocab::name::ServiceName;
use crate::vocab::run::RunId;
use crate::vocab::state::Goal;

/// What a world is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Temper {
    /// Trouble until so many acts are done.
    Troubled { flavour: Flavour, badness: u32, acts: u32 },
    /// Faults have stopped, and nobody interferes.
    Peaceful,
}

/// Where the trouble comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flavour {
    /// Processes misbehave, and people give orders.
    Processes,
    /// The daemon dies at any step.
    Deaths,
    /// The config changes.
    Reloads,
    /// Processes make others the main ones of their runs, and the daemon dies over it.
    Handovers,
    /// All of it.
    Everything,
}

impl Flavour {
    /// A seed tells its flavour, so that it says all about its world.
    pub(super) fn of(seed: u64) -> Self {
        match seed % 5 {
            0 => Self::Processes,
            1 => Self::Deaths,
            2 => Self::Reloads,
            3 => Self::Handovers,
            _ => Self::Everything,
        }
    }
}

impl Temper {
    pub(super) fn of(seed: u64, rng: &mut Rng) -> Self {
        let badness = *rng.choice(&[0, 20, 50, 90]).unwrap_or(&0);
        Self::Troubled { flavour: Flavour::of(seed), badness, acts: rng.u32(3..16) }
    }

    /// How many of a hundred processes are bad.
    pub(super) fn badness(self) -> u32 {
        match self {
            Self::Troubled { badness, .. } => badness,
            Self::Peaceful => 0,
        }
    }

    /// How many of a hundred spawns the system refuses.
    pub(super) fn refusals(self) -> u32 {
        self.badness() / 8
    }
}

impl World {
    /// Somebody does something; and later, somebody again.
    pub(super) fn act(&mut self) -> Verdict {
        let Temper::Troubled { flavour, badness, acts } = self.temper else { return Ok(()) };
        let limit = *self.rng.choice(&[0, 1, 50, 300, 1500, 8000]).unwrap_or(&0);
        let at = self.now.after(wait(&mut self.rng, limit));
        if acts == 0 {
            self.agenda.plan(at, Due::Peace);
            return Ok(());
        }
        self.temper = Temper::Troubled { flavour, badness, acts: acts - 1 };
        self.agenda.plan(at, Due::Act);
        let lot = self.rng.u32(0..100);
        match flavour {
            Flavour::Deaths | Flavour::Everything if lot < 25 => {
                self.agenda.plan(self.now, Due::Doom);
                self.order()
            }
            Flavour::Handovers if lot < 15 => self.hand_over_in_vain(),
            Flavour::Handovers if lot < 55 => self.hand_over(),
            Flavour::Reloads | Flavour::Everything if (25..55).contains(&lot) => self.reload(),
            Flavour::Deaths | Flavour::Handovers | Flavour::Everything if (55..62).contains(&lot) => {
                self.restart_all()
            }
            Flavour::Deaths | Flavour::Handovers | Flavour::Everything if (62..66).contains(&lot) => {
                self.emergency();
                Ok(())
            }
            Flavour::Processes | Flavour::Deaths | Flavour::Reloads => self.nuisance(),
            Flavour::Handovers | Flavour::Everything => self.nuisance(),
        }
    }

    fn nuisance(&mut self) -> Verdict {
        match self.rng.u32(0..22) {
            0 => self.feed(Event::Tick),
            1 => self.abandon(),
            2 | 8 => self.notify(),
            9 => self.edit_file(),
            10 => self.repair(),
            11 | 12 => self.let_schedule_come(),
            13 => self.hand_over(),
            3..=5 => self.tell_again(),
            6 | 7 => {
                self.squat();
                Ok(())
            }
            _ => self.order(),
        }
    }

    /// An event that is late by a whole life reaches the machine: nobody may care.
    fn tell_again(&mut self) -> Verdict {
        let Some(supervisor) = &self.supervisor else { return Ok(()) };
        let is_stale =
            |event: &&Event| run_of(event).is_some_and(|run| supervisor.fleet.service_of(run).is_none());
        let stale: Vec<Event> = self.past.iter().filter(is_stale).cloned().collect();
        match self.rng.choice(stale) {
            Some(event) => self.feed(event),
            None => Ok(()),
        }
    }

    fn abandon(&mut self) -> Verdict {
        let open: Vec<_> = self.ledger.open_tickets().keys().copied().collect();
        let Some(ticket) = self.rng.choice(open) else { return Ok(()) };
        let is_needed = self.supervisor.as_ref().is_none_or(|it| it.ending == Ending::After(ticket));
        if is_needed {
            return Ok(());
        }
        self.ledger.settle(ticket);
        self.feed(Event::Abandoned(ticket))
    }

    fn order(&mut self) -> Verdict {
        let verb = match self.rng.u32(0..18) {
            0 => Verb::Up,
            1 | 2 => Verb::Start,
            3 | 4 => Verb::Stop,
            5..=7 => Verb::Restart,
            8 => Verb::Kill,
            9 => Verb::Await(Awaited::Ready),
            10 => Verb::Await(Awaited::Alive),
            11 => Verb::StopAtOnce,
            12..=15 => Verb::Roll { ready_within: wait(&mut self.rng, 4000) },
            16 => Verb::Fit,
            _ => Verb::Await(Awaited::Gone),
        };
        let Some(supervisor) = &self.supervisor else { return Ok(()) };
        // Those that the file has no more may be waited for to end.
        let all = supervisor.fleet.services().keys();
        let is_named = |name: &&ServiceName| verb == Verb::Fit || self.file.service(name).is_some();
        let names: Vec<ServiceName> = all.filter(is_named).cloned().collect();
        let share = self.rng.u32(1..=4);
        let chosen = names.into_iter().filter(|_| self.rng.u32(0..4) < share).collect();
        let limit = *self.rng.choice(&[0, 100, 4000]).unwrap_or(&0);
        let deadline = self.now.after(wait(&mut self.rng, limit));
        let deadline = self.rng.bool().then_some(deadline);
        self.command(verb, chosen, deadline)
    }

    /// Gives an order as the daemon passes it on, which takes none when it is about to end.
    pub(super) fn command(
        &mut self,
        verb: Verb,
        services: Vec<ServiceName>,
        deadline: Option<Moment>,
    ) -> Verdict {
        let Some(supervisor) = self.supervisor.as_ref().filter(|it| it.ending == Ending::NotYet) else {
            return Ok(());
        };
        let fleet = &supervisor.fleet;
        let spoken_of = match verb {
            Verb::Up | Verb::Start => fleet.spec().graph().with_hard_needs(&services),
            Verb::Stop | Verb::StopAtOnce | Verb::Restart | Verb::Kill | Verb::Await(_) => {
                services.iter().cloned().collect()
            }
            Verb::Roll { .. } => services.iter().cloned().collect(),
            Verb::Fit => {
                let (declared, gone): (Vec<_>, Vec<_>) =
                    services.iter().cloned().partition(|name| fleet.spec().service(name).is_some());
                let needed = fleet.spec().graph().with_hard_needs(&declared);
                needed.into_iter().chain(gone).collect()
            }
        };
        let is_old = |name: &&ServiceName| {
            let is_leaving = fleet.services().get(*name).is_some_and(|service| service.goal() != Goal::Up);
            match verb {
                Verb::Restart | Verb::Roll { .. } => true,
                Verb::Up | Verb::Start | Verb::Fit => is_leaving,
                Verb::Stop | Verb::StopAtOnce | Verb::Kill | Verb::Await(_) => false,
            }
        };
        let old = spoken_of.iter().filter(is_old);
        let run_of = |name: &ServiceName| fleet.services().get(name).and_then(|it| it.phase().run());
        let old_runs: BTreeMap<ServiceName, RunId> =
            old.filter_map(|name| Some((name.clone(), run_of(name)?))).collect();
        self.ledger.forgive_starts(verb, &services);
        match verb {
            Verb::Up | Verb::Start | Verb::Restart => {
                let needed = fleet.spec().graph().with_needs(&services);
                self.ledger.want(needed.iter(), Goal::Up);
            }
            Verb::Roll { .. } => {
                let is_exchanged = |name: &&ServiceName| fleet.services()[*name].is_exchangeable();
                let rest: Vec<ServiceName> =
                    services.iter().filter(|name| !is_exchanged(name)).cloned().collect();
                self.ledger.want(fleet.spec().graph().with_needs(&rest).iter(), Goal::Up);
            }
            Verb::Fit => {
                let declared: Vec<ServiceName> =
                    services.iter().filter(|name| fleet.spec().service(name).is_some()).cloned().collect();
                self.ledger.want(fleet.spec().graph().with_needs(&declared).iter(), Goal::Up);
            }
            Verb::Stop | Verb::StopAtOnce | Verb::Kill => self.ledger.want(services.iter(), Goal::Down),
            Verb::Await(_) => (),
        }
        let ticket = self.ledger.ticket();
        self.ledger.ask(ticket, Asked { verb, services: spoken_of, deadline, old_runs });
        self.feed(Event::Command(Command { ticket, verb, services, deadline }))
    }

    /// Stops everything, so that the daemon ends, and the next one brings it up again.
    fn restart_all(&mut self) -> Verdict {
        let Some(supervisor) = self.supervisor.as_mut().filter(|it| it.ending == Ending::NotYet) else {
            return Ok(());
        };
        let services: Vec<ServiceName> = supervisor.fleet.services().keys().cloned().collect();
        self.ledger.want(services.iter(), Goal::Down);
        let ticket = self.ledger.ticket();
        supervisor.ending = Ending::After(ticket);
        let spoken_of: BTreeSet<ServiceName> = services.iter().cloned().collect();
        let old_runs = BTreeMap::new();
        self.ledger.ask(ticket, Asked { verb: Verb::Stop, services: spoken_of, deadline: None, old_runs });
        self.tell(|| "everything is stopped, and the daemon with it".to_owned());
        self.feed(Event::Command(Command { ticket, verb: Verb::Stop, services, deadline: None }))
    }

    fn reload(&mut self) -> Verdict {
        let before = Arc::clone(&self.file);
        self.file = spec_maker::edited(&mut self.rng, &before);
        self.tell(|| format!("the file is edited: {:?}", self.file.services().keys().collect::<Vec<_>>()));
        let Some(supervisor) = &self.supervisor else { return Ok(()) };
        let known = Arc::clone(supervisor.fleet.spec());
        self.ledger.forget_starts_but_of(&supervisor.fleet);
        self.excuse_new_needs();
        self.ledger
            .want(known.services().keys().filter(|name| self.file.service(name).is_none()), Goal::Down);
        for (name, service) in self.file.services() {
            self.ledger.declare(name);
            if known.service(name).is_none() {
                let goal = if service.autostart { Goal::Up } else { Goal::Down };
                self.ledger.want(std::iter::once(name), goal);
            }
        }
        self.feed(Event::Reconfigured(Arc::clone(&self.file)))
    }
}

fn run_of(event: &Event) -> Option<RunId> {
    match event {
        Event::Spawned { run, .. } | Event::NotSpawned { run, .. } => Some(*run),
        Event::Exited { run, .. } | Event::Probed { run, .. } | Event::Drained { run, .. } => Some(*run),
        Event::Measured { run, .. } | Event::HandedOver { run, .. } => Some(*run),
        Event::Notified { run, .. } | Event::CalledOff { run } | Event::Hooked { run, .. } => Some(*run),
        Event::Command(_) | Event::Abandoned(_) | Event::Reconfigured(_) | Event::PortsSeen { .. } => None,
        Event::FileChanged { .. } | Event::Repaired(_) => None,
        Event::ScheduleDue { .. } | Event::Planned { .. } => None,
        Event::Resumed(_) | Event::Tick => None,
    }
}

/// How long faults may be in the past before the goal must have been reached.
pub(super) const PEACE_MAX: Duration = Duration::from_secs(600);
