use super::causes::classify::Merit;
use super::engine::Engine;
use crate::machine::action::Change;
use crate::machine::service::Service;
use crate::vocab::outcome::Outcome;
use crate::vocab::run::RunId;
use crate::vocab::state::State;

/// Says in the supervisor's own log that a run has ended, in the words that supervisord has for it: people and programs look for
/// them.
pub(super) fn log_end(service: &Service, run: RunId, (outcome, merit): (Outcome, Merit)) {
    let name = &service.spec().name;
    let how = match outcome {
        Outcome::Code(code) => format!("exit status {code}"),
        Outcome::Signal(signal) => format!("terminated by {signal}"),
        Outcome::Unknown => "nobody saw how".to_owned(),
    };
    match merit {
        _ if service.is_asked_to_end(run) => tracing::info!("stopped: {name} ({how})"),
        Merit::Success => tracing::info!("exited: {name} ({how}; expected)"),
        Merit::Failure => tracing::warn!("exited: {name} ({how}; not expected)"),
    }
}

impl Engine {
    /// Says there that a service is up, or given up.
    pub(super) fn log_change(&self, change: &Change) {
        if change.state == change.previous {
            return;
        }
        let name = &change.service;
        match change.state {
            State::Running => tracing::info!("success: {name} entered RUNNING state"),
            State::Fatal => {
                let reason = change.reason.as_deref().unwrap_or("it cannot be started");
                tracing::warn!("gave up: {name} entered FATAL state: {reason}");
            }
            State::Stopped | State::Starting | State::Backoff | State::Stopping | State::Exited => (),
        }
    }
}
