use super::action::Action;
use super::exchange::Second;
use super::phase::{NextLook, Patience, Phase, Proof};
use super::service::Service;
use crate::spec::health::Aspect;
use crate::spec::hooks::Occasion;
use crate::vocab::moment::Moment;

impl Service {
    /// Its due timers fire, if there are any.
    pub(super) fn on_time(&mut self, now: Moment, out: &mut Vec<Action>) {
        self.on_second_time(now, out);
        if self.timer_of_first().is_none_or(|(at, _)| at > now) {
            return;
        }
        if let (Phase::Starting(live, _), false) = (&self.phase, self.spec.can_be_probed()) {
            let live = *live;
            self.phase = Phase::Running(live, self.standing_proof(live, now));
            out.extend(self.hook(live.run, Occasion::PostStart));
            return;
        }
        match &mut self.phase {
            Phase::Backoff { .. } => self.phase = Phase::Waiting,
            Phase::Blocked { .. } => self.look_at_ports(now, out),
            Phase::Stopping { .. } => self.kill(now, out),
            Phase::Killing { patience, .. } => *patience = Patience::RunOut,
            Phase::Starting(live, proof) => {
                out.push(proof.look(live.run, &self.spec, Aspect::Ready));
            }
            Phase::Running(live, proof) => {
                out.push(proof.look(live.run, &self.spec, Aspect::Alive));
            }
            Phase::Resting(_) | Phase::Waiting | Phase::Spawning { .. } => (),
        }
    }

    /// Its next timer, and what for.
    pub(super) fn timer(&self) -> Option<(Moment, &'static str)> {
        let of_second = self.second.as_ref().and_then(Second::timer);
        self.timer_of_first().into_iter().chain(of_second).min()
    }

    fn timer_of_first(&self) -> Option<(Moment, &'static str)> {
        match &self.phase {
            Phase::Backoff { until, .. } => Some((*until, "backoff ends")),
            Phase::Blocked { look_at, .. } => Some((*look_at, "a taken port is looked at")),
            Phase::Stopping { kill_at, .. } => Some((*kill_at, "stop_timeout runs out")),
            Phase::Killing { patience: Patience::Until(at), .. } => Some((*at, "SIGKILL takes too long")),
            Phase::Starting(_, Proof { next: NextLook::At(at), .. })
            | Phase::Running(_, Proof { next: NextLook::At(at), .. }) => Some((*at, "a look is due")),
            Phase::Starting(..) | Phase::Running(..) | Phase::Killing { .. } => None,
            Phase::Resting(_) | Phase::Waiting | Phase::Spawning { .. } => None,
        }
    }
}
