use std::sync::Arc;
use std::time::Duration;

use super::action::Action;
use super::fleet::Fleet;
use super::phase::{Patience, Phase, Rest};
use super::service::{KILL_PATIENCE, Service};
use crate::spec::hooks::Occasion;
use crate::vocab::moment::Moment;
use crate::vocab::run::RunId;
use crate::vocab::state::Goal;

/// What a service is held up by, beyond its phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hold {
    /// Nothing.
    Free,
    /// The `pre_stop` of this run: its process was not asked to end yet.
    PreStop(RunId),
    /// The `post_stop` of this run: no other begins before it is over.
    PostStop(RunId),
    /// The start of this run was called off, and nobody has said yet what came of that.
    CalledOff(RunId),
}

impl Hold {
    /// What a hook that is over has held up.
    pub(super) fn of(run: RunId, occasion: Occasion) -> Self {
        match occasion {
            Occasion::PreStop => Self::PreStop(run),
            Occasion::PostStop => Self::PostStop(run),
            Occasion::PreStart | Occasion::PostStart | Occasion::OnFailure => Self::Free,
        }
    }
}

/// How much later than its time limit the end of a hook may be told.
pub(super) const HOOK_PATIENCE: Duration = Duration::from_secs(2);

impl Service {
    /// What is to be done about an occasion, if its spec says anything of it.
    pub(super) fn hook(&self, run: RunId, occasion: Occasion) -> Option<Action> {
        self.hook_because(run, occasion, None)
    }

    fn hook_because(&self, run: RunId, occasion: Occasion, cause: Option<String>) -> Option<Action> {
        let service = self.spec.hooks.contains_key(&occasion).then(|| Arc::clone(&self.spec))?;
        Some(Action::Hook { run, service, occasion, cause })
    }

    /// What is to be done about a failure, if its spec says anything of it.
    pub(super) fn hook_of_failure(&self, run: RunId, cause: String) -> Option<Action> {
        self.hook_because(run, Occasion::OnFailure, Some(cause))
    }

    /// Whether something is to be run around its end, which is not to be while another run of it lives.
    pub(super) fn has_hooks_of_stop(&self) -> bool {
        let of_stop = [Occasion::PreStop, Occasion::PostStop];
        of_stop.iter().any(|occasion| self.spec.hooks.contains_key(occasion))
    }

    /// Whether a `post_stop` keeps another run from beginning.
    pub(super) fn is_after_stop(&self) -> bool {
        matches!(self.hold, Hold::PostStop(_))
    }

    /// Whether a process or what follows it keeps another run from beginning.
    pub(super) fn is_occupied(&self) -> bool {
        self.has_process() || self.is_after_stop()
    }

    /// Asks its process to end, after its `pre_stop` if it has one.
    pub(super) fn stop(&mut self, now: Moment, out: &mut Vec<Action>) {
        let (Phase::Starting(live, _) | Phase::Running(live, _)) = self.phase else { return };
        self.trouble = None;
        let mut patience = self.spec.stop.timeout;
        match self.spec.hooks.get(&Occasion::PreStop) {
            Some(hook) => {
                patience = hook.timeout.saturating_add(HOOK_PATIENCE).saturating_add(patience);
                self.hold = Hold::PreStop(live.run);
                out.extend(self.hook(live.run, Occasion::PreStop));
            }
            None => out.push(Action::Stop { run: live.run, stop: self.spec.stop }),
        }
        self.phase = Phase::Stopping { live, kill_at: now.after(patience) };
    }

    /// Ends its process without asking.
    pub(super) fn kill(&mut self, now: Moment, out: &mut Vec<Action>) {
        match self.phase {
            Phase::Starting(live, _) | Phase::Running(live, _) | Phase::Stopping { live, .. } => {
                out.push(Action::Kill { run: live.run });
                self.hold = Hold::Free;
                self.phase = Phase::Killing { live, patience: Patience::Until(now.after(KILL_PATIENCE)) };
            }
            Phase::Resting(_) | Phase::Waiting | Phase::Spawning { .. } => (),
            Phase::Killing { .. } | Phase::Backoff { .. } | Phase::Blocked { .. } => (),
        }
    }

    /// What it may have waited for is over, however that went.
    pub(super) fn on_hooked(&mut self, over: Hold, now: Moment, out: &mut Vec<Action>) {
        if self.hold != over {
            return;
        }
        self.hold = Hold::Free;
        if let (Hold::PreStop(run), Phase::Stopping { live, .. }) = (over, &self.phase) {
            out.push(Action::Stop { run, stop: self.spec.stop });
            self.phase = Phase::Stopping { live: *live, kill_at: now.after(self.spec.stop.timeout) };
        }
    }

    /// Its process has ended: what was to be done before is moot, and what is to be done after begins.
    pub(super) fn hold_after(&mut self, run: RunId, out: &mut Vec<Action>) {
        let hook = self.hook(run, Occasion::PostStop);
        self.hold = if hook.is_some() { Hold::PostStop(run) } else { Hold::Free };
        out.extend(hook);
    }

    /// The start that is under way and that nobody wants any more, if it was not called off yet.
    pub(super) fn start_in_vain(&self) -> Option<RunId> {
        match (&self.phase, self.hold) {
            (Phase::Spawning { run }, Hold::Free) if self.is_leaving() => Some(*run),
            (_, Hold::Free | Hold::PreStop(_) | Hold::PostStop(_) | Hold::CalledOff(_)) => None,
        }
    }

    /// Asks for a start to be given up, if its process has not been made yet.
    pub(super) fn call_off(&mut self, run: RunId, out: &mut Vec<Action>) {
        self.hold = Hold::CalledOff(run);
        out.push(Action::CallOff { run });
    }

    /// Its start was given up.
    pub(super) fn on_called_off(&mut self) {
        if !matches!(self.phase, Phase::Spawning { .. }) {
            return;
        }
        self.hold = Hold::Free;
        match self.goal {
            Goal::Down => self.phase = Phase::Resting(Rest::Stopped),
            Goal::Up | Goal::Again => {
                self.goal = Goal::Up;
                self.phase = Phase::Waiting;
            }
        }
    }

    /// Which hook holds it up, if one does.
    pub(super) fn hook_under_way(&self) -> Option<Occasion> {
        match (self.hold, &self.phase) {
            (Hold::PreStop(_), _) => Some(Occasion::PreStop),
            (Hold::PostStop(_), _) => Some(Occasion::PostStop),
            (Hold::Free | Hold::CalledOff(_), Phase::Spawning { .. }) => {
                Some(Occasion::PreStart).filter(|occasion| self.spec.hooks.contains_key(occasion))
            }
            (Hold::Free | Hold::CalledOff(_), _) => None,
        }
    }
}

impl Fleet {
    /// What a run does when it is ready is not done by one that is to end in the same moment: a fall of what it needs may
    /// have followed.
    pub(super) fn call_hooks_off(&self, out: &mut Vec<Action>) {
        out.retain(|action| {
            let Action::Hook { run, occasion: Occasion::PostStart, .. } = action else { return true };
            let service = self.service_of(*run).filter(|service| service.phase().run() == Some(*run));
            service.is_some_and(|service| service.phase().is_up() && !service.is_leaving())
        });
    }
}
