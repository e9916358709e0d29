use std::sync::Arc;
use std::time::Duration;

use super::action::Action;
use super::event::Finding;
use super::phase::{Live, NextLook, Phase, Proof};
use super::service::Service;
use super::trouble::{Remedy, Trouble};
use crate::spec;
use crate::spec::health::{Aspect, Budget, Check, OnUnhealthy};
use crate::spec::hooks::Occasion;
use crate::vocab::measure::Brief;
use crate::vocab::moment::Moment;
use crate::vocab::run::RunId;
use crate::vocab::state::Health;

/// The pace of looks while a run starts: the first after this, each next one a quarter later, up to the longest.
const LOOK_FIRST: Duration = Duration::from_millis(1);
const LOOK_LONGEST: Duration = Duration::from_millis(50);

/// No budget looks back on more restarts than these.
const REMEDIES_KEPT: usize = Budget::RESTARTS_MAX as usize;

/// What the run itself keeps good is looked at so long after it will have stopped to be.
const AFTER_ITS_TIME: Duration = Duration::from_millis(1);

/// The longest time by which a run can put off its failure to start, or its kill, at once.
const EXTENSION_MAX: Duration = Duration::from_secs(3600);

/// What the word of a run itself is worth.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    Counts,
    IsNotAsked,
}

impl Proof {
    /// A look begins.
    pub(super) fn look(
        &mut self,
        run: RunId,
        service: &Arc<spec::service::Service>,
        aspect: Aspect,
    ) -> Action {
        self.next = NextLook::UnderWay;
        Action::Probe { run, service: Arc::clone(service), aspect }
    }

    /// The run asks to be waited for until then, and may have said what is waited for.
    pub(super) fn notified(&mut self, until: Option<Moment>, word: Word, now: Moment) {
        self.lenient_until = until.map_or(self.lenient_until, |until| until.max(self.lenient_until));
        if word == Word::Counts && matches!(self.next, NextLook::At(at) if at > now) {
            self.next = NextLook::At(now);
        }
    }

    /// Whether what is amiss counts: it has had its time to start, or was fit before.
    fn counts(&self, now: Moment) -> bool {
        let was_fit = matches!(self.health, Health::Healthy | Health::Unhealthy);
        was_fit || now >= self.lenient_until
    }

    /// One more look found something amiss, and counts if it does.
    pub(super) fn failed(mut self, now: Moment, retries: u32) -> Self {
        self.successes = 0;
        if self.counts(now) {
            self.failures = self.failures.saturating_add(1);
            if self.failures >= retries {
                self.health = Health::Unhealthy;
            }
        }
        self
    }
}

impl Service {
    /// What its check says.
    pub fn health(&self) -> Health {
        match &self.phase {
            Phase::Starting(_, proof) | Phase::Running(_, proof) => proof.health,
            Phase::Resting(_) | Phase::Waiting | Phase::Spawning { .. } => Health::None,
            Phase::Stopping { .. } | Phase::Killing { .. } => Health::None,
            Phase::Backoff { .. } | Phase::Blocked { .. } => Health::None,
        }
    }

    /// A look came to this. It counts only while one is under way: a look that began under another spec asked
    /// something else.
    pub(super) fn on_probed(&mut self, finding: Finding, now: Moment, out: &mut Vec<Action>) {
        let (Phase::Starting(_, proof) | Phase::Running(_, proof)) = &self.phase else { return };
        if proof.next != NextLook::UnderWay {
            return;
        }
        match finding.good_for() {
            Ok(time) => self.on_good(time, now, out),
            Err(what) => self.on_bad(what, now, out),
        }
    }

    /// The proof of a run that starts, after a look that found something amiss.
    pub(super) fn proof_of_failed_start(&self, proof: Proof, now: Moment) -> Proof {
        let mut proof = proof.failed(now, self.retries(Aspect::Ready));
        proof.looks = proof.looks.saturating_add(1);
        proof.next = NextLook::At(now.after(self.pace_of_start(proof, now)));
        proof
    }

