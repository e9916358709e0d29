use std::sync::Arc;
use std::time::Duration;

use super::action::Action;
use super::backoff;
use super::blame::{Blame, Ran};
use super::dice::Dice;
use super::event::{End, Obstacle};
use super::exchange::{Roll, Second};
use super::explain;
use super::fall::Fall;
use super::hooks::Hold;
use super::phase::{Awaits, Live, NextLook, Phase, Rest};
use super::renewal::Renewed;
use super::schedule::{Plan, Queue};
use super::startup::Startup;
use super::trouble::{Remedy, Trouble, remedy};
use super::watch::Watched;
use crate::spec;
use crate::spec::policy::{EarlyExit, RestartPolicy};
use crate::vocab::identity::Identity;
use crate::vocab::moment::Moment;
use crate::vocab::outcome::Outcome;
use crate::vocab::run::RunId;
use crate::vocab::state::{Goal, State};

/// One service: its spec, what is wanted of it, where it stands, and what is remembered of its past.
#[derive(Debug, Clone)]
pub struct Service {
    pub(super) spec: Arc<spec::service::Service>,
    pub(super) goal: Goal,
    pub(super) phase: Phase,
    pub(super) hold: Hold,
    /// When its memory is measured next.
    pub(super) measure: NextLook,
    pub(super) watched: Watched,
    pub(super) plan: Plan,
    /// When its run is too old.
    pub(super) retires_at: Option<Moment>,
    /// Why another run was to take the place of the one that lives, the last time.
    pub(super) renewal: Option<String>,
    pub(super) renewed: Option<Renewed>,
    /// Its last starts, if anybody counts them.
    pub(super) starts: Vec<Moment>,
    pub(super) dice: Dice,
    pub(super) second: Option<Second>,
    pub(super) roll: Roll,
    pub(super) standing: Standing,
    pub(super) failures: u32,
    pub(super) restarts: u64,
    pub(super) last: Option<Box<LastRun>>,
    pub(super) trouble: Option<Trouble>,
    /// Whose fall has taken it down, until it is started again.
    pub(super) fallen_with: Option<Fall>,
    pub(super) startup: Option<Startup>,
    /// When it was restarted because it was unhealthy.
    pub(super) remedied: Vec<Moment>,
}

/// Whether the config still has the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    Declared,
    Removed,
}

/// The run that ended last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastRun {
    /// Its number.
    pub run: RunId,
    /// How it ended.
    pub end: End,
    /// How long it had run.
    pub lasted: Duration,
}

/// How long after SIGKILL the kernel is suspected of holding a process.
pub(super) const KILL_PATIENCE: Duration = Duration::from_secs(5);

impl Service {
    pub(super) fn new(spec: Arc<spec::service::Service>, dice: Dice) -> Self {
        Self {
            spec,
            goal: Goal::Down,
            phase: Phase::Resting(Rest::Stopped),
            hold: Hold::Free,
            measure: NextLook::Never,
            watched: Watched::default(),
            plan: Plan::default(),
            retires_at: None,
            renewal: None,
            renewed: None,
            starts: Vec::new(),
            dice,
            second: None,
            roll: Roll::Nothing,
            standing: Standing::Declared,
            failures: 0,
            restarts: 0,
            last: None,
            trouble: None,
            fallen_with: None,
            startup: None,
            remedied: Vec::new(),
        }
    }

    /// Its spec.
    pub fn spec(&self) -> &Arc<spec::service::Service> {
        &self.spec
    }

    /// What is wanted of it.
    pub fn goal(&self) -> Goal {
        self.goal
    }

    /// Where it stands.
    pub fn phase(&self) -> &Phase {
        &self.phase
    }

    /// How often it was started again by itself.
    pub fn restarts(&self) -> u64 {
        self.restarts
    }

    /// How many runs in a row have failed.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// Whether its last run ended with success.
    pub fn has_succeeded(&self) -> bool {
        self.last.as_ref().is_some_and(|last| self.is_success(last.end.outcome))
    }

    /// The run that ended last.
    pub fn last(&self) -> Option<&LastRun> {
        self.last.as_deref()
    }

    /// What keeps it from being well, beyond what its phase says.
    pub fn trouble(&self) -> Option<&Trouble> {
        self.trouble.as_ref()
    }

