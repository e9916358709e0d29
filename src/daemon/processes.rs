use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use super::engine::Engine;
use super::roster::Unit;
use crate::machine;
use crate::machine::event::Obstacle;
use crate::machine::phase::{Phase, Rest};
use crate::machine::trouble::Trouble;
use crate::spec::service::{Service, Stdin};
use crate::sys::{clock, process};
use crate::vocab::identity::{Identity, Pid};
use crate::vocab::name::ServiceName;
use crate::vocab::outcome::Outcome;
use crate::vocab::run::RunId;
use crate::vocab::state::State;

/// All processes at one moment, sorted by group and name.
#[derive(Debug)]
pub struct Processes {
    /// The moment, in seconds since 1970 UTC.
    pub unix_s: u64,
    /// Each.
    pub all: Vec<Process>,
    /// The groups that no process is in.
    pub empty_groups: BTreeSet<String>,
    /// Whether the supervisor is about to end.
    pub is_ending: bool,
    /// What the supervisor calls itself.
    pub identifier: String,
    /// The process that stands for the whole.
    pub pid: Pid,
    /// The supervisor's own log.
    pub supervisor_log: PathBuf,
    /// Where programs are looked up.
    pub path_variable: Option<String>,
    /// What all of it is in words that cross the wire, once somebody has asked for them.
    document: OnceLock<Bytes>,
}

/// One process.
#[derive(Debug, Clone)]
pub struct Process {
    /// What it is called.
    pub unit: Arc<Unit>,
    /// What it runs.
    pub spec: Arc<Service>,
    /// The word that selects it and nobody else.
    pub word: String,
    /// Its state.
    pub state: State,
    /// Its main process.
    pub pid: Option<i32>,
    /// When it was started and when it ended last.
    pub times: Span,
    /// Why it could not be started, or did not stay; empty when there is nothing to say.
    pub spawn_error: String,
    /// Its last exit code; -1 when a signal ended it.
    pub exit_status: i32,
    /// What is written there it reads.
    pub stdin: Option<PathBuf>,
}

/// A process of the config that was read last.
#[derive(Debug)]
pub struct Configured {
    /// What it is called.
    pub unit: Arc<Unit>,
    /// What it runs.
    pub spec: Arc<Service>,
    /// Whether its group is active.
    pub in_use: bool,
}

/// When services were started and ended last, by the wall clock.
#[derive(Debug, Default)]
pub(super) struct Times(BTreeMap<ServiceName, Span>);

/// The times of one, in milliseconds since 1970 UTC; 0 for never.
#[derive(Debug, Clone, Copy, Default)]
pub struct Span {
    /// Its last start.
    pub start_ms: u64,
    /// Its last end.
    pub stop_ms: u64,
}

impl Times {
    /// A process lives, new or taken over.
    pub(super) fn started(&mut self, service: &ServiceName, leader: Identity) {
        let age = u64::try_from(process::age(leader).as_millis()).unwrap_or(0);
        self.0.entry(service.clone()).or_default().start_ms = clock::unix_ms().saturating_sub(age);
    }
}

impl Processes {
    /// All of it in words that cross the wire, which are made once for everybody who has this look.
    pub fn document(&self, write: impl FnOnce(&Self) -> String) -> Bytes {
        self.document.get_or_init(|| write(self).into()).clone()
    }

    /// The process of this group and name.
    pub fn find(&self, group: &str, process: &str) -> Option<&Process> {
        self.all.iter().find(|it| it.unit.group == group && it.unit.process == process)
    }

    /// Those of a group, if there is such a group.
    pub fn group(&self, group: &str) -> Option<Vec<&Process>> {
        let members: Vec<&Process> = self.all.iter().filter(|it| it.unit.group == group).collect();
        (!members.is_empty() || self.empty_groups.contains(group)).then_some(members)
    }
}

impl Engine {
    /// A run is about to be forgotten.
    pub(super) fn note_end(&mut self, run: RunId) {
        let Some(service) = self.fleet.service_of(run) else { return };
        self.times.0.entry(service.spec().name.clone()).or_default().stop_ms = clock::unix_ms();
    }

    /// How the processes stand. Nothing has happened since a look that is still kept, and what is told of them, times
    /// included, is in whole seconds.
    pub(super) fn look_again(&mut self) -> Arc<Processes> {
        let kept = self.seen.take().filter(|seen| seen.unix_s == unix_s());
        let seen = kept.unwrap_or_else(|| Arc::new(self.processes()));
        self.seen = Some(Arc::clone(&seen));
        seen
    }

