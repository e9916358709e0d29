use super::check::require;
use super::world::{Verdict, World};
use crate::machine::memory::{LiveMemory, Progress, Survivor};
use crate::machine::phase::{Phase, Rest};
use crate::machine::schedule::Queue;
use crate::machine::service::Service;
use crate::vocab::state::Goal;

impl World {
    /// What a daemon knew, the next one knows.
    pub(super) fn check_heritage(&self, survivors: &[Survivor]) -> Verdict {
        let fleet = self.fleet()?;
        for survivor in survivors {
            let Some(service) = fleet.services().get(&survivor.service) else { continue };
            let memory = service.memory();
            // What it needs may have failed on the spot.
            let is_taken_down =
                survivor.goal == Goal::Up && memory.goal == Goal::Again && service.fallen_with.is_some();
            let keeps_goal = memory.goal == survivor.goal
                || is_taken_down
                || (survivor.goal == Goal::Again && survivor.live.is_none() && memory.goal == Goal::Up);
            // A spawn that the system refuses in the same breath adds to both.
            let is_replaced = survivor.live.is_some_and(|live| self.is_replaced(&live, service));
            // A run that queued for its schedule begins when nothing is left of the one before, and is forgiven its failures.
            let is_queued = survivor.plan.queue == Queue::One && service.spec().is_job();
            let has_begun_queued = is_queued
                && memory.plan.queue == Queue::Empty
                && (*service.phase() == Phase::Waiting || memory.startup != survivor.startup);
            let keeps_queue = !is_queued || memory.plan.queue == Queue::One || has_begun_queued;
            let keeps_failures = is_replaced || has_begun_queued || memory.failures >= survivor.failures;
            let keeps_count = keeps_failures && memory.restarts >= survivor.restarts && keeps_queue;
            // What waited for a schedule that the config has no more is started.
            let is_unplanned = survivor.rest == Some(Rest::Planned) && !service.spec().is_job();
            let keeps_rest = survivor.rest.is_none() || is_unplanned || memory.rest == survivor.rest;
            let keeps_process = survivor.live.is_none_or(|live| self.is_kept(&live, service));
            let keeps_second = survivor.second.is_none_or(|second| self.keeps_second(&second, service));
            let keeps_processes = keeps_process && keeps_second;
            // What had no run may have begun one, and fallen with it again, in the same breath.
            let is_begun = *service.phase() != Phase::Waiting || memory.startup != survivor.startup;
            let has_begun = survivor.live.is_none() && is_begun;
            let keeps_fall = survivor.fallen_with.is_none()
                || is_replaced
                || has_begun
                || memory.fallen_with == survivor.fallen_with;
            let is_ending = matches!(service.phase(), Phase::Stopping { .. } | Phase::Killing { .. });
            let keeps_cause = survivor.condemned.is_none()
                || is_replaced
                || !is_ending
                || memory.condemned == survivor.condemned;
            // What was taken over may have ended in the same breath.
            let keeps_last = survivor.last.as_ref().is_none_or(|known| {
                memory.last.as_ref().is_some_and(|last| last.run > known.run || last == known)
            });
            let keeps_why = keeps_fall && keeps_cause && keeps_last;
            require(keeps_goal && keeps_count && keeps_rest && keeps_processes && keeps_why, || {
                format!("{survivor:?} is taken over as {service:?}")
            })?;
        }
        Ok(())
    }

    fn is_kept(&self, memory: &LiveMemory, service: &Service) -> bool {
        let phase = service.phase();
        let is_the_same = phase.live().is_some_and(|live| *live == memory.live);
        let has_come_as_far = match (memory.progress, phase) {
            (Progress::Stopping { kill_at: before }, Phase::Stopping { kill_at, .. }) => before == *kill_at,
            (Progress::Stopping { kill_at }, Phase::Killing { .. }) => kill_at <= self.now,
            (Progress::Stopping { .. }, _) => false,
            (Progress::Ready, Phase::Starting(..)) => false,
            (Progress::Ready | Progress::Starting, _) => true,
        };
        // Its understudy may have been ready on the spot.
        let is_replaced = self.is_replaced(memory, service);
        is_replaced || (is_the_same && has_come_as_far)
    }
}