    /// Its state in the words of the contract.
    pub fn state(&self) -> State {
        match &self.phase {
            Phase::Resting(_) if self.is_after_stop() => State::Stopping,
            Phase::Resting(Rest::Stopped) if self.second.is_some() => State::Stopping,
            Phase::Resting(Rest::Stopped | Rest::Planned) => State::Stopped,
            Phase::Resting(Rest::Completed | Rest::Failed) => State::Exited,
            Phase::Resting(Rest::Fatal) => State::Fatal,
            Phase::Waiting | Phase::Spawning { .. } | Phase::Starting(..) => State::Starting,
            Phase::Running(..) => State::Running,
            Phase::Stopping { .. } | Phase::Killing { .. } => State::Stopping,
            Phase::Backoff { .. } | Phase::Blocked { .. } => State::Backoff,
        }
    }

    /// Whether its process has to end: it is not wanted, or a new one is.
    pub(super) fn is_leaving(&self) -> bool {
        match self.goal {
            Goal::Up => false,
            Goal::Down | Goal::Again => true,
        }
    }

    /// It is wanted up, and its past failures are forgiven. What the config has no more cannot be.
    pub(super) fn want_up(&mut self) {
        if self.standing == Standing::Removed {
            return;
        }
        match &self.phase {
            Phase::Starting(..) | Phase::Running(..) | Phase::Spawning { .. } => {
                if self.goal == Goal::Down {
                    self.goal = Goal::Again;
                }
            }
            Phase::Stopping { .. } | Phase::Killing { .. } => self.goal = Goal::Again,
            Phase::Resting(_) if self.spec.is_job() => self.await_schedule(),
            Phase::Resting(_) | Phase::Backoff { .. } | Phase::Blocked { .. } => {
                self.failures = 0;
                self.goal = Goal::Up;
                self.phase = Phase::Waiting;
            }
            Phase::Waiting => self.goal = Goal::Up,
        }
    }

    /// It is wanted down; a process it has is ended when its turn comes.
    pub(super) fn want_down(&mut self) {
        self.goal = Goal::Down;
        self.watched = Watched::default();
        self.fallen_with = None;
        self.plan.queue = Queue::Empty;
        self.forget_exchange();
        match &self.phase {
            Phase::Resting(_) | Phase::Waiting | Phase::Backoff { .. } | Phase::Blocked { .. } => {
                self.phase = Phase::Resting(Rest::Stopped);
                self.trouble = None;
            }
            Phase::Spawning { .. } | Phase::Starting(..) | Phase::Running(..) => (),
            Phase::Stopping { .. } | Phase::Killing { .. } => (),
        }
    }

    /// A new run is wanted, whatever there is.
    pub(super) fn want_again(&mut self) {
        match (self.standing, self.phase.run().is_some()) {
            (Standing::Removed, _) => (),
            (Standing::Declared, true) => self.goal = Goal::Again,
            (Standing::Declared, false) => self.want_up(),
        }
        self.forget_exchange();
    }

    /// Begins a run.
    pub(super) fn spawn(&mut self, run: RunId, out: &mut Vec<Action>) {
        assert!(self.phase == Phase::Waiting, "only a waiting service starts; this one is {:?}", self.phase);
        self.phase = Phase::Spawning { run };
        self.fallen_with = None;
        out.push(Action::Spawn { run, service: Arc::clone(&self.spec) });
    }

    pub(super) fn on_spawned(&mut self, run: RunId, identity: Identity, now: Moment) {
        if self.phase != (Phase::Spawning { run }) {
            return;
        }
        self.trouble = None;
        self.hold = Hold::Free;
        self.begin_upkeep(now, now);
        self.phase = Phase::Starting(Live::new(run, identity, now), self.fresh_proof(now));
    }

    pub(super) fn on_not_spawned(&mut self, obstacle: Obstacle, now: Moment, out: &mut Vec<Action>) {
        let Phase::Spawning { run } = self.phase else { return };
        self.hold = Hold::Free;
        if self.goal == Goal::Down {
            self.phase = Phase::Resting(Rest::Stopped);
            return;
        }
        self.goal = Goal::Up;
        match obstacle {
            Obstacle::PortTaken(taken) => self.meet(taken, now, out),
            Obstacle::Refused { why } => {
                out.extend(self.hook_of_failure(run, why.clone()));
                self.fail_quickly(now);
                self.trouble = Some(Trouble::NotSpawned(Obstacle::Refused { why }));
            }
        }
    }

