use super::phase::{Phase, Rest};
use super::service::Service;
use crate::vocab::moment::Moment;
use crate::vocab::run::RunId;

/// The steps of a service's last start. A run that replaces another in an exchange is no start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Startup {
    /// The run that was started.
    pub run: RunId,
    /// It was begun: all that it waited for was there.
    pub begun: Moment,
    /// Its process lived.
    pub spawned: Option<Moment>,
    /// It had proven itself.
    pub ready: Option<Moment>,
    /// It had run to its end with success.
    pub completed: Option<Moment>,
}

impl Service {
    /// The steps of its last start, as far as they are known.
    pub fn startup(&self) -> Option<Startup> {
        self.startup
    }

    /// Notes the step that it has come to, if that is one.
    pub(super) fn note_step(&mut self, now: Moment) {
        let now = Some(now);
        let known = |run: RunId| self.startup.filter(|startup| startup.run == run);
        let startup = match &self.phase {
            Phase::Spawning { run } => known(*run).or(now.map(|begun| Startup {
                run: *run,
                begun,
                spawned: None,
                ready: None,
                completed: None,
            })),
            Phase::Starting(live, _) => {
                known(live.run).map(|it| Startup { spawned: it.spawned.or(now), ..it })
            }
            Phase::Running(live, _) => known(live.run).map(|it| Startup {
                spawned: it.spawned.or(now),
                ready: it.ready.or(now),
                ..it
            }),
            Phase::Resting(Rest::Completed) => {
                self.startup.map(|it| Startup { completed: it.completed.or(now), ..it })
            }
            Phase::Resting(Rest::Stopped | Rest::Planned | Rest::Failed | Rest::Fatal) => None,
            Phase::Waiting => None,
            Phase::Stopping { .. } | Phase::Killing { .. } => None,
            Phase::Backoff { .. } | Phase::Blocked { .. } => None,
        };
        self.startup = startup.or(self.startup);
    }
}
