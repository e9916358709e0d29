use std::time::Duration;

use super::blame::Blame;
use super::drain::Draining;
use super::event::{End, Obstacle};
use super::exchange::{Second, Trial};
use super::explain;
use super::fall::Fall;
use super::hooks::Hold;
use super::phase::{Live, Phase, Rest};
use super::schedule::Plan;
use super::service::{LastRun, Service};
use super::startup::Startup;
use super::trouble::{Condemned, Remedy, Trouble};
use crate::vocab::moment::Moment;
use crate::vocab::name::ServiceName;
use crate::vocab::outcome::Outcome;
use crate::vocab::run::RunId;
use crate::vocab::state::Goal;

/// What is remembered of a service from one supervisor to the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Survivor {
    /// Which service.
    pub service: ServiceName,
    /// What was wanted of it.
    pub goal: Goal,
    /// How often it was started again by itself.
    pub restarts: u64,
    /// How many quick failures in a row it has behind it.
    pub failures: u32,
    /// Its last starts, if anybody counts them.
    pub starts: Vec<Moment>,
    /// What is known of its schedule.
    pub plan: Plan,
    /// How it rests, or will when its process has ended, if that is not what people asked for.
    pub rest: Option<Rest>,
    /// Whose fall has taken it down, until it is started again.
    pub fallen_with: Option<Fall>,
    /// Why its run ends or has ended for good, if that was wanted.
    pub condemned: Option<Condemned>,
    /// Why it was given up, if that was not for the end of a run.
    pub gave_up: Option<GaveUp>,
    /// The run that ended last, if one has.
    pub last: Option<LastMemory>,
    /// Its process, if one lives.
    pub live: Option<LiveMemory>,
    /// Its second process, if one lives.
    pub second: Option<SecondMemory>,
    /// How its last start went, as far as that is known.
    pub startup: Option<Startup>,
}

impl Survivor {
    /// A service of which nothing else is remembered.
    pub fn new(service: ServiceName, goal: Goal) -> Self {
        let (rest, gave_up, last, live, second, startup) = (None, None, None, None, None, None);
        let (starts, plan, fallen_with, condemned) = (Vec::new(), Plan::default(), None, None);
        Self {
            service,
            goal,
            restarts: 0,
            failures: 0,
            starts,
            plan,
            rest,
            fallen_with,
            condemned,
            gave_up,
            last,
            live,
            second,
            startup,
        }
    }

    /// What keeps it from being well. A journal of an earlier version does not say what its check found.
    fn trouble(&self) -> Option<Trouble> {
        let is_to_rest = self.live.is_some() && self.rest == Some(Rest::Fatal);
        let unsaid = || Condemned { cause: "its check failed".to_owned(), remedy: Remedy::Stop };
        let condemned = self.condemned.clone().or_else(|| is_to_rest.then(unsaid)).map(Trouble::Condemned);
        condemned.or_else(|| self.gave_up.clone().map(GaveUp::trouble))
    }

    /// Whether a supervisor that knows nothing of it would do otherwise, or tell less.
    pub fn matters(&self) -> bool {
        let is_known = self.runs().next().is_some() || self.last.is_some();
        is_known || self.goal != Goal::Down || self.restarts > 0
    }

    /// Its runs.
    pub fn runs(&self) -> impl Iterator<Item = Live> {
        let live = self.live.map(|memory| memory.live);
        live.into_iter().chain(self.second.map(|memory| memory.live))
    }
}

/// Why a service was given up that no end of a run tells of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GaveUp {
    /// Its process could not be made, in words.
    NotSpawned(String),
    /// It was started as often as it may be.
    StartedTooOften,
}

impl GaveUp {
    fn of(trouble: &Trouble) -> Option<Self> {
        match trouble {
            Trouble::NotSpawned(obstacle) => Some(Self::NotSpawned(explain::obstacle_words(obstacle))),
            Trouble::StartedTooOften => Some(Self::StartedTooOften),
            Trouble::Unfit(_) | Trouble::Condemned(_) => None,
        }
    }