    pub(super) fn on_exited(&mut self, mut end: End, now: Moment, out: &mut Vec<Action>) {
        let Some(live) = self.phase.live().copied() else { return };
        let was_asked = matches!(self.phase, Phase::Stopping { .. } | Phase::Killing { .. });
        let was_starting = matches!(self.phase, Phase::Starting(..));
        let lasted = now.since(live.since);
        let outcome = end.outcome;
        let is_clear = end.left.is_empty();
        // A program that found its port taken says so by its end; one that ended well had no need of it.
        let blame = end.blame.clone();
        let may_be_taken = (was_starting || blame == Blame::Address) && !self.is_success(outcome);
        let taken = end.taken.take().filter(|_| may_be_taken);
        self.last = Some(LastRun { run: live.run, end, lasted }.into());
        self.forget_exchange();
        let condemned = self.trouble.take().filter(|_| self.goal == Goal::Up);
        let is_renewed = remedy(condemned.as_ref()) == Some(Remedy::Renew);
        let has_failed = match remedy(condemned.as_ref()) {
            Some(Remedy::Restart | Remedy::Stop | Remedy::Fail) => true,
            Some(Remedy::Renew) => false,
            None => !(was_asked || self.is_success(outcome)),
        };
        if has_failed && self.goal == Goal::Up && taken.is_none() {
            out.extend(self.hook_of_failure(live.run, explain::failure(self, condemned.as_ref())));
        }
        self.hold_after(live.run, out);
        match (self.goal, is_clear) {
            (Goal::Up, _) if self.has_understudy() => self.promote(now),
            (Goal::Up, _) if remedy(condemned.as_ref()) == Some(Remedy::Stop) => {
                self.trouble = condemned;
                self.phase = Phase::Resting(Rest::Fatal);
            }
            (Goal::Up, _) if !was_asked && taken.is_some() => {
                taken.into_iter().for_each(|taken| self.meet(taken, now, out));
            }
            (Goal::Down, _) => self.phase = Phase::Resting(Rest::Stopped),
            (Goal::Again, true) => {
                self.goal = Goal::Up;
                self.failures = 0;
                self.phase = Phase::Waiting;
            }
            (Goal::Up, true) if remedy(condemned.as_ref()) == Some(Remedy::Fail) => {
                self.forgive_after(lasted);
                self.fail_quickly(now);
                self.trouble = condemned;
            }
            (Goal::Up, true) if was_asked => {
                self.restarts += u64::from(has_failed || is_renewed);
                self.phase = Phase::Waiting;
            }
            (Goal::Up, _) if !was_asked => {
                self.follow_policy(outcome, &Ran { lasted, was_starting, is_clear, blame }, now);
            }
            (Goal::Again | Goal::Up, _) => {
                self.goal = Goal::Up;
                self.fail_quickly(now);
            }
        }
    }

    fn follow_policy(&mut self, outcome: Outcome, ran: &Ran, now: Moment) {
        let is_success = self.is_success(outcome);
        let runs_again = match self.spec.restart {
            RestartPolicy::Always => true,
            RestartPolicy::OnFailure => !is_success,
            RestartPolicy::Never => false,
        };
        let is_early = ran.was_starting || ran.lasted < self.spec.min_uptime;
        let is_failed = match self.spec.backoff.early_exit {
            EarlyExit::Judged => false,
            EarlyExit::Failed => is_early,
        };
        if !runs_again && !is_failed {
            self.phase = Phase::Resting(if is_success { Rest::Completed } else { Rest::Failed });
        } else if let (Some(what), true) = (self.repair_of(ran), ran.is_clear) {
            self.await_change(what, now);
        } else if !ran.is_clear || is_early || self.spec.is_job() {
            // What is to end by itself and fails is not tried again at once, however long it took.
            self.fail_quickly(now);
        } else {
            self.forgive_after(ran.lasted);
            self.restarts += 1;
            self.phase = Phase::Waiting;
        }
    }

    /// Whether its policy takes the end of a run for a success.
    pub fn is_success(&self, outcome: Outcome) -> bool {
        match outcome {
            Outcome::Code(code) => self.spec.success_exit_codes.contains(&code),
            Outcome::Signal(_) | Outcome::Unknown => false,
        }
    }

    /// A run that was long enough makes up for the failures before it.
    fn forgive_after(&mut self, lasted: Duration) {
        if lasted >= self.spec.backoff.reset_after {
            self.failures = 0;
        }
    }

    fn fail_quickly(&mut self, now: Moment) {
        self.failures = self.failures.saturating_add(1);
        if self.failures > self.spec.backoff.max_retries {
            self.phase = Phase::Resting(Rest::Fatal);
            return;
        }
        self.restarts += 1;
        let delay = backoff::delay(&self.spec.backoff, self.failures, self.dice.throw());
        self.phase = if delay.is_zero() {
            Phase::Waiting
        } else {
            Phase::Backoff { until: now.after(delay), awaits: Awaits::Nothing }
        };
    }
}
