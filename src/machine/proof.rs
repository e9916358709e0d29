use std::time::Duration;

use super::event::Finding;
use super::phase::{NextLook, Phase, Proof};
use super::service::{Service, Trouble};
use crate::spec;
use crate::vocab::moment::Moment;
use crate::vocab::state::Health;

/// The pace of looks while a run starts: the first after this, each next one a quarter later, up to the longest.
const LOOK_FIRST: Duration = Duration::from_millis(1);
const LOOK_LONGEST: Duration = Duration::from_millis(50);

impl Service {
    /// A look came to this. It counts only while one is under way: a look that began under another spec asked
    /// something else.
    pub(super) fn on_probed(&mut self, finding: Finding, now: Moment) {
        let (Phase::Starting(_, proof) | Phase::Running(_, proof)) = &self.phase else { return };
        if proof.next != NextLook::UnderWay {
            return;
        }
        match (self.phase.clone(), finding) {
            (Phase::Starting(live, _) | Phase::Running(live, _), Finding::Good) => {
                self.trouble = None;
                self.phase = Phase::Running(live, self.good_proof(now));
            }
            (Phase::Starting(live, proof), Finding::Bad(what)) => {
                let proof = self.starting_proof(proof, now.since(live.since), now);
                self.trouble = Some(Trouble::Unfit(what));
                self.phase = Phase::Starting(live, proof);
            }
            (Phase::Running(live, proof), Finding::Bad(what)) => {
                let failures = proof.failures.saturating_add(1);
                let health = if failures >= self.retries() { Health::Unhealthy } else { proof.health };
                self.trouble = Some(Trouble::Unfit(what));
                let next = NextLook::At(now.after(self.interval()));
                self.phase = Phase::Running(live, Proof { next, failures, health, looks: proof.looks });
            }
            (Phase::Resting(_) | Phase::Waiting | Phase::Spawning { .. }, _) => (),
            (Phase::Stopping { .. } | Phase::Killing { .. } | Phase::Backoff { .. }, _) => (),
        }
    }

    /// What was found out counts only as long as the same is asked; else the looks begin anew.
    pub(super) fn look_anew(&mut self, before: &spec::service::Service, now: Moment) {
        let asks_the_same = before.health == self.spec.health && before.ports == self.spec.ports;
        let waits_as_long = self.spec.can_be_probed() || before.min_uptime == self.spec.min_uptime;
        match self.phase {
            Phase::Starting(..) if asks_the_same && waits_as_long => (),
            Phase::Running(..) if asks_the_same => (),
            Phase::Starting(live, _) => {
                self.trouble = None;
                self.phase = Phase::Starting(live, self.fresh_proof(live.since));
            }
            Phase::Running(live, _) => {
                self.trouble = None;
                self.phase = Phase::Running(live, self.standing_proof(now));
            }
            Phase::Resting(_) | Phase::Waiting | Phase::Spawning { .. } => (),
            Phase::Stopping { .. } | Phase::Killing { .. } | Phase::Backoff { .. } => (),
        }
    }

    /// The proof of a run that has shown nothing yet.
    pub(super) fn fresh_proof(&self, since: Moment) -> Proof {
        let first = if self.spec.can_be_probed() { LOOK_FIRST } else { self.spec.min_uptime };
        let health = if self.spec.health.is_some() { Health::Starting } else { Health::None };
        Proof { next: NextLook::At(since.after(first)), failures: 0, health, looks: 0 }
    }

    /// The proof of a run that is taken as fit until its next look says otherwise.
    pub(super) fn standing_proof(&self, now: Moment) -> Proof {
        let (next, health) = match self.spec.health {
            Some(_) => (NextLook::At(now), Health::Starting),
            None => (NextLook::Never, Health::None),
        };
        Proof { next, failures: 0, health, looks: 0 }
    }

    fn good_proof(&self, now: Moment) -> Proof {
        let (next, health) = match &self.spec.health {
            Some(health) => (NextLook::At(now.after(health.interval)), Health::Healthy),
            None => (NextLook::Never, Health::None),
        };
        Proof { next, failures: 0, health, looks: 0 }
    }

    fn starting_proof(&self, before: Proof, age: Duration, now: Moment) -> Proof {
        let start_period = self
            .spec
            .health
            .as_ref()
            .map_or(spec::health::Health::START_PERIOD, |health| health.start_period);
        let looks = before.looks.saturating_add(1);
        if age < start_period {
            let pace = LOOK_FIRST.mul_f64(1.25_f64.powi(i32::try_from(looks.min(64)).unwrap_or(64)));
            return Proof { next: NextLook::At(now.after(pace.min(LOOK_LONGEST))), looks, ..before };
        }
        let failures = before.failures.saturating_add(1);
        let health = if failures >= self.retries() { Health::Unhealthy } else { before.health };
        let pace = self.interval().min(Duration::from_secs(1));
        Proof { next: NextLook::At(now.after(pace)), failures, health, looks }
    }

    fn retries(&self) -> u32 {
        self.spec.health.as_ref().map_or(spec::health::Health::RETRIES, |health| health.retries)
    }

    fn interval(&self) -> Duration {
        self.spec.health.as_ref().map_or(spec::health::Health::INTERVAL, |health| health.interval)
    }
}
