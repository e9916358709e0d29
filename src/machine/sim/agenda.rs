use std::collections::BTreeMap;
use std::time::Duration;

use crate::machine::event::Event;
use crate::spec::hooks::Occasion;
use crate::vocab::identity::Pid;
use crate::vocab::moment::Moment;
use crate::vocab::name::ServiceName;
use crate::vocab::outcome::Outcome;
use crate::vocab::run::RunId;

/// What happens at a time that is known before.
#[derive(Debug, Clone)]
pub(super) enum Due {
    /// A process ends by itself, if that is still its character.
    Dies(Pid),
    /// A signal ends a process.
    Falls(Pid, Outcome),
    /// The daemon is told of a process's end.
    Told(Pid, Life),
    /// The daemon is told whether a process is fit.
    Looked(RunId, Pid, Life),
    /// The daemon is told what became of a spawn.
    Spawned(Event, Life),
    /// The `pre_start` of a run is over.
    Prepared(RunId, Life),
    /// The tree of a run is measured.
    Measured(RunId, Life),
    /// A hook of a run is over.
    Hooked(ServiceName, RunId, Occasion, Life),
    /// Somebody does something.
    Act,
    /// The daemon dies some actions later.
    Doom,
    /// A daemon starts.
    Boot(Start),
    /// Faults stop.
    Peace,
}

/// Which of a world's daemons: what one is told dies with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Life(pub(super) u32);

/// What a daemon is asked for as soon as it lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Start {
    Nothing,
    Up,
}

/// All that is due, in order; what is due at the same time happens in the order of its planning.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    due: BTreeMap<(Moment, u64), Due>,
    planned: u64,
}

impl Agenda {
    pub(super) fn plan(&mut self, at: Moment, due: Due) {
        self.planned += 1;
        self.due.insert((at, self.planned), due);
    }

    pub(super) fn next_at(&self) -> Option<Moment> {
        self.due.keys().next().map(|(at, _)| *at)
    }

    pub(super) fn pop(&mut self) -> Option<(Moment, Due)> {
        self.due.pop_first().map(|((at, _), due)| (at, due))
    }
}

/// A wait of up to so many milliseconds, to the microsecond.
pub(super) fn wait(rng: &mut fastrand::Rng, millis_max: u64) -> Duration {
    Duration::from_micros(rng.u64(0..=millis_max * 1000))
}
