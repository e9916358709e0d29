use std::sync::Arc;
use std::time::Duration;

use super::blame::Blame;
use super::memory::Survivor;
use super::ticket::TicketId;
use crate::spec;
use crate::spec::hooks::Occasion;
use crate::vocab::identity::Identity;
use crate::vocab::moment::Moment;
use crate::vocab::name::ServiceName;
use crate::vocab::outcome::Outcome;
use crate::vocab::port::{Endpoint, Whose};
use crate::vocab::run::RunId;

/// What the machine is told. Every event about a process names its run; one that is not alive is dropped.
#[derive(Debug, Clone)]
pub enum Event {
    /// Somebody asks for something.
    Command(Command),
    /// Nobody waits for this ticket any more.
    Abandoned(TicketId),
    /// A run's process lives.
    Spawned {
        /// Which run.
        run: RunId,
        /// Its main process.
        identity: Identity,
    },
    /// A run's process could not be made.
    NotSpawned {
        /// Which run.
        run: RunId,
        /// What kept it.
        obstacle: Obstacle,
    },
    /// The start of a run was called off before its process was made.
    CalledOff {
        /// Which run.
        run: RunId,
    },
    /// A hook that its service waits for is over, with success or not.
    Hooked {
        /// Whose.
        service: ServiceName,
        /// For which run.
        run: RunId,
        /// Which.
        occasion: Occasion,
    },
    /// Another process of a run is its main one from here on: it was named by one of the run's own (`MAINPID` of
    /// sd_notify(3)), and is proven to be of the run.
    HandedOver {
        /// Which run.
        run: RunId,
        /// Its main process.
        main: Identity,
    },
    /// A run's main process ended, and its tree was cleared.
    Exited {
        /// Which run.
        run: RunId,
        /// What became of it.
        end: End,
    },
    /// A run that was replaced was told to accept no more connections, and looked at.
    Drained {
        /// Which run.
        run: RunId,
        /// Whether it accepts still, or has connections.
        traffic: Traffic,
    },
    /// A probe of a run has its answer.
    Probed {
        /// Which run.
        run: RunId,
        /// The answer.
        finding: Finding,
    },
    /// A file changed that a service watches, and nothing more for a while.
    FileChanged {
        /// Which service.
        service: ServiceName,
        /// Which file.
        path: String,
    },
    /// A file changed that the end of a service's last run is put down to.
    Repaired(ServiceName),
    /// A time of a service's schedule has come.
    ScheduleDue {
        /// Which service.
        service: ServiceName,
    },
    /// The next time of a service's schedule is another one.
    Planned {
        /// Which service.
        service: ServiceName,
        /// When, in milliseconds since 1970 UTC; none when there is none any more.
        next_unix_ms: Option<u64>,
    },
    /// The tree of a run was measured.
    Measured {
        /// Which run.
        run: RunId,
        /// Its resident bytes.
        memory_bytes: u64,
    },
    /// A run told of itself (sd_notify(3)), so that a look may find something else than the last one.
    Notified {
        /// Which run.
        run: RunId,
        /// How much longer it asks to be waited for, while it starts or ends.
        extension: Option<Duration>,
    },
    /// A look at the ports of a service that waits for them has its answer.
    PortsSeen {
        /// Which service.
        service: ServiceName,
        /// Who is in its way; none when nobody is any more.
        taken: Option<Taken>,
    },
    /// The config was read again and proven.
    Reconfigured(Arc<spec::fleet::Fleet>),
    /// A supervisor before this one left these runs alive, or this knowledge of services.
    Resumed(Vec<Survivor>),
    /// Time has passed; due timers fire.
    Tick,
}

/// What somebody asks for, with names that exist and the ticket that carries the answer.
#[derive(Debug, Clone)]
pub struct Command {
    /// Answered exactly once, by [`super::action::Action::Answer`].
    pub ticket: TicketId,
    /// What is to be done.
    pub verb: Verb,
    /// To which services.
    pub services: Vec<ServiceName>,
    /// When the answer is due, whatever has been reached.
    pub deadline: Option<Moment>,
}

/// What is to be done to services.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// Start them and all that they need; done when each of them is ready. Those with a schedule wait for its times, and
    /// that is enough.
    Up,
    /// The same; those that are named and have a schedule are started at once.
    Start,
    /// Stop them, dependents first; done when each tree is empty.
    Stop,
    /// Ask each of them to end at once, whoever needs it; done when each tree is empty.
    StopAtOnce,
    /// Stop them and start them again; done when each new run is ready.
    Restart,
    /// Start a new run of each beside the one that lives, and end that one when the new one is ready; one that is not ready
    /// in time is ended, and the old one stays. Those that have no run are started, with all that they need. Done when
    /// each has a new run alone.
    Roll {
        /// How long each new run may take to be ready.
        ready_within: Duration,
    },
    /// Start those that the config has, with all that they need, and let those that it has no more end; done when each of
    /// the first is ready, and of the others each tree is empty. One that a later config has again is as that wants it.
    Fit,
    /// SIGKILL their trees and leave them stopped; done when each tree is empty.
    Kill,
    /// Change nothing; done when each is as awaited.
    Await(Awaited),
}

/// What can be awaited of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Awaited {
    /// Running: ports held, check passed.
    Ready,
    /// A process lives.
    Alive,
    /// No process lives.
    Gone,
}

/// What keeps a process from being made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Obstacle {
    /// Somebody else listens on a declared port. Retries are not spent on it.
    PortTaken(Taken),
    /// The system refused.
    Refused {
        /// Why, in words.
        why: String,
    },
}

/// A declared port that somebody else listens on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// The port.
    pub port: Endpoint,
    /// Who listens, in words.
    pub holder: String,
    /// Their process, if it may be seen.
    pub by: Option<Identity>,
    /// Whose that is.
    pub whose: Whose,
    /// Their socket, in the system's numbers: the next look tells by it whether anything has changed.
    pub socket: u64,
}

/// How a run ended, with what was seen at its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    /// How the main process ended.
    pub outcome: Outcome,
    /// The last line of its standard error, if it wrote any.
    pub last_words: Option<String>,
    /// Processes of its tree that could not be ended, in words.
    pub left: Vec<String>,
    /// Who listened on one of its ports when it was over, if it had not become ready, or said so: its program found the port
    /// taken.
    pub taken: Option<Taken>,
    /// What its end is put down to.
    pub blame: Blame,
}

/// What a run has to do with connections that it was to accept no more of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Traffic {
    /// It may accept still, or has accepted some that are open.
    Flows,
    /// It accepts none and has none.
    Ceased,
}

/// What a probe found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// Each port is held by the run's own tree, and the check passed.
    Good,
    /// The same, and it will not be so any more after this time, unless the run does something.
    GoodFor(Duration),
    /// Something is amiss, in words.
    Bad(String),
}

impl Finding {
    /// For how long what was found holds, or what is amiss.
    pub fn good_for(self) -> Result<Duration, String> {
        match self {
            Self::Good => Ok(Duration::MAX),
            Self::GoodFor(time) => Ok(time),
            Self::Bad(what) => Err(what),
        }
    }
}
