use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::vocab::identity::Pid;
use crate::vocab::name::ServiceName;
use crate::vocab::outcome::Outcome;
use crate::vocab::state::{Health, State};

/// One thing that happened: a line of `GET /v1/events`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Event {
    /// When, in milliseconds since 1970 UTC.
    pub unix_ms: u64,
    /// What.
    #[serde(flatten)]
    pub what: What,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum What {
    /// A service is in another state, or in the same with another process, health or reason.
    Service(ServiceChange),
    /// What is notable of a service beyond its state: its ports are not as it declares. Nothing when they are again.
    Notes {
        /// Which service.
        service: ServiceName,
        /// Each in words that go on after its name.
        notes: Vec<String>,
    },
    /// The supervisor has something to say.
    Supervisor {
        /// A sentence.
        message: String,
    },
    /// A client of supervisord's protocol has something to say (`supervisor.sendRemoteCommEvent`).
    RemoteCommunication {
        /// Of which kind it is, in the client's words.
        kind: String,
        /// What it says.
        data: String,
    },
    /// The supervisor ends; nothing follows.
    Ended,
    /// The reader was too slow, and this many events were dropped for it.
    Missed {
        /// How many.
        count: u64,
    },
}

/// A service as it is after a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ServiceChange {
    /// Which.
    pub service: ServiceName,
    /// Its state.
    pub state: State,
    /// Its state before.
    pub previous: State,
    /// Its health.
    pub health: Health,
    /// Its main process.
    pub pid: Option<Pid>,
    /// The main process of the run beside that, in the middle of a rolling exchange.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub second: Option<Pid>,
    /// How its last run ended.
    pub exit: Option<Outcome>,
    /// The last line that run wrote to standard error, if it wrote one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_words: Option<String>,
    /// Why it is not running, or not well.
    pub reason: Option<String>,
}
