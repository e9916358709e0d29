use std::sync::Arc;

use super::event::Taken;
use super::ticket::{Answer, TicketId};
use crate::spec;
use crate::spec::health::Aspect;
use crate::spec::policy::Stop;
use crate::vocab::identity::Identity;
use crate::vocab::name::ServiceName;
use crate::vocab::run::RunId;
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
    /// Ask the main process, or its group, to end, and its tree once the main process has; answered by `Exited`.
    Stop {
        /// Which run.
        run: RunId,
        /// How it is asked.
        stop: Stop,
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
    /// Look whether somebody else still listens on a port of a service that waits for it; answered by `PortsSeen`.
    LookAtPorts {
        /// Which service.
        service: Arc<spec::service::Service>,
        /// Who was in its way the last time.
        known: Taken,
    },
    /// End a process that listens on a port of a service, if that is one that may be ended.
    FreePort {
        /// Whose port it is.
        service: Arc<spec::service::Service>,
        /// The process.
        holder: Identity,
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
