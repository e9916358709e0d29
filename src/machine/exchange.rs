use std::sync::Arc;
use std::time::Duration;

use super::action::Action;
use super::drain::Draining;
use super::event::{End, Finding, Obstacle};
use super::explain;
use super::phase::{Live, NextLook, Patience, Phase, Proof};
use super::proof::until;
use super::renewal::Renewed;
use super::service::{KILL_PATIENCE, LastRun, Service, Standing};
use super::trouble::Trouble;
use crate::spec::health::Aspect;
use crate::spec::hooks::Occasion;
use crate::vocab::identity::Identity;
use crate::vocab::measure::Brief;
use crate::vocab::moment::Moment;
use crate::vocab::run::RunId;
use crate::vocab::state::{Goal, Health};

/// The run of a service beside the one that counts. There is one during a rolling exchange only: first the understudy,
/// then, when that has proven itself and counts, the run before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Second {
    /// The understudy's process is being made.
    Spawning {
        /// The run it will be.
        run: RunId,
        /// What becomes of it then.
        casting: Casting,
    },
    /// The understudy's process lives and has not proven itself.
    Starting(Trial),
    /// It was replaced, and goes on with the connections that it has accepted.
    Draining(Draining),
    /// It was asked to end: a run that was replaced, or an understudy that is not wanted.
    Stopping {
        /// The process.
        live: Live,
        /// When it is killed.
        kill_at: Moment,
    },
    /// Its tree was sent SIGKILL.
    Killing {
        /// The process.
        live: Live,
        /// Whether the kernel is taking suspiciously long.
        patience: Patience,
    },
}

/// What becomes of an understudy once its process lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Casting {
    /// It is tried, for so long.
    Tried {
        /// How long it may take to be ready.
        ready_within: Duration,
    },
    /// It is ended: nobody wants it any more.
    Dropped,
}

/// An understudy that has to prove itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trial {
    /// Its process.
    pub live: Live,
    /// What is known of its fitness.
    pub proof: Proof,
    /// When it is ended if it has not proven itself.
    pub give_up_at: Moment,
    /// What its last look found.
    pub unfit: Option<String>,
}

/// Whether an exchange is to come, or has failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Roll {
    /// Neither.
    Nothing,
    /// It begins when its turn comes.
    Due {
        /// How long the understudy may take to be ready.
        ready_within: Duration,
    },
    /// The last one failed, and the run that counted before counts still.
    Failed {
        /// Why.
        why: String,
    },
}

impl Second {
    /// Its run.
    pub fn run(&self) -> RunId {
        match self {
            Self::Spawning { run, .. } => *run,
            Self::Starting(Trial { live, .. }) | Self::Draining(Draining { live, .. }) => live.run,
            Self::Stopping { live, .. } | Self::Killing { live, .. } => live.run,
        }
    }

    /// Its live process, if there is one.
    pub fn live(&self) -> Option<&Live> {
        match self {
            Self::Spawning { .. } => None,
            Self::Starting(Trial { live, .. }) | Self::Draining(Draining { live, .. }) => Some(live),
            Self::Stopping { live, .. } | Self::Killing { live, .. } => Some(live),
        }
    }

    /// Whether it is to replace the run that counts, if it proves itself.
    pub fn is_understudy(&self) -> bool {
        match self {
            Self::Spawning { casting: Casting::Tried { .. }, .. } | Self::Starting(_) => true,
            Self::Spawning { casting: Casting::Dropped, .. } => false,
            Self::Draining(_) | Self::Stopping { .. } | Self::Killing { .. } => false,
        }
    }

    /// Whether the kernel holds its process beyond SIGKILL.
    pub(super) fn hangs_in_kernel(&self) -> bool {
        matches!(self, Self::Killing { patience: Patience::RunOut, .. })
    }

    /// Its next timer, and what for.
    pub(super) fn timer(&self) -> Option<(Moment, &'static str)> {
        match self {
            Self::Starting(Trial { proof: Proof { next: NextLook::At(at), .. }, give_up_at, .. })
                if at < give_up_at =>
            {
                Some((*at, "a look at an understudy is due"))
            }
            Self::Starting(trial) => Some((trial.give_up_at, "an understudy's time runs out")),
            Self::Draining(draining) => Some(draining.timer()),
            Self::Stopping { kill_at, .. } => Some((*kill_at, "stop_timeout of a second run runs out")),
            Self::Killing { patience: Patience::Until(at), .. } => Some((*at, "SIGKILL takes too long")),
            Self::Spawning { .. } | Self::Killing { patience: Patience::RunOut, .. } => None,
        }
    }
}

impl Service {
    /// The run beside the one that counts, during a rolling exchange.
    pub fn second(&self) -> Option<&Second> {
        self.second.as_ref()
    }

    /// Whether an exchange is to come, or has failed.
    pub fn roll(&self) -> &Roll {
        &self.roll
    }

    /// Whether it has a run that can be exchanged: one that is wanted, and lives.
    pub fn is_exchangeable(&self) -> bool {
        self.may_be_exchanged() && !self.has_hooks_of_stop()
    }