    fn trouble(self) -> Trouble {
        match self {
            Self::NotSpawned(why) => Trouble::NotSpawned(Obstacle::Refused { why }),
            Self::StartedTooOften => Trouble::StartedTooOften,
        }
    }
}

/// A run that has ended as it is remembered. What was left alive of its tree is ended as a stray when the next supervisor
/// begins, and what follows from its end has been decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastMemory {
    /// The run.
    pub run: RunId,
    /// How it ended.
    pub outcome: Outcome,
    /// The last line of its standard error, if it wrote any.
    pub last_words: Option<String>,
    /// How long it had run.
    pub lasted: Duration,
}

impl LastMemory {
    fn of(last: &LastRun) -> Self {
        let End { outcome, last_words, left: _, taken: _, blame: _ } = &last.end;
        let LastRun { run, lasted, .. } = *last;
        Self { run, outcome: *outcome, last_words: last_words.clone(), lasted }
    }

    fn recalled(&self) -> LastRun {
        let Self { run, outcome, last_words, lasted } = self.clone();
        let end = End { outcome, last_words, left: Vec::new(), taken: None, blame: Blame::Nothing };
        LastRun { run, end, lasted }
    }
}

/// A live process as it is remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LiveMemory {
    /// The run. Its main process may have ended since; then its end will be told.
    pub live: Live,
    /// How far it had come.
    pub progress: Progress,
}

/// How far a live process had come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// It had not proven itself.
    Starting,
    /// It had proven itself.
    Ready,
    /// It was asked to end, and is killed at this time.
    Stopping {
        /// When.
        kill_at: Moment,
    },
}

/// A process beside the one that counts, as it is remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SecondMemory {
    /// The run.
    pub live: Live,
    /// What becomes of it.
    pub plan: SecondPlan,
}

/// What becomes of a process beside the one that counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecondPlan {
    /// It counts as soon as it is ready, and is ended if it is not ready by this time.
    Understudy {
        /// When.
        give_up_at: Moment,
    },
    /// It goes on with the connections that it has, and is asked to end at this time.
    Draining {
        /// When.
        until: Moment,
    },
    /// It was asked to end, and is killed at this time.
    Stopping {
        /// When.
        kill_at: Moment,
    },
}

impl SecondMemory {
    fn of(second: &Second) -> Option<Self> {
        let live = *second.live()?;
        let plan = match second {
            Second::Starting(trial) => SecondPlan::Understudy { give_up_at: trial.give_up_at },
            Second::Draining(draining) => SecondPlan::Draining { until: draining.until },
            Second::Stopping { kill_at, .. } => SecondPlan::Stopping { kill_at: *kill_at },
            Second::Killing { .. } | Second::Spawning { .. } => SecondPlan::Stopping { kill_at: live.since },
        };
        Some(Self { live, plan })
    }
}

impl Service {
    /// What the next supervisor must know of it.
    pub fn memory(&self) -> Survivor {
        // A stop whose signal was not sent yet begins anew, with its `pre_stop`.
        let is_asked = !matches!(self.hold, Hold::PreStop(_));
        let progress = match &self.phase {
            Phase::Stopping { .. } if !is_asked => Progress::Starting,
            Phase::Running(..) => Progress::Ready,
            Phase::Stopping { kill_at, .. } => Progress::Stopping { kill_at: *kill_at },
            Phase::Killing { live, .. } => Progress::Stopping { kill_at: live.since },
            Phase::Resting(_) | Phase::Waiting | Phase::Spawning { .. } => Progress::Starting,
            Phase::Starting(..) | Phase::Backoff { .. } | Phase::Blocked { .. } => Progress::Starting,
        };
        let condemned = self.remembered_condemnation().filter(|_| is_asked);
        let is_for_good = condemned.as_ref().is_some_and(|it| it.remedy == Remedy::Stop);
        Survivor {
            service: self.spec.name.clone(),
            goal: self.goal,
            restarts: self.restarts,
            failures: self.failures,
            starts: self.starts.clone(),
            plan: self.plan,
            rest: match self.phase {
                Phase::Resting(Rest::Stopped) => None,
                Phase::Resting(rest) => Some(rest),
                Phase::Waiting | Phase::Spawning { .. } | Phase::Starting(..) | Phase::Running(..) => None,
                Phase::Stopping { .. } | Phase::Killing { .. } if is_for_good => Some(Rest::Fatal),
                Phase::Stopping { .. } | Phase::Killing { .. } => None,
                Phase::Backoff { .. } | Phase::Blocked { .. } => None,
            },
            fallen_with: self.fallen_with.clone(),
            condemned,
            gave_up: self
                .trouble
                .as_ref()
                .filter(|_| self.phase == Phase::Resting(Rest::Fatal))
                .and_then(GaveUp::of),
            last: self.last().map(LastMemory::of),
            live: self.phase.live().map(|live| LiveMemory { live: *live, progress }),
            second: self.second.as_ref().and_then(SecondMemory::of),
            startup: self.startup,
        }
    }

