use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::vocab::branch::Branch;
use crate::vocab::enablement::Enablement;
use crate::vocab::identity::Pid;
use crate::vocab::name::ServiceName;
use crate::vocab::outcome::Outcome;
use crate::vocab::port::{Endpoint, HeldBy, Verdict};
use crate::vocab::selection::Candidate;
use crate::vocab::state::{Goal, Health, State};

/// The answer of `GET /v1/status` and of `procman status --json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Status {
    /// The supervisor.
    pub supervisor: SupervisorView,
    /// Every service, by name.
    pub services: Vec<ServiceView>,
    /// Every assigned port, by number.
    pub ports: Vec<PortView>,
    /// Processes of earlier runs that nobody supervises.
    #[serde(default)]
    pub survivors: Vec<Survivor>,
}

/// The supervisor at a glance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SupervisorView {
    /// Whether one answers.
    pub running: bool,
    /// Its process.
    pub pid: Option<Pid>,
    /// The small process that brings it back when it dies.
    #[serde(default)]
    pub guardian: Option<Pid>,
    /// The directory in which each run has a cgroup of its own; none where there are none (macOS), or where this user may not
    /// make them.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub cgroups: Option<PathBuf>,
    /// Its version.
    pub version: String,
    /// How long it has run, in seconds.
    pub uptime_s: Option<f64>,
    /// Its config file.
    #[schema(value_type = String)]
    pub config: PathBuf,
    /// Its control socket.
    #[schema(value_type = String)]
    pub socket: PathBuf,
    /// How often it was replaced since the services were first brought up.
    pub restarts: u64,
    /// How the config on disk differs from what runs; none if it does not.
    #[serde(default)]
    pub config_changed: Option<ConfigChange>,
    /// Who is told of changes, and how that went.
    #[serde(default)]
    pub notify: Vec<TargetView>,
    /// What it cannot do at this moment, in words that go on after "the supervisor".
    #[serde(default)]
    pub notes: Vec<String>,
}

/// How the config on disk differs from what runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConfigChange {
    /// What a reload would do, and what it leaves, as lines to read.
    pub differences: Vec<String>,
    /// Those of them that only another supervisor takes over.
    #[serde(default)]
    pub needs_restart: Vec<String>,
    /// What is wrong with the file, rendered to read; then nothing else can be said of it.
    pub problems: Option<String>,
}

impl ConfigChange {
    /// A file that is not right.
    pub fn broken(problems: String) -> Self {
        Self { differences: Vec::new(), needs_restart: Vec::new(), problems: Some(problems) }
    }
}

/// Somebody who is told of changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TargetView {
    /// Its name in the config.
    pub name: String,
    /// How many changes it was told of.
    pub sent: u64,
    /// How many it could not be told of, however often that was tried.
    pub failed: u64,
    /// How many were dropped because too many waited.
    pub dropped: u64,
    /// How many wait.
    pub waiting: u64,
}

/// One service at a glance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ServiceView {
    /// Its name.
    pub name: ServiceName,
    /// The declared service that it is a replica of; none if that has no other.
    #[serde(default)]
    pub replica_of: Option<ServiceName>,
    /// Which replica it is, from 1.
    #[serde(default = "first")]
    pub replica: u32,
    /// Its group.
    pub group: Option<String>,
    /// Whether it starts by itself at `up`.
    #[serde(default)]
    pub autostart: bool,
    /// What people said of that, over what its config says (`enable`, `disable`).
    #[serde(default)]
    pub enablement: Option<Enablement>,
    /// Its state.
    pub state: State,
    /// What is wanted of it.
    pub goal: Goal,
    /// What its check says.
    pub health: Health,
    /// Its main process.
    pub pid: Option<Pid>,
    /// The run beside that, in the middle of a rolling exchange.
    #[serde(default)]
    pub second: Option<SecondView>,
    /// The ports it declares.
    pub ports: Vec<ServicePort>,
    /// How long its run has lasted, in seconds.
    pub uptime_s: Option<f64>,
    /// How often it was started again by itself.
    pub restarts: u64,
    /// The times at which it is started, or started again, if it has any.
    #[serde(default)]
    pub schedule: Option<ScheduleView>,
    /// How its last run ended.
    pub exit: Option<Outcome>,
    /// CPU use of its tree over its last second or more, in percent of one core.
    pub cpu_percent: Option<f64>,
    /// Resident memory of its tree, in bytes.
    pub memory_bytes: Option<u64>,
    /// How many processes its tree has.
    pub processes: u32,
    /// Its tree, if that was asked for: its main process, and those whose parents have ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tree: Option<Vec<Branch>>,
    /// Why it is not running, or not well, with its last line of standard error when there is one.
    pub reason: Option<String>,
    /// What it says of itself (`STATUS=` of sd_notify(3), and whether it reloads or stops).
    #[serde(default)]
    pub says: Option<String>,
    /// What is notable of it beyond its state: ports that are not as it declares, each in words that go on after its name.
    #[serde(default)]
    pub notes: Vec<String>,
    /// How many of its lines were not written, for one of its targets, since the supervisor began: there was no room for
    /// them, or nobody took them; `notes` says which.
    #[serde(default)]
    pub dropped_lines: u64,
    /// How many bytes these were.
    #[serde(default)]
    pub dropped_bytes: u64,
    /// The file of its standard output; none if that goes into no file.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub stdout_log: Option<PathBuf>,
    /// The file of its standard error, which may be that of its standard output; none if that goes into no file.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub stderr_log: Option<PathBuf>,
}