    /// How the processes stand, looked at afresh.
    pub(super) fn processes(&self) -> Processes {
        let replicated = self.fleet.spec().replicated();
        let active =
            self.fleet.services().iter().filter(|(name, _)| self.fleet.spec().service(name).is_some());
        let mut all: Vec<Process> = active
            .map(|(name, service)| {
                let is_first = service.spec().replica.number == 1 && replicated.contains(name);
                Process {
                    word: if is_first { format!("{name}-1") } else { name.to_string() },
                    ..self.process(name, service)
                }
            })
            .collect();
        all.sort_by(|one, other| {
            (&one.unit.group, &one.unit.process).cmp(&(&other.unit.group, &other.unit.process))
        });
        Processes {
            unix_s: unix_s(),
            all,
            empty_groups: self.roster.empty_groups().clone(),
            is_ending: self.is_ending(),
            identifier: self.roster.identifier.clone(),
            pid: self.pid_of_all(),
            supervisor_log: self.paths.supervisor_log.clone(),
            path_variable: self.environment.value("PATH").map(str::to_owned),
            document: OnceLock::new(),
        }
    }

    /// The process that stands for the whole: signals to it are ones to the supervisor, and it stays when that is replaced.
    pub(super) fn pid_of_all(&self) -> Pid {
        self.guardian.map_or_else(process::own_pid, |guardian| guardian.pid)
    }

    fn process(&self, name: &ServiceName, service: &machine::service::Service) -> Process {
        let spec = service.spec();
        Process {
            unit: self.roster.unit(spec),
            spec: Arc::clone(spec),
            word: String::new(),
            state: service.state(),
            pid: service.phase().live().map(|live| live.identity.pid.as_raw()),
            times: self.times.0.get(name).copied().unwrap_or_default(),
            spawn_error: self.spawn_error(name, service),
            exit_status: exit_status(service),
            stdin: (spec.stdin == Stdin::Pipe).then(|| self.paths.stdin_channel(name)),
        }
    }

    /// In supervisord's words, where it has some for what happened.
    fn spawn_error(&self, name: &ServiceName, service: &machine::service::Service) -> String {
        let ended = || "Exited too quickly (process log may have details)".to_owned();
        match (service.phase(), service.trouble()) {
            (Phase::Backoff { .. } | Phase::Resting(Rest::Fatal), Some(Trouble::NotSpawned(obstacle))) => {
                match obstacle {
                    Obstacle::Refused { why } => why.clone(),
                    Obstacle::PortTaken(_) => self.fleet.reason(name).unwrap_or_default(),
                }
            }
            (Phase::Backoff { .. } | Phase::Resting(Rest::Fatal), None) => ended(),
            (Phase::Backoff { .. } | Phase::Resting(Rest::Fatal) | Phase::Blocked { .. }, Some(_) | None) => {
                self.fleet.reason(name).unwrap_or_else(ended)
            }
            (Phase::Resting(Rest::Failed), _) => format!("Bad exit code {}", exit_status(service)),
            (Phase::Resting(Rest::Stopped | Rest::Planned | Rest::Completed), _) => String::new(),
            (Phase::Waiting | Phase::Spawning { .. }, _) => String::new(),
            (
                Phase::Starting(..) | Phase::Running(..) | Phase::Stopping { .. } | Phase::Killing { .. },
                _,
            ) => String::new(),
        }
    }

    /// What the config that was read last says; that is the active one until another is read.
    pub(super) fn configured(&self) -> Vec<Configured> {
        let active = self.active_groups();
        let (fleet, roster) = match &self.pending {
            Some(pending) => (&pending.fleet, &pending.roster),
            None => (&**self.fleet.spec(), &*self.roster),
        };
        let configured = fleet.services().values().map(|spec| {
            let unit = roster.unit(spec);
            Configured { in_use: active.contains(&unit.group), unit, spec: Arc::clone(spec) }
        });
        let mut configured: Vec<Configured> = configured.collect();
        configured.sort_by(|one, other| {
            (&one.unit.process, &one.unit.group).cmp(&(&other.unit.process, &other.unit.group))
        });
        configured
    }
}

fn unix_s() -> u64 {
    clock::unix_ms() / 1000
}

/// supervisord forgets the code of a run that ended too early, and of the one before a run.
fn exit_status(service: &machine::service::Service) -> i32 {
    let is_told = match service.phase() {
        Phase::Resting(Rest::Stopped | Rest::Planned | Rest::Completed | Rest::Failed) => true,
        Phase::Resting(Rest::Fatal) | Phase::Waiting | Phase::Spawning { .. } | Phase::Backoff { .. } => {
            false
        }
        Phase::Starting(..) | Phase::Running(..) | Phase::Stopping { .. } | Phase::Killing { .. } => false,
        Phase::Blocked { .. } => false,
    };
    match service.last().filter(|_| is_told).map(|last| last.end.outcome) {
        Some(Outcome::Code(code)) => code,
        Some(Outcome::Signal(_) | Outcome::Unknown) => -1,
        None => 0,
    }
}