    /// Whether it has a run that is wanted and lives.
    pub(super) fn may_be_exchanged(&self) -> bool {
        self.phase.is_up() && self.goal == Goal::Up && self.standing == Standing::Declared
    }

    /// Whether it waits for its turn to be exchanged.
    pub(super) fn awaits_exchange(&self) -> bool {
        matches!(self.roll, Roll::Due { .. })
    }

    pub(super) fn has_understudy(&self) -> bool {
        self.second.as_ref().is_some_and(Second::is_understudy)
    }

    /// A new run is wanted beside the one that lives, to replace it once it is ready. One that is tried already is it.
    pub(super) fn want_exchange(&mut self, ready_within: Duration) {
        if !self.has_understudy() {
            self.roll = Roll::Due { ready_within };
            self.renewal = None;
        }
    }

    /// Nobody waits for an exchange any more, and none is told of as failed.
    pub(super) fn forget_exchange(&mut self) {
        self.roll = Roll::Nothing;
        self.renewal = None;
    }

    pub(super) fn fail_exchange(&mut self, why: String) {
        self.roll = Roll::Failed { why };
    }

    /// Begins the understudy's run.
    pub(super) fn begin_exchange(&mut self, run: RunId, out: &mut Vec<Action>) {
        let Roll::Due { ready_within } = self.roll else { return };
        assert!(self.second.is_none(), "a service has two runs at most, and this one has {:?}", self.second);
        self.roll = Roll::Nothing;
        self.second = Some(Second::Spawning { run, casting: Casting::Tried { ready_within } });
        out.push(Action::Spawn { run, service: Arc::clone(&self.spec) });
    }

    /// The understudy is not wanted any more.
    pub(super) fn drop_understudy(&mut self, now: Moment, out: &mut Vec<Action>) {
        match self.second {
            Some(Second::Spawning { run, casting }) => {
                if casting != Casting::Dropped {
                    out.push(Action::CallOff { run });
                }
                self.second = Some(Second::Spawning { run, casting: Casting::Dropped });
            }
            Some(Second::Starting(Trial { live, .. })) => self.retire(live, now, out),
            Some(Second::Draining(_) | Second::Stopping { .. } | Second::Killing { .. }) | None => (),
        }
    }

    /// Ends the second run without asking.
    pub(super) fn kill_second(&mut self, now: Moment, out: &mut Vec<Action>) {
        match self.second {
            Some(
                Second::Starting(Trial { live, .. })
                | Second::Draining(Draining { live, .. })
                | Second::Stopping { live, .. },
            ) => {
                out.push(Action::Kill { run: live.run });
                let patience = Patience::Until(now.after(KILL_PATIENCE));
                self.second = Some(Second::Killing { live, patience });
            }
            Some(Second::Spawning { .. }) => self.drop_understudy(now, out),
            Some(Second::Killing { .. }) | None => (),
        }
    }

    /// Asks a run to end that does not count.
    pub(super) fn retire(&mut self, live: Live, now: Moment, out: &mut Vec<Action>) {
        out.push(Action::Stop { run: live.run, stop: self.spec.stop });
        self.second = Some(Second::Stopping { live, kill_at: now.after(self.spec.stop.timeout) });
    }

    fn give_up(&mut self, why: String, now: Moment, out: &mut Vec<Action>) {
        self.fail_exchange(why);
        self.drop_understudy(now, out);
    }

    /// The understudy has proven itself: it counts from here on, and the run before it is asked to end, once it has had its
    /// time for what it has accepted.
    fn replace_first(&mut self, ready: Phase, now: Moment, out: &mut Vec<Action>) {
        let before = self.phase.live().copied();
        self.phase = ready;
        self.second = None;
        self.trouble = None;
        self.failures = 0;
        let cause = self.renewal.take();
        self.renewed = before.zip(cause).map(|(before, cause)| Renewed { run: before.run, cause });
        let since = self.phase.live().map_or(now, |live| live.since);
        self.begin_upkeep(since, now);
        out.extend(self.phase.run().and_then(|run| self.hook(run, Occasion::PostStart)));
        if let Some(before) = before {
            self.replace(before, now, out);
        }
    }

    /// The run that counted has ended while its understudy is tried: that counts from here on, ready or not.
    pub(super) fn promote(&mut self, now: Moment) {
        match self.second.take() {
            Some(Second::Spawning { run, casting: Casting::Tried { .. } }) => {
                self.phase = Phase::Spawning { run };
            }
            Some(Second::Starting(trial)) => {
                self.trouble = trial.unfit.map(Trouble::Unfit);
                self.phase = Phase::Starting(trial.live, trial.proof);
                self.begin_upkeep(trial.live.since, now);
            }
            other => self.second = other,
        }
    }

