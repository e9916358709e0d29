use super::check::require;
use super::spec_maker::MEMORY_BYTES_MAX;
use super::world::{Verdict, World};
use crate::machine::event::Event;
use crate::machine::service::Service;
use crate::spec::watch::Watch;
use crate::vocab::name::ServiceName;
use crate::vocab::run::RunId;
use crate::vocab::state::Goal;

impl World {
    /// The tree of a run is measured: some of the bad ones use more than they may.
    pub(super) fn measured(&mut self, run: RunId) -> Verdict {
        let is_greedy = self.rng.u32(0..100) < self.temper.badness() / 4;
        let memory_bytes = if is_greedy { MEMORY_BYTES_MAX + 1 } else { MEMORY_BYTES_MAX };
        if is_greedy {
            self.ledger.note_greed(run);
        }
        self.feed(Event::Measured { run, memory_bytes })
    }

    /// Whether a run that is wanted is asked to end for what it used, and that is said.
    pub(super) fn is_ended_for_greed(&self, run: RunId, service: &Service, reason: Option<&String>) -> bool {
        service.spec().limits.memory_bytes.is_some()
            && self.ledger.is_greedy(run)
            && reason.is_some_and(|reason| reason.contains("more than limits.memory"))
    }

    /// Somebody changes a watched file, a few times in a row perhaps; a service is not started again for ever for it.
    pub(super) fn edit_file(&mut self) -> Verdict {
        let names: Vec<ServiceName> = self.file.services().keys().cloned().collect();
        let Some(service) = self.rng.choice(names) else { return Ok(()) };
        for _ in 0..self.rng.u32(1..8) {
            let goal = |world: &World| {
                let fleet = &world.supervisor.as_ref()?.fleet;
                fleet.services().get(&service).map(Service::goal)
            };
            let before = goal(self);
            let path = "main.py".to_owned();
            self.feed(Event::FileChanged { service: service.clone(), path })?;
            if before == Some(Goal::Up) && goal(self) == Some(Goal::Again) {
                let starts = self.ledger.note_edit(&service, self.now);
                require(starts <= Watch::LOOP_STARTS, || format!("`{service}` is started again for ever"))?;
            }
        }
        Ok(())
    }
}
