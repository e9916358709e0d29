use super::drain::Draining;
use super::exchange::{Second, Trial};
use super::phase::{Live, Phase};
use super::runs::Place;
use super::service::Service;
use crate::vocab::identity::Identity;

impl Service {
    /// Another process of a run is its main one from here on. One that was sent SIGKILL follows nobody: whoever it names is
    /// about to be killed with it.
    pub(super) fn on_handed_over(&mut self, place: Place, main: Identity) {
        let live = match place {
            Place::First => first(&mut self.phase),
            Place::Second => self.second.as_mut().and_then(second),
        };
        if let Some(live) = live {
            live.identity = main;
        }
    }
}

fn first(phase: &mut Phase) -> Option<&mut Live> {
    match phase {
        Phase::Starting(live, _) | Phase::Running(live, _) | Phase::Stopping { live, .. } => Some(live),
        Phase::Killing { .. } | Phase::Resting(_) | Phase::Waiting | Phase::Spawning { .. } => None,
        Phase::Backoff { .. } | Phase::Blocked { .. } => None,
    }
}

fn second(second: &mut Second) -> Option<&mut Live> {
    match second {
        Second::Starting(Trial { live, .. }) | Second::Draining(Draining { live, .. }) => Some(live),
        Second::Stopping { live, .. } => Some(live),
        Second::Spawning { .. } | Second::Killing { .. } => None,
    }
}
