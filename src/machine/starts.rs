use std::time::Duration;

use super::phase::{Phase, Rest};
use super::service::Service;
use super::trouble::Trouble;
use crate::spec::policy::StartLimit;
use crate::vocab::moment::Moment;

impl Service {
    /// Whether it was started as often of late as it may be.
    pub(super) fn has_no_start_left(&self, now: Moment) -> bool {
        let Some(limit) = self.spec.start_limit else { return false };
        self.starts_within(limit.within, now) >= usize::try_from(limit.starts).unwrap_or(usize::MAX)
    }

    /// It was started as often as it may be, and gives up.
    pub(super) fn give_up_for_starts(&mut self) {
        self.trouble = Some(Trouble::StartedTooOften);
        self.phase = Phase::Resting(Rest::Fatal);
    }

    /// Notes a start, if anybody counts them.
    pub(super) fn note_start(&mut self, now: Moment) {
        let Some(StartLimit { within, .. }) = self.spec.start_limit else { return self.starts.clear() };
        self.starts.retain(|at| now.since(*at) < within);
        self.starts.push(now);
    }

    /// Somebody asked for it, and takes the starts before upon himself.
    pub(super) fn forgive_starts(&mut self) {
        self.starts.clear();
    }

    fn starts_within(&self, within: Duration, now: Moment) -> usize {
        self.starts.iter().filter(|at| now.since(**at) < within).count()
    }
}
