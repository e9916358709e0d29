use super::exchange::Second;
use super::phase::{Live, Patience, Phase};
use super::service::Service;
use crate::vocab::run::RunId;

/// Which of the runs of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// The one that counts.
    First,
    /// The one beside it.
    Second,
}

impl Service {
    /// Whether it has a process, or will in a moment.
    pub(super) fn has_process(&self) -> bool {
        self.runs().iter().any(Option::is_some)
    }

    /// Whether it has a process.
    pub fn has_live_process(&self) -> bool {
        self.phase.live().is_some() || self.second.as_ref().is_some_and(|second| second.live().is_some())
    }

    /// One of its runs, if that has a process.
    pub fn live(&self, run: RunId) -> Option<&Live> {
        let second = self.second.as_ref().and_then(Second::live);
        self.phase.live().into_iter().chain(second).find(|live| live.run == run)
    }

    /// The run that counts, and the second one.
    pub(super) fn runs(&self) -> [Option<RunId>; 2] {
        [self.phase.run(), self.second.as_ref().map(Second::run)]
    }

    /// Whether the kernel holds a process of it beyond SIGKILL, so that nobody knows when it ends.
    pub(super) fn hangs_in_kernel(&self) -> bool {
        self.first_hangs_in_kernel() || self.second.as_ref().is_some_and(Second::hangs_in_kernel)
    }

    pub(super) fn first_hangs_in_kernel(&self) -> bool {
        matches!(self.phase, Phase::Killing { patience: Patience::RunOut, .. })
    }

    /// Whether it has a process whose end can be waited for.
    pub(super) fn holds_up_order(&self) -> bool {
        let first = self.phase.run().is_some() && !self.first_hangs_in_kernel();
        first || self.second.as_ref().is_some_and(|second| !second.hangs_in_kernel())
    }

    /// Whether it waits for its start, and has no second run that has to end before.
    pub(super) fn may_spawn(&self) -> bool {
        self.phase == Phase::Waiting && self.second.is_none()
    }

    /// Where one of its runs stands.
    pub(super) fn place_of(&self, run: RunId) -> Place {
        if self.second.as_ref().is_some_and(|second| second.run() == run) {
            Place::Second
        } else {
            Place::First
        }
    }
}
