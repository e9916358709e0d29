use super::check::require;
use super::world::{Verdict, World};
use crate::machine::event::Event;
use crate::machine::phase::{Phase, Rest};
use crate::machine::service::Service;
use crate::spec::schedule::{Overlap, Task};
use crate::vocab::name::ServiceName;
use crate::vocab::run::RunId;
use crate::vocab::state::Goal;

impl World {
    /// Whether a run that is wanted is asked to end because it is too old, or its schedule says so, and that is said.
    pub(super) fn is_renewed(&self, run: RunId, service: &Service, reason: Option<&String>) -> bool {
        let born = self.children.values().find(|child| child.run == run && child.is_ours()).map(|it| it.born);
        let is_old = service
            .spec()
            .max_age
            .is_some_and(|max_age| born.is_some_and(|born| self.now.since(born) >= max_age.thrown(0.0)));
        let is_due = self.ledger.is_due(&service.spec().name, self.now);
        let says = |words: &str| reason.is_some_and(|reason| reason.contains(words));
        (is_old && says("and max_age is")) || (is_due && says("a time of its schedule has come"))
    }

    /// A run is begun: not more often than it may, as far as this daemon has seen.
    pub(super) fn check_start_limit(&mut self, name: &ServiceName) -> Verdict {
        let limit = self.file_or_known(name).and_then(|service| service.spec().start_limit);
        let Some(limit) = limit else {
            self.ledger.forget_starts(name);
            return Ok(());
        };
        let starts = self.ledger.note_start(name, limit.within, self.now);
        require(starts <= usize::try_from(limit.starts).unwrap_or(usize::MAX), || {
            format!("`{name}` is started {starts} times within {:?}", limit.within)
        })
    }

    fn file_or_known(&self, name: &ServiceName) -> Option<&Service> {
        self.supervisor.as_ref()?.fleet.services().get(name)
    }

    /// A time of a schedule comes: who is stopped stays so, who rests begins, and who runs does as its spec says.
    pub(super) fn let_schedule_come(&mut self) -> Verdict {
        let names: Vec<ServiceName> = self.file.services().keys().cloned().collect();
        let Some(name) = self.rng.choice(names) else { return Ok(()) };
        // What is due anyway is done first: the time of a schedule changes nothing of that.
        self.feed(Event::Tick)?;
        let Some(before) = self.file_or_known(&name).cloned() else { return Ok(()) };
        self.ledger.note_due(&name, self.now);
        self.feed(Event::ScheduleDue { service: name.clone() })?;
        let Some(after) = self.file_or_known(&name) else { return Ok(()) };
        let task = before.spec().schedule.as_ref().map(|schedule| schedule.task);
        let skipped = |service: &Service| service.plan().map_or(0, |plan| plan.skipped);
        let holds = match (task, before.goal(), before.phase()) {
            (None, ..) | (_, Goal::Down, _) => {
                after.goal() == before.goal() && after.phase() == before.phase()
            }
            (Some(Task::Start(_)), _, Phase::Resting(_) | Phase::Backoff { .. } | Phase::Blocked { .. }) => {
                let is_worn_out =
                    *after.phase() == Phase::Resting(Rest::Fatal) && after.spec().start_limit.is_some();
                let is_begun = !matches!(after.phase(), Phase::Resting(Rest::Planned | Rest::Completed));
                is_worn_out || is_begun
            }
            (Some(Task::Start(Overlap::Skip)), _, Phase::Running(..) | Phase::Starting(..)) => {
                skipped(after) == skipped(&before) + 1 && after.phase() == before.phase()
            }
            (Some(Task::Start(Overlap::Replace)), _, Phase::Running(live, _)) => {
                after.goal() == Goal::Again || after.phase().run() != Some(live.run)
            }
            (Some(Task::Start(_) | Task::Restart), ..) => true,
        };
        require(holds, || format!("a time of its schedule made {after:?} of {before:?}"))
    }
}