    /// Takes over what an earlier supervisor knew.
    pub(super) fn resume(&mut self, memory: &Survivor, now: Moment) {
        self.goal = memory.goal;
        self.restarts = memory.restarts;
        self.failures = memory.failures;
        self.startup = memory.startup;
        self.starts.clone_from(&memory.starts);
        // A time that queued is nothing to a service that the config has no schedule for any more.
        self.plan = self.spec.schedule.as_ref().map_or_else(Plan::default, |_| memory.plan);
        self.fallen_with.clone_from(&memory.fallen_with);
        self.last = memory.last.as_ref().map(|last| Box::new(last.recalled()));
        self.phase = match (memory.live, memory.goal, memory.rest) {
            (Some(run), _, _) => {
                self.trouble = memory.trouble();
                self.begin_upkeep(run.live.since, now);
                self.resumed_phase(run, now)
            }
            (None, Goal::Down, _) => Phase::Resting(Rest::Stopped),
            (None, Goal::Up, Some(Rest::Planned)) if !self.spec.is_job() => Phase::Waiting,
            (None, Goal::Up, Some(rest)) => {
                self.trouble = memory.trouble();
                Phase::Resting(rest)
            }
            (None, Goal::Up | Goal::Again, _) => {
                self.goal = Goal::Up;
                Phase::Waiting
            }
        };
        self.second = memory.second.map(|second| self.resumed_second(second, now));
        if self.phase == Phase::Waiting {
            self.promote(now);
        }
    }

    fn resumed_second(&self, memory: SecondMemory, now: Moment) -> Second {
        let SecondMemory { live, plan } = memory;
        match plan {
            SecondPlan::Understudy { give_up_at } => {
                Second::Starting(Trial { live, proof: self.fresh_proof(live.since), give_up_at, unfit: None })
            }
            SecondPlan::Draining { until } => Second::Draining(Draining::new(live, until, now)),
            SecondPlan::Stopping { kill_at } => Second::Stopping { live, kill_at },
        }
    }

    /// Why its run ends, if that was wanted, or has ended for good.
    fn remembered_condemnation(&self) -> Option<Condemned> {
        let counts = match &self.phase {
            Phase::Stopping { .. } | Phase::Killing { .. } => self.goal == Goal::Up,
            Phase::Resting(rest) => *rest == Rest::Fatal,
            Phase::Waiting | Phase::Spawning { .. } | Phase::Starting(..) | Phase::Running(..) => false,
            Phase::Backoff { .. } | Phase::Blocked { .. } => false,
        };
        self.trouble.as_ref().filter(|_| counts)?.condemnation().cloned()
    }

    fn resumed_phase(&self, memory: LiveMemory, now: Moment) -> Phase {
        let LiveMemory { live, progress } = memory;
        match progress {
            Progress::Starting => Phase::Starting(live, self.fresh_proof(live.since)),
            Progress::Ready => Phase::Running(live, self.standing_proof(live, now)),
            Progress::Stopping { kill_at } => Phase::Stopping { live, kill_at },
        }
    }
}