    pub(super) fn on_second_spawned(&mut self, identity: Identity, now: Moment, out: &mut Vec<Action>) {
        let Some(Second::Spawning { run, casting }) = self.second else { return };
        let live = Live::new(run, identity, now);
        match casting {
            Casting::Tried { ready_within } => {
                let give_up_at = now.after(ready_within);
                let proof = self.fresh_proof(now);
                self.second = Some(Second::Starting(Trial { live, proof, give_up_at, unfit: None }));
            }
            Casting::Dropped => self.retire(live, now, out),
        }
    }

    pub(super) fn on_second_not_spawned(&mut self, obstacle: &Obstacle) {
        let Some(Second::Spawning { casting, .. }) = self.second else { return };
        self.second = None;
        if casting != Casting::Dropped {
            self.fail_exchange(explain::obstacle_words(obstacle));
        }
    }

    /// The start of an understudy was given up.
    pub(super) fn on_second_called_off(&mut self) {
        self.second.take_if(|second| matches!(second, Second::Spawning { .. }));
    }

    pub(super) fn on_second_exited(&mut self, end: End, now: Moment) {
        let Some(second) = self.second.take_if(|second| second.live().is_some()) else { return };
        let Some(live) = second.live() else { return };
        let last = LastRun { run: live.run, end, lasted: now.since(live.since) };
        if second.is_understudy() {
            self.fail_exchange(format!("the new run ended: {}", explain::run_words(&last)));
        }
        self.note_end_beside(last);
    }

    /// The end of the run that counts is the one to tell of, unless that lives. What is left alive is told in any case.
    fn note_end_beside(&mut self, ended: LastRun) {
        let has_ended = self.phase.run().is_none();
        match self.last.as_mut().filter(|_| has_ended) {
            Some(last) => last.end.left.extend(ended.end.left),
            None => self.last = Some(ended.into()),
        }
    }

    pub(super) fn on_second_probed(&mut self, finding: Finding, now: Moment, out: &mut Vec<Action>) {
        let Some(Second::Starting(trial)) = &self.second else { return };
        if trial.proof.next != NextLook::UnderWay {
            return;
        }
        let Trial { live, proof, .. } = trial.clone();
        match finding.good_for() {
            Ok(time) => {
                let ready = Phase::Running(live, self.proof_of_ready(live, time, now));
                self.replace_first(ready, now, out);
            }
            Err(what) => {
                let proof = self.proof_of_failed_start(proof, now);
                let why = format!("the new run did not become ready: {what}");
                let trial = Trial { proof, unfit: Some(what), ..trial.clone() };
                self.second = Some(Second::Starting(trial));
                if proof.health == Health::Unhealthy {
                    self.give_up(why, now, out);
                }
            }
        }
    }

    /// The second run told of itself: what it waits for can be looked at, and it may have asked for more time.
    pub(super) fn on_second_notified(&mut self, extension: Option<Duration>, now: Moment) {
        let (until, word) = (until(extension, now), self.word(Aspect::Ready));
        match &mut self.second {
            Some(Second::Starting(trial)) => {
                trial.proof.notified(until, word, now);
                trial.give_up_at = until.map_or(trial.give_up_at, |until| until.max(trial.give_up_at));
            }
            Some(Second::Stopping { kill_at, .. }) => {
                *kill_at = until.map_or(*kill_at, |until| until.max(*kill_at));
            }
            Some(Second::Spawning { .. } | Second::Draining(_) | Second::Killing { .. }) | None => (),
        }
    }

    /// The due timer of the second run fires, if there is one.
    pub(super) fn on_second_time(&mut self, now: Moment, out: &mut Vec<Action>) {
        let timer = self.second.as_ref().and_then(Second::timer);
        if timer.is_none_or(|(at, _)| at > now) {
            return;
        }
        match &mut self.second {
            Some(Second::Starting(trial)) if trial.give_up_at <= now => {
                let since = Brief(trial.give_up_at.since(trial.live.since));
                let what = trial.unfit.as_ref().map_or_else(String::new, |what| format!(": {what}"));
                let why = format!("the new run did not become ready within {since}{what}");
                self.give_up(why, now, out);
            }
            Some(Second::Starting(trial)) if self.spec.can_be_probed() => {
                out.push(trial.proof.look(trial.live.run, &self.spec, Aspect::Ready));
            }
            Some(Second::Starting(trial)) => {
                let live = trial.live;
                let ready = Phase::Running(live, self.standing_proof(live, now));
                self.replace_first(ready, now, out);
            }
            Some(Second::Draining(_)) => self.go_on_draining(now, out),
            Some(Second::Stopping { .. }) => self.kill_second(now, out),
            Some(Second::Killing { patience, .. }) => *patience = Patience::RunOut,
            Some(Second::Spawning { .. }) | None => (),
        }
    }

    /// What was found out about an understudy counts only as long as the same is asked.
    pub(super) fn look_anew_at_second(&mut self) {
        let Some(Second::Starting(trial)) = &self.second else { return };
        let proof = self.fresh_proof(trial.live.since);
        let trial = Trial { proof, unfit: None, ..trial.clone() };
        self.second = Some(Second::Starting(trial));
    }
}