    fn on_good(&mut self, time: Duration, now: Moment, out: &mut Vec<Action>) {
        match self.phase.clone() {
            Phase::Starting(live, _) => {
                self.trouble = None;
                self.phase = Phase::Running(live, self.proof_of_ready(live, time, now));
                out.extend(self.hook(live.run, Occasion::PostStart));
            }
            Phase::Running(live, mut proof) => {
                proof.successes = proof.successes.saturating_add(1);
                if proof.health != Health::Unhealthy || proof.successes >= self.successes() {
                    self.trouble = None;
                    proof.health = Health::Healthy;
                    proof.failures = 0;
                }
                proof.next = self.next_look(time, now);
                self.phase = Phase::Running(live, proof);
            }
            Phase::Resting(_) | Phase::Waiting | Phase::Spawning { .. } => (),
            Phase::Stopping { .. } | Phase::Killing { .. } => (),
            Phase::Backoff { .. } | Phase::Blocked { .. } => (),
        }
    }

    fn on_bad(&mut self, what: String, now: Moment, out: &mut Vec<Action>) {
        let (proof, aspect) = match self.phase.clone() {
            Phase::Starting(live, proof) => {
                let proof = self.proof_of_failed_start(proof, now);
                self.phase = Phase::Starting(live, proof);
                (proof, Aspect::Ready)
            }
            Phase::Running(live, proof) => {
                let mut proof = proof.failed(now, self.retries(Aspect::Alive));
                proof.next = NextLook::At(now.after(self.interval(Aspect::Alive)));
                self.phase = Phase::Running(live, proof);
                (proof, Aspect::Alive)
            }
            Phase::Resting(_) | Phase::Waiting | Phase::Spawning { .. } => return,
            Phase::Stopping { .. } | Phase::Killing { .. } => return,
            Phase::Backoff { .. } | Phase::Blocked { .. } => return,
        };
        let cause = match proof.failures {
            0 | 1 => format!("its check failed: {what}"),
            failures => format!("its check failed {failures} times: {what}"),
        };
        self.trouble = Some(Trouble::Unfit(what));
        // One whose understudy is tried is about to be replaced as it is.
        if proof.health != Health::Unhealthy || self.is_leaving() || self.has_understudy() {
            return;
        }
        if let Some(remedy) = self.remedy(aspect, now) {
            self.stop(now, out);
            self.trouble = Some(Trouble::condemned(cause, remedy));
        }
    }

    /// What is to be done at once about a run that is unhealthy. A budget that is spent is said.
    fn remedy(&mut self, aspect: Aspect, now: Moment) -> Option<Remedy> {
        match self.spec.health(aspect)?.on_unhealthy {
            OnUnhealthy::Report => None,
            OnUnhealthy::Stop => Some(Remedy::Stop),
            OnUnhealthy::Restart(budget) if self.has_room_in(budget, now) => {
                self.remedied.push(now);
                let forgotten = self.remedied.len().saturating_sub(REMEDIES_KEPT);
                self.remedied.drain(..forgotten);
                Some(Remedy::Restart)
            }
            OnUnhealthy::Restart(Budget { restarts_max, within }) => {
                let spent = format!("it was restarted {restarts_max} times within {}", Brief(within));
                if let Some(Trouble::Unfit(what)) = &mut self.trouble {
                    what.push_str(&format!(" ({spent}, and is left as it is)"));
                }
                None
            }
        }
    }

    fn has_room_in(&self, budget: Budget, now: Moment) -> bool {
        let restarts = self.remedied.iter().filter(|at| now.since(**at) < budget.within).count();
        u32::try_from(restarts).is_ok_and(|restarts| restarts < budget.restarts_max)
    }

    /// It told of itself: what it waits for can be looked at, and it may have asked for more time.
    pub(super) fn on_notified(&mut self, extension: Option<Duration>, now: Moment) {
        let until = until(extension, now);
        let (ready, alive) = (self.word(Aspect::Ready), self.word(Aspect::Alive));
        match &mut self.phase {
            Phase::Starting(_, proof) => proof.notified(until, ready, now),
            Phase::Running(_, proof) => proof.notified(until, alive, now),
            Phase::Stopping { kill_at, .. } => *kill_at = until.map_or(*kill_at, |it| it.max(*kill_at)),
            Phase::Resting(_) | Phase::Waiting | Phase::Spawning { .. } => (),
            Phase::Killing { .. } | Phase::Backoff { .. } | Phase::Blocked { .. } => (),
        }
    }

    /// What the word of a run is worth for one aspect.
    pub(super) fn word(&self, aspect: Aspect) -> Word {
        match self.spec.health(aspect).map(|health| &health.check) {
            Some(Check::Notify { .. }) => Word::Counts,
            Some(Check::Tcp { .. } | Check::Http(_) | Check::Exec(_)) => Word::IsNotAsked,
            Some(Check::Heartbeat { .. } | Check::Log(_)) | None => Word::IsNotAsked,
        }
    }

