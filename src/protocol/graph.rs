use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::vocab::name::ServiceName;
use crate::vocab::state::State;

/// Who depends on whom, and how the last start of each service went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Graph {
    /// Every service, by name.
    pub services: Vec<Node>,
}

/// A service in the graph.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Node {
    /// Its name.
    pub name: ServiceName,
    /// Its state; none when no supervisor says it.
    pub state: Option<State>,
    /// What it depends on, by name.
    pub depends_on: Vec<Dependency>,
    /// The steps of its last start; none if it had none, or nobody remembers it.
    pub start: Option<Start>,
}

/// What a service depends on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Dependency {
    /// Which service.
    pub service: ServiceName,
    /// What must hold of it.
    pub condition: Condition,
    /// Whether the dependent cannot be up without it.
    pub required: bool,
}

/// What must hold of a dependency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Condition {
    /// Its process was started.
    Started,
    /// It is running: ports held, checks passed.
    Ready,
    /// It ran to its end with success.
    Completed,
}

impl Condition {
    /// The word of the config.
    pub fn word(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Ready => "ready",
            Self::Completed => "completed",
        }
    }
}

/// The steps of a start, each in milliseconds since 1970 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Start {
    /// It was begun: all that it waited for was there.
    pub begun_unix_ms: u64,
    /// Its process lived.
    pub spawned_unix_ms: Option<u64>,
    /// It had proven itself.
    pub ready_unix_ms: Option<u64>,
    /// It had run to its end with success.
    pub completed_unix_ms: Option<u64>,
}

impl Start {
    /// When a condition first held.
    pub fn met_unix_ms(&self, condition: Condition) -> Option<u64> {
        match condition {
            Condition::Started => self.spawned_unix_ms,
            Condition::Ready => self.ready_unix_ms.or(self.completed_unix_ms),
            Condition::Completed => self.completed_unix_ms,
        }
    }

    /// When it was done: ready, or completed if it was never ready.
    pub fn done_unix_ms(&self) -> Option<u64> {
        self.met_unix_ms(Condition::Ready)
    }
}
