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
    /// The file of its standard output.
    #[schema(value_type = String)]
    pub stdout_log: PathBuf,
    /// The file of its standard error.
    #[schema(value_type = String)]
    pub stderr_log: PathBuf,
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

    /// Whether it is as it should be: up, well and holding its ports; or not wanted up; or ended with success.
    pub fn is_as_wanted(&self) -> bool {
        let holds_ports = self.ports.iter().all(|port| port.held_by == HeldBy::Service);
        match self.state {
            State::Running => self.health != Health::Unhealthy && holds_ports && self.goal == Goal::Up,
            State::Stopped => self.goal == Goal::Down,
            State::Exited => self.reason.is_none(),
            State::Starting | State::Backoff | State::Stopping | State::Fatal => false,
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