    /// What was found out counts only as long as the same is asked; else the looks begin anew.
    pub(super) fn look_anew(&mut self, before: &spec::service::Service, now: Moment) {
        let has_same_ports = before.ports == self.spec.ports;
        let waits_as_long = self.spec.can_be_probed() || before.min_uptime == self.spec.min_uptime;
        let starts_alike = has_same_ports && before.ready == self.spec.ready && waits_as_long;
        if !starts_alike {
            self.look_anew_at_second();
        }
        match self.phase {
            Phase::Starting(..) if starts_alike => (),
            Phase::Running(..) if has_same_ports && before.live == self.spec.live => (),
            Phase::Starting(live, _) => {
                self.trouble = None;
                self.phase = Phase::Starting(live, self.fresh_proof(live.since));
            }
            Phase::Running(live, _) => {
                self.trouble = None;
                self.phase = Phase::Running(live, self.standing_proof(live, now));
            }
            Phase::Resting(_) | Phase::Waiting | Phase::Spawning { .. } => (),
            Phase::Stopping { .. } | Phase::Killing { .. } => (),
            Phase::Backoff { .. } | Phase::Blocked { .. } => (),
        }
    }

    /// The proof of a run that has shown nothing yet.
    pub(super) fn fresh_proof(&self, since: Moment) -> Proof {
        let first = if self.spec.can_be_probed() { LOOK_FIRST } else { self.spec.min_uptime };
        let is_checked = self.spec.ready.is_some() || self.spec.live.is_some();
        Proof {
            next: NextLook::At(since.after(first)),
            lenient_until: since.after(self.start_period(Aspect::Ready)),
            failures: 0,
            successes: 0,
            health: if is_checked { Health::Starting } else { Health::None },
            looks: 0,
        }
    }

    /// The proof of a run that is taken as fit until its next look says otherwise.
    pub(super) fn standing_proof(&self, live: Live, now: Moment) -> Proof {
        let (next, health) = match (&self.spec.ready, &self.spec.live) {
            (_, Some(_)) => (NextLook::At(now), Health::Starting),
            (Some(_), None) => (NextLook::Never, Health::Healthy),
            (None, None) => (NextLook::Never, Health::None),
        };
        let lenient_until = live.since.after(self.start_period(Aspect::Alive));
        Proof { next, lenient_until, failures: 0, successes: 0, health, looks: 0 }
    }

    /// The proof of a run that has just been found ready. If its life is judged by the same check, that is judged too.
    pub(super) fn proof_of_ready(&self, live: Live, time: Duration, now: Moment) -> Proof {
        let standing = self.standing_proof(live, now);
        if self.spec.live.is_none() || self.spec.live != self.spec.ready {
            return standing;
        }
        Proof { next: self.next_look(time, now), successes: 1, health: Health::Healthy, ..standing }
    }

    /// When a run that is well is looked at again: after the interval, or when what keeps it well is used up.
    fn next_look(&self, time: Duration, now: Moment) -> NextLook {
        NextLook::At(now.after(self.interval(Aspect::Alive).min(time.saturating_add(AFTER_ITS_TIME))))
    }

    pub(super) fn pace_of_start(&self, proof: Proof, now: Moment) -> Duration {
        if proof.counts(now) {
            return self.interval(Aspect::Ready).min(Duration::from_secs(1));
        }
        let pace = LOOK_FIRST.mul_f64(1.25_f64.powi(i32::try_from(proof.looks.min(64)).unwrap_or(64)));
        pace.min(LOOK_LONGEST)
    }

    pub(super) fn retries(&self, aspect: Aspect) -> u32 {
        self.spec.health(aspect).map_or(spec::health::Health::RETRIES, |health| health.retries)
    }

    fn successes(&self) -> u32 {
        self.spec.health(Aspect::Alive).map_or(spec::health::Health::SUCCESSES, |health| health.successes)
    }

    fn interval(&self, aspect: Aspect) -> Duration {
        self.spec.health(aspect).map_or(spec::health::Health::INTERVAL, |health| health.interval)
    }

    fn start_period(&self, aspect: Aspect) -> Duration {
        self.spec.health(aspect).map_or(spec::health::Health::START_PERIOD, |health| health.start_period)
    }
}

/// Until when a run asks to be waited for.
pub(super) fn until(extension: Option<Duration>, now: Moment) -> Option<Moment> {
    extension.map(|extension| now.after(extension.min(EXTENSION_MAX)))
}
