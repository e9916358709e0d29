use std::fmt;

use serde::{Deserialize, Serialize};

/// What is wanted of a service, whatever it does at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Goal {
    /// It should run.
    Up,
    /// It should not run.
    Down,
    /// The run that lives should end, and then it should run again.
    Again,
}

/// The state of a service as people see it, in supervisord's words.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It is not meant to run, and does not.
    Stopped,
    /// It is meant to run: it waits for what it depends on, or its process lives and is not ready.
    Starting,
    /// Its process lives and was ready.
    Running,
    /// It failed and waits for its next try.
    Backoff,
    /// Its process was asked to end and has not yet.
    Stopping,
    /// It ended by itself, and its policy leaves it so.
    Exited,
    /// It failed too often, or in a way that no retry mends.
    Fatal,
}

impl State {
    /// Every state, in the order of a life.
    pub const ALL: [Self; 7] = [
        Self::Stopped,
        Self::Starting,
        Self::Running,
        Self::Backoff,
        Self::Stopping,
        Self::Exited,
        Self::Fatal,
    ];

    /// The word of the contract.
    pub fn word(self) -> &'static str {
        match self {
            Self::Stopped => "stopped",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Backoff => "backoff",
            Self::Stopping => "stopping",
            Self::Exited => "exited",
            Self::Fatal => "fatal",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// What a service's check says.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// The last checks passed.
    Healthy,
    /// The last checks failed, as many in a row as `retries` says.
    Unhealthy,
    /// No check has passed yet in this run.
    Starting,
    /// It declares no check, or it does not run.
    None,
}

impl Health {
    /// The word of the contract.
    pub fn word(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
            Self::Starting => "starting",
            Self::None => "none",
        }
    }
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}
