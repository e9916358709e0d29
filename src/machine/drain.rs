use std::sync::Arc;
use std::time::Duration;

use super::action::Action;
use super::event::Traffic;
use super::exchange::Second;
use super::phase::Live;
use super::service::Service;
use crate::vocab::moment::Moment;

/// A run that was replaced and is to accept no more connections. It is asked to end when those that it has accepted are
/// over, or its time is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draining {
    /// Its process.
    pub live: Live,
    /// When it is asked to end whatever it does.
    pub until: Moment,
    /// When it is looked at next.
    look_at: Moment,
    /// What passed between the last two looks.
    pause: Duration,
    /// What the last look found.
    traffic: Traffic,
}

/// The pace of looks: the first after this, each next one a quarter later, up to the longest.
const LOOK_FIRST: Duration = Duration::from_millis(1);
const LOOK_LONGEST: Duration = Duration::from_millis(50);

impl Draining {
    /// Nothing of it was seen yet. The first look is one of the next turn: what it tells the run is not taken back, so by
    /// then the next supervisor would know of it.
    pub(super) fn new(live: Live, until: Moment, now: Moment) -> Self {
        let look_at = now.after(LOOK_FIRST);
        Self { live, until, look_at, pause: LOOK_FIRST, traffic: Traffic::Flows }
    }

    pub(super) fn timer(&self) -> (Moment, &'static str) {
        if self.look_at < self.until {
            (self.look_at, "a look at a run that drains is due")
        } else {
            (self.until, "drain of a replaced run runs out")
        }
    }

    fn look(&mut self, now: Moment) {
        self.pause = LOOK_LONGEST.min(self.pause + self.pause / 4);
        self.look_at = now.after(self.pause);
    }
}

impl Service {
    /// A run does not count any more: it is asked to end, after its time for what it has accepted if there is one.
    pub(super) fn replace(&mut self, before: Live, now: Moment, out: &mut Vec<Action>) {
        if self.spec.drain.is_zero() {
            self.retire(before, now, out);
        } else {
            self.second = Some(Second::Draining(Draining::new(before, now.after(self.spec.drain), now)));
        }
    }

    /// Its time runs out, or it is looked at again.
    pub(super) fn go_on_draining(&mut self, now: Moment, out: &mut Vec<Action>) {
        let Some(Second::Draining(draining)) = &mut self.second else { return };
        if draining.until <= now {
            self.end_drain(now, out);
        } else {
            draining.look(now);
            out.push(Action::Drain { run: draining.live.run, service: Arc::clone(&self.spec) });
        }
    }

    /// A run that was seen without connections twice has none: in the first look one may have been on its way from the
    /// queue to the program.
    pub(super) fn on_second_drained(&mut self, traffic: Traffic, now: Moment, out: &mut Vec<Action>) {
        let Some(Second::Draining(draining)) = &mut self.second else { return };
        let before = std::mem::replace(&mut draining.traffic, traffic);
        if (before, traffic) == (Traffic::Ceased, Traffic::Ceased) {
            self.end_drain(now, out);
        }
    }

    /// Whether a run drains and there is none in whose favour.
    pub(super) fn drains_in_vain(&self) -> bool {
        let drains = matches!(self.second, Some(Second::Draining(_)));
        drains && (self.is_leaving() || !self.phase.is_up())
    }

    /// A run has drained, or has no more time for it.
    pub(super) fn end_drain(&mut self, now: Moment, out: &mut Vec<Action>) {
        if let Some(Second::Draining(Draining { live, .. })) = self.second {
            self.retire(live, now, out);
        }
    }
}
