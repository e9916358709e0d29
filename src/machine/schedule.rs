use super::action::Action;
use super::phase::{Phase, Rest};
use super::service::Service;
use crate::spec::schedule::{Overlap, Schedule, Task};
use crate::vocab::moment::Moment;
use crate::vocab::state::Goal;

/// What is known of the times of a schedule. The machine has no wall clock: it is told of the next time, which it keeps
/// for whoever asks and for the next supervisor, and told again when one has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Plan {
    /// The next time, in milliseconds since 1970 UTC.
    pub next_unix_ms: Option<u64>,
    /// Whether a time has come whose run is still to follow.
    pub queue: Queue,
    /// How many times came while a run lived, and were passed over.
    pub skipped: u64,
}

/// Whether a run is to follow the one that lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Queue {
    /// None.
    #[default]
    Empty,
    /// One; more do not queue.
    One,
}

impl Service {
    /// What is known of its schedule; none if it has none.
    pub fn plan(&self) -> Option<Plan> {
        self.spec.schedule.as_ref().map(|_| self.plan)
    }

    /// Its next time is another one.
    pub(super) fn on_planned(&mut self, next_unix_ms: Option<u64>) {
        self.plan.next_unix_ms = next_unix_ms;
    }

    /// One of its times has come. One that was stopped by hand stays so.
    pub(super) fn on_schedule_due(&mut self, now: Moment, out: &mut Vec<Action>) {
        let task = self.spec.schedule.as_ref().map(|schedule| schedule.task);
        let (Some(task), true) = (task, self.goal != Goal::Down) else { return };
        let overlap = match task {
            Task::Restart => return self.renew("a time of its schedule has come".to_owned(), now, out),
            Task::Start(overlap) => overlap,
        };
        match &self.phase {
            Phase::Resting(_) | Phase::Backoff { .. } | Phase::Blocked { .. } => self.begin_due(),
            Phase::Waiting => (),
            Phase::Spawning { .. } | Phase::Starting(..) | Phase::Running(..) => self.overlap(overlap),
            Phase::Stopping { .. } | Phase::Killing { .. } => self.overlap(overlap),
        }
    }

    fn overlap(&mut self, overlap: Overlap) {
        match overlap {
            Overlap::Skip => self.plan.skipped += 1,
            Overlap::Queue => self.plan.queue = Queue::One,
            Overlap::Replace => self.want_again(),
        }
    }

    /// Whether its run has ended, and one that queued is to follow.
    pub(super) fn is_due_again(&self) -> bool {
        let has_ended = match &self.phase {
            Phase::Resting(Rest::Completed | Rest::Failed | Rest::Fatal | Rest::Planned) => true,
            Phase::Resting(Rest::Stopped) | Phase::Waiting | Phase::Spawning { .. } => false,
            Phase::Starting(..) | Phase::Running(..) | Phase::Backoff { .. } => false,
            Phase::Stopping { .. } | Phase::Killing { .. } | Phase::Blocked { .. } => false,
        };
        has_ended && self.goal == Goal::Up && self.plan.queue == Queue::One
    }

    /// A run begins for a time of its schedule, and the failures before it are forgiven.
    pub(super) fn begin_due(&mut self) {
        self.plan.queue = Queue::Empty;
        self.failures = 0;
        self.goal = Goal::Up;
        self.phase = Phase::Waiting;
    }

    /// It is wanted, and its times are waited for. What completed at the last one stays so for those who need it.
    pub(super) fn await_schedule(&mut self) {
        self.goal = Goal::Up;
        if self.phase != Phase::Resting(Rest::Completed) {
            self.phase = Phase::Resting(Rest::Planned);
            self.trouble = None;
        }
    }

    /// Somebody wants a run of it at this moment, whatever its schedule says.
    pub(super) fn want_run(&mut self) {
        self.want_up();
        if self.goal == Goal::Up && matches!(self.phase, Phase::Resting(_)) {
            self.failures = 0;
            self.phase = Phase::Waiting;
        }
    }

    /// Its spec has another schedule than before, or none.
    pub(super) fn plan_anew(&mut self, before: Option<&Schedule>) {
        if before == self.spec.schedule.as_deref() {
            return;
        }
        self.plan = Plan::default();
        if self.phase == Phase::Resting(Rest::Planned) && self.goal == Goal::Up {
            self.want_up();
        }
    }
}
