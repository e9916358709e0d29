use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::vocab::cause::{By, Record};
use crate::vocab::identity::Pid;
use crate::vocab::name::ServiceName;
use crate::vocab::run::RunId;
use crate::vocab::state::{Health, State};

/// The answer of `GET /v1/services/NAME/why` and of `procman why --json`: why a service is as it is, and how its last run
/// ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Why {
    /// The service.
    pub service: ServiceName,
    /// Whether a supervisor says so; else the records alone speak.
    pub supervised: bool,
    /// Its state.
    pub state: State,
    /// What its check says.
    pub health: Health,
    /// Why it is not running, or not well.
    pub reason: Option<String>,
    /// Its live run.
    pub run: Option<LiveRun>,
    /// What is notable of it beyond its state.
    #[serde(default)]
    pub notes: Vec<String>,
    /// By whom it was stopped, if it was and this supervisor knows.
    pub stopped: Option<Stopped>,
    /// How its last run ended.
    pub last: Option<Record>,
}

/// A live run.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LiveRun {
    /// Its number.
    #[schema(value_type = u64)]
    pub run: RunId,
    /// Its main process.
    pub pid: Pid,
    /// How long it has run, in seconds.
    pub uptime_s: f64,
}

/// By whom and when a service was stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Stopped {
    /// By whom.
    pub by: By,
    /// When, in milliseconds since 1970 UTC.
    pub unix_ms: u64,
}