/// The times of a service's schedule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ScheduleView {
    /// The next time, in milliseconds since 1970 UTC.
    pub next_unix_ms: Option<u64>,
    /// The same as people read it, in the zone of the schedule: `2026-11-27 03:00:00 +01:00`.
    pub next: Option<String>,
    /// What is done then.
    pub does: Does,
    /// How many times came while the run of an earlier one lived, and were passed over.
    pub skipped: u64,
}

/// What is done at the times of a schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Does {
    /// A run begins.
    Start,
    /// Another run takes the place of the one that lives.
    Restart,
}

/// The run of a service beside the one that counts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SecondView {
    /// Its main process.
    pub pid: Pid,
    /// What becomes of it.
    pub part: Part,
    /// How long it has run, in seconds.
    pub uptime_s: f64,
}

/// What becomes of a run beside the one that counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// It replaces the one that counts as soon as it is ready.
    Understudy,
    /// It is ending.
    Leaving,
}

fn first() -> u32 {
    1
}

impl ServiceView {
    /// As a selection sees it.
    pub fn candidate(&self) -> Candidate<'_, ServiceName> {
        let replica = self.replica_of.as_ref().map(|of| (of.as_str(), self.replica));
        Candidate { name: &self.name, group: self.group.as_deref(), replica }
    }

    /// Whether its runs begin at the times of a schedule.
    pub fn is_job(&self) -> bool {
        self.schedule.as_ref().is_some_and(|schedule| schedule.does == Does::Start)
    }

    /// Whether it is as it should be: up, well and holding its ports; or not wanted up; or ended with success; or begun by its
    /// schedule a moment ago.
    pub fn is_as_wanted(&self) -> bool {
        let holds_ports = self.ports.iter().all(|port| port.held_by == HeldBy::Service);
        match self.state {
            State::Running => self.health != Health::Unhealthy && holds_ports && self.goal == Goal::Up,
            State::Stopped => self.goal == Goal::Down || self.is_job(),
            State::Exited => self.reason.is_none(),
            State::Starting => self.is_job(),
            State::Backoff | State::Stopping | State::Fatal => false,
        }
    }
}

/// A port of one service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ServicePort {
    /// The port, its protocol, and its address if it is on one alone.
    #[serde(flatten)]
    pub port: Endpoint,
    /// Who holds it, seen from the service.
    pub held_by: HeldBy,
    /// Whether procman itself keeps it open for the service, so that connections wait while no run is there; none if the
    /// service declares no `hold`.
    #[serde(default)]
    pub kept: Option<bool>,
    /// The process that holds it.
    pub pid: Option<Pid>,
}

/// An assigned port and its holder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PortView {
    /// The port, its protocol, and its address if it is on one alone.
    #[serde(flatten)]
    pub port: Endpoint,
    /// The service it is assigned to.
    pub service: ServiceName,
    /// Who holds it, seen from that service.
    pub held_by: HeldBy,
    /// Whose process holds it.
    #[serde(default)]
    pub verdict: Verdict,
    /// The service whose process holds it, if it is ours or a stray of ours.
    #[serde(default)]
    pub owner: Option<ServiceName>,
    /// Whether procman itself keeps it open, as in [`ServicePort::kept`].
    #[serde(default)]
    pub kept: Option<bool>,
    /// The process that holds it.
    pub pid: Option<Pid>,
    /// That process' command line.
    pub command: Option<String>,
    /// That process' user.
    pub user: Option<String>,
    /// How long that process has lived, in seconds.
    #[serde(default)]
    pub age_s: Option<f64>,
}

/// A process of an earlier run that nobody supervises.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Survivor {
    /// The process.
    pub pid: Pid,
    /// The service it ran for.
    pub service: ServiceName,
    /// Its command line.
    pub command: String,
}
