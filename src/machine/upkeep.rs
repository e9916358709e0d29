use super::action::Action;
use super::phase::{NextLook, Phase};
use super::service::Service;
use super::trouble::{Remedy, Trouble};
use crate::spec::limits::Limits;
use crate::vocab::measure::Bytes;
use crate::vocab::moment::Moment;

impl Service {
    /// All its timers, and what for.
    pub(super) fn timers(&self) -> impl Iterator<Item = (Moment, &'static str)> {
        let pause = self.watched.resumes().map(|at| (at, "files are watched again"));
        self.timer().into_iter().chain(self.timer_of_upkeep()).chain(self.timer_of_age()).chain(pause)
    }

    /// What a run that is up is looked after by, beyond its checks.
    fn timer_of_upkeep(&self) -> Option<(Moment, &'static str)> {
        match (&self.phase, self.measure) {
            (Phase::Starting(..) | Phase::Running(..), NextLook::At(at)) => Some((at, "memory is measured")),
            (_, NextLook::At(_) | NextLook::UnderWay | NextLook::Never) => None,
        }
    }

    /// A run that began at `since` begins to be looked after, or goes on so under another spec.
    pub(super) fn begin_upkeep(&mut self, since: Moment, now: Moment) {
        self.begin_age(since);
        self.measure_later(now);
    }

    fn measure_later(&mut self, now: Moment) {
        self.measure = match self.spec.limits.memory_bytes {
            Some(_) => NextLook::At(now.after(Limits::MEMORY_INTERVAL)),
            None => NextLook::Never,
        };
    }

    /// The due timer of its upkeep fires, if there is one.
    pub(super) fn on_time_of_upkeep(&mut self, now: Moment, out: &mut Vec<Action>) {
        self.end_pause_of_watch(now);
        self.on_time_of_age(now, out);
        let is_due = self.timer_of_upkeep().is_some_and(|(at, _)| at <= now);
        if let (true, Some(run)) = (is_due, self.phase.run()) {
            self.measure = NextLook::UnderWay;
            out.push(Action::Measure { run });
        }
    }

    /// Its tree uses so much: more than it may ends the run.
    pub(super) fn on_measured(&mut self, memory_bytes: u64, now: Moment, out: &mut Vec<Action>) {
        if self.measure != NextLook::UnderWay {
            return;
        }
        self.measure_later(now);
        let is_up = self.phase.is_up();
        let Some(limit) = self.spec.limits.memory_bytes.filter(|limit| memory_bytes > *limit) else { return };
        // One whose understudy is tried is about to be replaced as it is.
        if is_up && !self.is_leaving() && !self.has_understudy() {
            let (used, limit) = (Bytes(memory_bytes), Bytes(limit));
            let cause = format!("used {used}, more than limits.memory = {limit}");
            self.stop(now, out);
            self.trouble = Some(Trouble::condemned(cause, Remedy::Fail));
        }
    }
}
