use std::sync::Arc;
use std::time::Duration;

use super::action::Action;
use super::event::{Obstacle, Taken};
use super::phase::{Eviction, Phase, Rest};
use super::service::Service;
use super::trouble::Trouble;
use crate::spec::policy::PortConflict;
use crate::vocab::identity::Identity;
use crate::vocab::moment::Moment;
use crate::vocab::port::Whose;

/// A port that is waited for is looked at this often, so that its service starts within 100 ms after it is free.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// A process that is made to go may take this long; then it is waited for like any other.
const EVICTION_MAX: Duration = Duration::from_secs(4);

impl Service {
    /// Somebody else listens on one of its ports, and it has no process. What follows is up to its policy; no retry is
    /// spent in any case.
    pub(super) fn meet(&mut self, taken: Taken, now: Moment, out: &mut Vec<Action>) {
        // A config that came since the look may have given that port up.
        if !self.spec.ports.iter().any(|port| port.overlaps(&taken.port)) {
            self.trouble = None;
            self.phase = Phase::Waiting;
            return;
        }
        let eviction = match (self.spec.on_port_conflict, &taken.whose) {
            (PortConflict::Fail, _) => {
                self.phase = Phase::Resting(Rest::Fatal);
                self.trouble = Some(Trouble::NotSpawned(Obstacle::PortTaken(taken)));
                return;
            }
            // A service that runs is not ended for another that might, nor is the supervisor.
            (PortConflict::Wait | PortConflict::Flush, Whose::Live(_) | Whose::Supervisor) => Eviction::Not,
            (PortConflict::Wait, Whose::Foreign) => Eviction::Not,
            (PortConflict::Wait, Whose::Stray(_)) => self.evict(taken.by, now, out),
            (PortConflict::Flush, Whose::Stray(_) | Whose::Foreign) => self.evict(taken.by, now, out),
        };
        self.trouble = None;
        self.phase = Phase::Blocked { taken, look_at: now.after(LOOK_AGAIN), eviction };
    }

    /// Each process is asked to go once; one that may not be seen cannot be.
    fn evict(&self, holder: Option<Identity>, now: Moment, out: &mut Vec<Action>) -> Eviction {
        let Some(holder) = holder else { return Eviction::Not };
        match self.phase {
            Phase::Blocked { eviction: Eviction::UnderWay { holder: asked, until }, .. }
                if asked == holder =>
            {
                if until <= now {
                    Eviction::InVain { holder }
                } else {
                    Eviction::UnderWay { holder, until }
                }
            }
            Phase::Blocked { eviction: Eviction::InVain { holder: asked }, .. } if asked == holder => {
                Eviction::InVain { holder }
            }
            Phase::Blocked { .. } | Phase::Spawning { .. } | Phase::Starting(..) => {
                out.push(Action::FreePort { service: Arc::clone(&self.spec), holder });
                Eviction::UnderWay { holder, until: now.after(EVICTION_MAX) }
            }
            Phase::Resting(_) | Phase::Waiting | Phase::Running(..) | Phase::Backoff { .. } => Eviction::Not,
            Phase::Stopping { .. } | Phase::Killing { .. } => Eviction::Not,
        }
    }

    /// A look at the ports that it waits for has its answer.
    pub(super) fn on_ports_seen(&mut self, taken: Option<Taken>, now: Moment, out: &mut Vec<Action>) {
        match (&self.phase, taken) {
            (Phase::Blocked { .. }, Some(taken)) => self.meet(taken, now, out),
            (Phase::Blocked { .. }, None) => self.phase = Phase::Waiting,
            (Phase::Resting(_) | Phase::Waiting | Phase::Spawning { .. } | Phase::Starting(..), _) => (),
            (Phase::Running(..) | Phase::Stopping { .. } | Phase::Killing { .. }, _) => (),
            (Phase::Backoff { .. }, _) => (),
        }
    }

    /// It is time to look at the ports that it waits for.
    pub(super) fn look_at_ports(&mut self, now: Moment, out: &mut Vec<Action>) {
        if let Phase::Blocked { taken, look_at, .. } = &mut self.phase {
            *look_at = now.after(LOOK_AGAIN);
            out.push(Action::LookAtPorts { service: Arc::clone(&self.spec), known: taken.clone() });
        }
    }

    /// Whether it waits for a port, and nobody makes it free.
    pub(super) fn is_blocked_for_good(&self) -> bool {
        match &self.phase {
            Phase::Blocked { eviction: Eviction::Not | Eviction::InVain { .. }, .. } => true,
            Phase::Blocked { eviction: Eviction::UnderWay { .. }, .. } => false,
            Phase::Resting(_) | Phase::Waiting | Phase::Spawning { .. } | Phase::Starting(..) => false,
            Phase::Running(..) | Phase::Stopping { .. } | Phase::Killing { .. } => false,
            Phase::Backoff { .. } => false,
        }
    }
}
