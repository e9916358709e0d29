use std::sync::Arc;

use super::event::Taken;
use super::ticket::{Answer, TicketId};
use crate::spec;
use crate::spec::health::Aspect;
use crate::spec::hooks::Occasion;
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
    /// Tell a run that was replaced to accept no more connections, and look whether it still has some; answered by
    /// `Drained`.
    Drain {
        /// Which run.
        run: RunId,
        /// What it runs.
        service: Arc<spec::service::Service>,
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
    /// Measure the tree of a run; answered by `Measured`.
    Measure {
        /// Which run.
        run: RunId,
    },
    /// Run the command that a service has for an occasion. That of `pre_start` is no such action: it is a part of
    /// `Spawn`. The end of `pre_stop` and of `post_stop` is answered by `Hooked`.
    Hook {
        /// For which run.
        run: RunId,
        /// Whose.
        service: Arc<spec::service::Service>,
        /// Which.
        occasion: Occasion,
        /// What failed, in words, if something did.
        cause: Option<String>,
    },
    /// Give up a start that has not begun, or whose `pre_start` is under way; answered by `CalledOff`. Where the process is
    /// made already there is nothing to be done: `Spawned` or `NotSpawned` is under way.
    CallOff {
        /// Which run.
        run: RunId,
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
    /// The main process of that, if it has one yet.
    pub main: Option<Identity>,
    /// The run beside that, during a rolling exchange.
    pub second: Option<RunId>,
    /// Why it is not running, or not well.
    pub reason: Option<String>,
}
