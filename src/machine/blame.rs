use std::time::Duration;

use super::exchange::Roll;
use super::phase::{Awaits, Phase};
use super::service::Service;
use super::trouble::{Condemned, Remedy};
use crate::vocab::moment::Moment;
use crate::vocab::run::RunId;

/// What the end of a run is put down to, as far as it decides what follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Blame {
    /// Nothing in particular.
    Nothing,
    /// An address that is in use.
    Address,
    /// The program itself, which will not start before it is changed.
    Program {
        /// The file that is wrong, if it is one.
        file: Option<String>,
    },
}

/// A wait for a file to change is no shorter than this, whatever the policy.
const RETRY_AFTER_MIN: Duration = Duration::from_secs(1);

/// A run that has ended by itself.
pub(super) struct Ran {
    pub(super) lasted: Duration,
    pub(super) was_starting: bool,
    pub(super) is_clear: bool,
    pub(super) blame: Blame,
}

impl Service {
    /// What has to change before another run is worth a try, in words, if anything has. A run that had proven itself says
    /// by its end nothing about the next start, and one without a proof does not after the time that makes a run a good one.
    pub(super) fn repair_of(&self, ran: &Ran) -> Option<String> {
        let good_after =
            if self.spec.can_be_probed() { Duration::ZERO } else { self.spec.backoff.reset_after };
        let is_unproven = ran.was_starting || ran.lasted < self.spec.min_uptime.max(good_after);
        match &ran.blame {
            Blame::Program { file } if is_unproven && self.spec.restart_by_cause => Some(match file {
                Some(file) => format!("`{file}` to change"),
                None => format!("a program file in `{}` to change", self.spec.directory.display()),
            }),
            Blame::Program { .. } | Blame::Nothing | Blame::Address => None,
        }
    }

    /// It waits until a file changes. What its end was put down to may be wrong, so it is tried again all the same, after the
    /// longest wait of its policy; no retry is spent on that.
    pub(super) fn await_change(&mut self, what: String, now: Moment) {
        self.restarts += 1;
        let until = now.after(self.spec.backoff.max.max(RETRY_AFTER_MIN));
        self.phase = Phase::Backoff { until, awaits: Awaits::Change { what } };
    }

    /// A file changed that its last end was put down to.
    pub(super) fn on_repaired(&mut self) {
        if self.awaits_change() {
            self.phase = Phase::Waiting;
        }
    }

    /// Whether it waits for a file to change.
    pub fn awaits_change(&self) -> bool {
        matches!(self.phase, Phase::Backoff { awaits: Awaits::Change { .. }, .. })
    }

    /// Why its run was or is to be ended, if not by people, and what follows.
    pub fn condemned(&self) -> Option<(&str, Remedy)> {
        let Condemned { cause, remedy } = self.trouble.as_ref()?.condemnation()?;
        Some((cause, *remedy))
    }

    /// Why a run that was to take the place of the one that counts was asked to end, if it did not prove itself.
    pub fn unready(&self, run: RunId) -> Option<&str> {
        let is_newer = self.second.as_ref().is_some_and(|it| it.run() == run) && self.phase.run() < Some(run);
        match &self.roll {
            Roll::Failed { why } if is_newer => Some(why),
            Roll::Failed { .. } | Roll::Nothing | Roll::Due { .. } => None,
        }
    }

    /// Whether a run of it was asked to end, or killed.
    pub fn is_asked_to_end(&self, run: RunId) -> bool {
        let is_ending = matches!(self.phase, Phase::Stopping { .. } | Phase::Killing { .. });
        let second = self.second.as_ref().filter(|second| second.run() == run);
        second.map_or(is_ending && self.phase.run() == Some(run), |second| !second.is_understudy())
    }
}
