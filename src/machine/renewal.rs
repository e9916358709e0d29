use std::time::Duration;

use super::action::Action;
use super::exchange::Roll;
use super::phase::Phase;
use super::service::Service;
use super::trouble::{Remedy, Trouble};
use crate::vocab::measure::Brief;
use crate::vocab::moment::Moment;
use crate::vocab::run::RunId;

/// How long a run that takes another's place may take to be ready beside it.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// A run whose place another has taken, for its age or its schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Renewed {
    pub(super) run: RunId,
    pub(super) cause: String,
}

impl Service {
    /// A run that began then has a time of its own at which it is too old, if its spec says anything of age.
    pub(super) fn begin_age(&mut self, since: Moment) {
        let throw = self.spec.max_age.map(|max_age| max_age.thrown(self.dice.throw()));
        self.retires_at = throw.map(|age| since.after(age));
    }

    /// When its run is too old; not while another is about to take its place anyway.
    pub(super) fn timer_of_age(&self) -> Option<(Moment, &'static str)> {
        let at = self.retires_at.filter(|_| self.can_be_renewed())?;
        Some((at, "a run is too old"))
    }

    /// Its run is too old, if that time has come. One whose successor does not become ready stays, and is as old again
    /// before the next is tried.
    pub(super) fn on_time_of_age(&mut self, now: Moment, out: &mut Vec<Action>) {
        let is_due = self.timer_of_age().is_some_and(|(at, _)| at <= now);
        let (true, Some(max_age)) = (is_due, self.spec.max_age) else { return };
        self.begin_age(now);
        let lasted = self.phase.live().map_or(max_age.age, |live| now.since(live.since));
        self.renew(
            format!("it has run for {}, and max_age is {}", Brief(lasted), Brief(max_age.age)),
            now,
            out,
        );
    }

    /// Another run takes the place of the one that lives, for a reason that is no failure: beside it where two may live at
    /// the same time, else after it. One that has no run is started, also when it had given up.
    pub(super) fn renew(&mut self, cause: String, now: Moment, out: &mut Vec<Action>) {
        match &self.phase {
            Phase::Running(..) if self.can_be_renewed() && self.rolls() => {
                self.want_exchange(READY_WITHIN);
                self.renewal = Some(cause);
            }
            Phase::Starting(..) | Phase::Running(..) if self.can_be_renewed() => {
                self.stop(now, out);
                self.trouble = Some(Trouble::condemned(cause, Remedy::Renew));
            }
            Phase::Starting(..) | Phase::Running(..) | Phase::Spawning { .. } | Phase::Waiting => (),
            Phase::Stopping { .. } | Phase::Killing { .. } => (),
            Phase::Resting(_) | Phase::Backoff { .. } | Phase::Blocked { .. } => self.want_up(),
        }
    }

    /// Why another run has taken the place of this one, if that was for its age or its schedule.
    pub fn renewed(&self, run: RunId) -> Option<&str> {
        self.renewed.as_ref().filter(|renewed| renewed.run == run).map(|renewed| renewed.cause.as_str())
    }

    fn rolls(&self) -> bool {
        self.is_exchangeable() && self.spec.may_overlap()
    }

    fn can_be_renewed(&self) -> bool {
        self.phase.is_up() && !self.is_leaving() && self.second.is_none() && !self.awaits_exchange()
    }

    /// Why another run is about to take the place of this one, or has failed to.
    pub(super) fn renewal_words(&self) -> Option<String> {
        let cause = self.renewal.as_ref()?;
        match &self.roll {
            _ if self.has_understudy() => Some(format!("is replaced: {cause}")),
            Roll::Due { .. } => Some(format!("is to be replaced: {cause}")),
            Roll::Failed { why } => Some(format!("was to be replaced ({cause}), but {why}")),
            Roll::Nothing => None,
        }
    }
}
