use std::time::Duration;

use fastrand::Rng;

use crate::machine::blame::Blame;
use crate::vocab::identity::{Identity, Pid, StartTime};
use crate::vocab::moment::Moment;
use crate::vocab::name::ServiceName;
use crate::vocab::outcome::Outcome;
use crate::vocab::port::Endpoint;
use crate::vocab::run::RunId;
use crate::vocab::signal::Signal;

/// What a process will do in its life.
#[derive(Debug, Clone)]
pub(super) struct Character {
    /// When it holds its ports and passes its check, counted from its start; a process that hangs never does.
    pub(super) ready_after: Option<Duration>,
    /// When it ends by itself, and how.
    pub(super) dies: Option<(Duration, Outcome)>,
    /// How it ends when it is asked to; one that ignores the signal does not.
    pub(super) obeys: Option<(Duration, Outcome)>,
    /// How long the kernel holds it after SIGKILL.
    pub(super) hangs: Duration,
    /// When it does not pass its check any more, and again does.
    pub(super) sick: Option<(Duration, Duration)>,
    /// How long its end takes to be told.
    pub(super) telling: Duration,
    /// What is left of its tree, in words.
    pub(super) left: Vec<String>,
    /// What an end with a failure is put down to.
    pub(super) blame: Blame,
}

/// A process that the world made for the machine.
#[derive(Debug, Clone)]
pub(super) struct Child {
    pub(super) run: RunId,
    pub(super) service: ServiceName,
    /// Its main process.
    pub(super) identity: Identity,
    /// The process that it was born as.
    pub(super) first: Identity,
    /// Its main process before, if that lives on.
    pub(super) former: Option<Identity>,
    pub(super) born: Moment,
    pub(super) ports: Vec<Endpoint>,
    pub(super) character: Character,
    pub(super) life: Life,
    pub(super) keeper: Keeper,
    /// When the machine is told of its start; its end is told later than that.
    pub(super) told_at: Moment,
    /// When it has to be sent SIGKILL at the latest, if it was asked to end.
    pub(super) kill_by: Option<Moment>,
    /// When it was sent SIGKILL first by the daemon that lives.
    pub(super) killed_at: Option<Moment>,
    /// What came of it since the daemon that lives told it to accept no more connections.
    pub(super) drain: Option<Drain>,
}

/// A process that accepts no more connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Drain {
    /// When it has to be asked to end at the latest.
    pub(super) by: Moment,
    /// When the last of its connections is over.
    pub(super) idle_at: Moment,
    /// How many looks in a row found none.
    pub(super) idle_looks: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Life {
    Alive,
    /// It has ended, and the machine is about to be told.
    Ended(Outcome),
}

/// Who cares for a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keeper {
    /// The machine: it made it, or took it over.
    Machine,
    /// Nobody: it was found at a boot, was sent SIGKILL, and is nobody's business any more.
    Nobody,
}

impl Child {
    pub(super) fn pid(&self) -> Pid {
        self.identity.pid
    }

    pub(super) fn is_ours(&self) -> bool {
        self.keeper == Keeper::Machine
    }

    /// Whether it holds its ports and passes its check.
    pub(super) fn is_fit(&self, now: Moment) -> bool {
        let age = now.since(self.born);
        let is_sick = self.character.sick.is_some_and(|(from, to)| age >= from && age < to);
        let is_ready = self.character.ready_after.is_some_and(|after| age >= after);
        self.life == Life::Alive && is_ready && !is_sick
    }

    /// It means well from here on.
    pub(super) fn reform(&mut self, now: Moment, end: Option<(Duration, Outcome)>) {
        let age = now.since(self.born);
        self.character.sick = None;
        self.character.blame = Blame::Nothing;
        self.character.dies = end;
        self.character.left.clear();
        self.character.obeys.get_or_insert((Duration::from_millis(10), Outcome::Code(0)));
        let soon = age + Duration::from_millis(100);
        self.character.ready_after = Some(self.character.ready_after.map_or(soon, |after| after.min(soon)));
    }
}

/// The identity of the `number`-th process of a world.
pub(super) fn identity(number: i32) -> Identity {
    Identity { pid: Pid::new(number).unwrap(), started: StartTime(u64::try_from(number).unwrap()) }
}

fn millis(rng: &mut Rng, max: u64) -> Duration {
    Duration::from_millis(rng.u64(0..=max))
}

impl Character {
    /// One that does what it should: a job ends with success, anything else runs until it is asked to end.
    pub(super) fn good(rng: &mut Rng, end: Option<(Duration, Outcome)>) -> Self {
        Self {
            ready_after: Some(millis(rng, 300)),
            dies: end,
            obeys: Some((millis(rng, 40), Outcome::Signal(Signal::TERM))),
            hangs: Duration::ZERO,
            sick: None,
            telling: millis(rng, 3),
            left: Vec::new(),
            blame: Blame::Nothing,
        }
    }

    /// One that misbehaves in one way, or in two.
    pub(super) fn bad(rng: &mut Rng, end: Option<(Duration, Outcome)>) -> Self {
        let mut character = Self::good(rng, end);
        for _ in 0..rng.usize(1..=2) {
            character.spoil(rng);
        }
        character
    }

    fn spoil(&mut self, rng: &mut Rng) {
        match rng.u32(0..12) {
            0 => self.dies = Some((Duration::ZERO, random_end(rng))),
            1 | 2 => self.dies = Some((millis(rng, 3000), random_end(rng))),
            3 => self.obeys = None,
            4 => {
                self.obeys = None;
                self.hangs = millis(rng, 12_000);
            }
            5 => self.ready_after = None,
            6 => {
                let from = millis(rng, 4000);
                self.sick = Some((from, from + millis(rng, 10_000)));
            }
            7 => {
                self.left = vec!["pid 4 (stray)".to_owned()];
                self.telling = Duration::from_secs(5);
            }
            // It forks away: its main process is over at once, and well.
            8 => self.dies = Some((millis(rng, 2), Outcome::Code(0))),
            lot => {
                self.dies = Some((millis(rng, 3000), Outcome::Code(1)));
                self.blame = match lot {
                    9 => Blame::Address,
                    10 => Blame::Program { file: None },
                    _ => Blame::Program { file: Some("main.py".to_owned()) },
                };
            }
        }
    }
}

fn random_end(rng: &mut Rng) -> Outcome {
    match rng.u32(0..5) {
        0 => Outcome::Code(0),
        1 => Outcome::Code(3),
        2 => Outcome::Code(1),
        3 => Outcome::Signal(Signal::KILL),
        _ => Outcome::Unknown,
    }
}
