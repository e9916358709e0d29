use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::event::Event;
use crate::vocab::name::ServiceName;
use crate::vocab::state::State;

/// One line of the streamed answer to a command: events as they happen, and one report at the end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Line {
    /// Something happened on the way.
    Event(Event),
    /// It is over; nothing follows.
    Done(Report),
}

/// What a command came to, service by service.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Report {
    /// Each service that was meant.
    pub results: Vec<ServiceResult>,
}

impl Report {
    /// Whether all that was asked for was done and verified.
    pub fn is_done(&self) -> bool {
        self.results.iter().all(|result| result.verdict == Verdict::Done)
    }
}

/// What a command came to for one service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ServiceResult {
    /// Which.
    pub service: ServiceName,
    /// What it came to.
    pub verdict: Verdict,
    /// The state it was in at that time.
    pub state: State,
    /// Why it is not done.
    pub reason: Option<String>,
    /// The last lines of its standard error, when it failed.
    #[serde(default)]
    pub stderr: Vec<String>,
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Done and verified.
    Done,
    /// It cannot be reached any more.
    Failed,
    /// It was not reached in time, and may still be.
    TimedOut,
}

/// The answer to `POST /v1/reload`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReloadReport {
    /// Each difference between what runs and the file, as a line to read.
    pub differences: Vec<String>,
    /// What the file has that only a new supervisor can take over, as lines to read.
    pub needs_restart: Vec<String>,
    /// Services whose run would be replaced and that would not start again, and why, as lines to read; then nothing was
    /// applied.
    #[serde(default)]
    pub preflight: Vec<String>,
    /// What is wrong with the file, rendered to read; then nothing was applied.
    pub problems: Option<String>,
}
