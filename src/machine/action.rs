use std::sync::Arc;

use super::ticket::{Answer, TicketId};
use crate::spec;
use crate::spec::health::Aspect;
use crate::vocab::name::ServiceName;
use crate::vocab::run::RunId;
use crate::vocab::signal::Signal;
use crate::vocab::state::{Health, State};

/// What the machine asks the daemon to do, in this order.
#[derive(Debug, Clone)]
pub enum Action {
    /// Make a process; answered by `Spawned` or `NotSpawned`.
    Spawn {
        /// The new run.
        run: RunId,
        /// What to run.
        service: Arc<spec::service::Service>,
    },
    /// Ask the main process to end, and its tree once the main process has; answered by `Exited`.
    Stop {
        /// Which run.
        run: RunId,
        /// The signal that asks.
        signal: Signal,
    },
    /// SIGKILL the whole tree; answered by `Exited`.
    Kill {
        /// Which run.
        run: RunId,
    },
    /// Look whether the run holds its ports and passes its check; answered by `Probed`.
    Probe {
        /// Which run.
        run: RunId,
        /// What to look for.
        service: Arc<spec::service::Service>,
        /// Which of its checks.
        aspect: Aspect,
    },
    /// Tell whoever listens that a service is not as it was.
    Publish(Change),
    /// Answer a command.
    Answer {
        /// Which.
        ticket: TicketId,
        /// What it came to.
        answer: Answer,
    },
    /// A service that the config has no more has ended; its channels can go.
    Forget(ServiceName),
}

/// A service as it is after a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Which.
    pub service: ServiceName,
    /// Its state before.
    pub previous: State,
    /// Its state.
    pub state: State,
    /// Its health.
    pub health: Health,
    /// Its live run.
    pub run: Option<RunId>,
    /// The run beside that, during a rolling exchange.
    pub second: Option<RunId>,
    /// Why it is not running, or not well.
    pub reason: Option<String>,
}
