use super::causes::classify::Merit;
use super::engine::Engine;
use super::lookup;
use super::roster::{Roster, Unit};
use crate::machine::action::Change;
use crate::machine::service::Service;
use crate::spec;
use crate::spec::policy::EarlyExit;
use crate::spec::supervisor::LogFormat;
use crate::vocab::identity::Identity;
use crate::vocab::outcome::Outcome;
use crate::vocab::run::RunId;
use crate::vocab::signal::Signal;
use crate::vocab::state::State;

impl Roster {
    /// Says in the supervisor's own log that a run has ended; of one of supervisord's files in the words that supervisord has
    /// for it, for people and programs look for them.
    pub(super) fn log_end(&self, service: &Service, run: RunId, (outcome, merit): (Outcome, Merit)) {
        let unit = self.unit(service.spec());
        if unit.program.is_none() {
            return log_plain_end(service, run, outcome, merit);
        }
        let name = &unit.process;
        let how = match outcome {
            Outcome::Code(code) => format!("exit status {code}"),
            Outcome::Signal(signal) => format!("terminated by {signal}"),
            Outcome::Unknown => "nobody saw how".to_owned(),
        };
        let is_early =
            service.state() == State::Starting && service.spec().backoff.early_exit == EarlyExit::Failed;
        match merit {
            Merit::Success if service.is_asked_to_end(run) => tracing::info!("stopped: {name} ({how})"),
            // An end by a signal is none that supervisord expects, also when it was sent.
            Merit::Failure if service.is_asked_to_end(run) => tracing::warn!("stopped: {name} ({how})"),
            Merit::Success if !is_early => tracing::info!("exited: {name} ({how}; expected)"),
            Merit::Success | Merit::Failure => tracing::warn!("exited: {name} ({how}; not expected)"),
        }
    }

    /// Says that a process lives.
    pub(super) fn log_spawned(&self, service: &spec::service::Service, run: RunId, leader: Identity) {
        let (unit, pid) = (self.unit(service), leader.pid.as_raw());
        match unit.program {
            Some(_) => tracing::info!("spawned: '{}' with pid {pid}", unit.process),
            None => tracing::info!(service = %service.name, pid, %run, "started"),
        }
    }

    /// Says that no process could be made.
    pub(super) fn log_not_spawned(&self, service: &spec::service::Service, why: &str) {
        match self.unit(service).program {
            Some(_) => tracing::info!("spawnerr: {why}"),
            None => tracing::warn!(service = %service.name, why, "cannot start"),
        }
    }
}

impl Engine {
    /// Says there that the supervisor is in charge.
    pub(super) fn log_begin(&self) {
        let pid = self.pid_of_all().as_raw();
        match self.fleet.spec().supervisor().log.format {
            LogFormat::Supervisord => {
                tracing::info!("RPC interface 'supervisor' initialized");
                tracing::info!("supervisord started with pid {pid}");
            }
            LogFormat::Human | LogFormat::Json => {
                tracing::info!(pid, config = %self.config.display(), "supervisor started");
            }
        }
    }

    /// Says there that a service is up, or given up.
    pub(super) fn log_change(&self, change: &Change) {
        if change.state == change.previous {
            return;
        }
        let service = self.fleet.services().get(&change.service);
        let unit = service.map(|service| self.roster.unit(service.spec()));
        let name = unit.as_ref().map_or(change.service.as_str(), |unit| &unit.process);
        let seconds = unit.as_ref().and_then(|unit| startsecs(unit));
        match (change.state, seconds) {
            (State::Running, Some(seconds)) => tracing::info!(
                "success: {name} entered RUNNING state, process has stayed up for > than {seconds} seconds (startsecs)"
            ),
            (State::Running, None) => tracing::info!(service = %change.service, "running"),
            (State::Fatal, Some(_)) => {
                tracing::info!("gave up: {name} entered FATAL state, too many start retries too quickly");
            }
            (State::Fatal, None) => {
                let reason = change.reason.as_deref().unwrap_or("it cannot be started");
                tracing::warn!(service = %change.service, reason, "given up");
            }
            (
                State::Stopped | State::Starting | State::Backoff | State::Stopping | State::Exited,
                Some(_) | None,
            ) => (),
        }
    }

    /// Why no process could be made, in supervisord's words where it is one of its files, for its clients show them.
    pub(super) fn why_in_own_words(&self, service: &spec::service::Service, why: String) -> String {
        let path_variable = self.environment.value("PATH");
        match &self.roster.unit(service).program {
            Some(program) => {
                let refused = lookup::refused(service, Some(program), path_variable);
                refused.map_or(why, |refused| refused.to_string())
            }
            None => why,
        }
    }

    /// Says that a process is asked to end, where supervisord would.
    pub(super) fn log_stop(&self, run: RunId) {
        let service = self.fleet.service_of(run).map(|service| self.roster.unit(service.spec()));
        if let Some(unit) = service.filter(|unit| unit.program.is_some()) {
            tracing::info!("waiting for {} to stop", unit.process);
        }
    }

    /// Says that a run is killed.
    pub(super) fn log_kill(&self, run: RunId) {
        let Some(service) = self.fleet.service_of(run) else { return };
        let pid = self.wardens.get(&run).map_or(0, |warden| warden.charge().lead.main().pid.as_raw());
        let unit = self.roster.unit(service.spec());
        match unit.program {
            Some(_) => tracing::warn!("killing '{}' ({pid}) with SIGKILL", unit.process),
            None => tracing::warn!(service = %service.spec().name, pid, %run, "SIGKILL is sent"),
        }
    }

    /// Says whose ends are waited for.
    pub(super) fn log_who_has_to_die(&self) {
        let live = self.fleet.services().values().filter(|service| service.phase().live().is_some());
        let names: Vec<String> = live.map(|it| self.roster.unit(it.spec()).process.clone()).collect();
        match self.fleet.spec().supervisor().log.format {
            _ if names.is_empty() => (),
            LogFormat::Supervisord => tracing::info!("waiting for {} to die", names.join(", ")),
            LogFormat::Human | LogFormat::Json => tracing::info!(services = names.join(", "), "stopping"),
        }
    }

    /// Says that the supervisor got a signal to end by.
    pub(super) fn log_signal(&self, signal: Signal) {
        match self.fleet.spec().supervisor().log.format {
            LogFormat::Supervisord => tracing::warn!("received {signal} indicating exit request"),
            LogFormat::Human | LogFormat::Json => tracing::warn!(%signal, "is to end, with all services"),
        }
    }
}

/// In procman's own words.
fn log_plain_end(service: &Service, run: RunId, how: Outcome, merit: Merit) {
    let service_name = &service.spec().name;
    match merit {
        Merit::Success | Merit::Failure if service.is_asked_to_end(run) => {
            tracing::info!(service = %service_name, %run, %how, "stopped");
        }
        Merit::Success => tracing::info!(service = %service_name, %run, %how, "completed"),
        Merit::Failure => tracing::warn!(service = %service_name, %run, %how, "ended"),
    }
}

/// How long a process has to live, where supervisord's config says so.
fn startsecs(unit: &Unit) -> Option<i64> {
    unit.program.as_ref().map(|program| program.startsecs)
}
