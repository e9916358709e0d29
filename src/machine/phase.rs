use super::event::Taken;
use crate::vocab::identity::Identity;
use crate::vocab::moment::Moment;
use crate::vocab::run::RunId;
use crate::vocab::state::Health;

/// Where a service stands. Each phase carries exactly what is true in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// No process, and none is due.
    Resting(Rest),
    /// It may start as soon as what it needs allows.
    Waiting,
    /// A process is being made.
    Spawning {
        /// The run it will be.
        run: RunId,
    },
    /// Its process lives and has not proven itself yet.
    Starting(Live, Proof),
    /// Its process lives and has proven itself.
    Running(Live, Proof),
    /// Its process was asked to end.
    Stopping {
        /// The process.
        live: Live,
        /// When it is killed.
        kill_at: Moment,
    },
    /// Its tree was sent SIGKILL.
    Killing {
        /// The process.
        live: Live,
        /// Whether the kernel is taking suspiciously long.
        patience: Patience,
    },
    /// It failed and is tried again later.
    Backoff {
        /// When.
        until: Moment,
        /// What else ends the wait.
        awaits: Awaits,
    },
    /// Somebody else listens on one of its ports; it starts when the port is free.
    Blocked {
        /// Who.
        taken: Taken,
        /// When it is looked at again.
        look_at: Moment,
        /// Whether whoever is in its way is made to go.
        eviction: Eviction,
    },
}

/// Why a service has no process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rest {
    /// It was never started, or it was stopped.
    Stopped,
    /// It waits for a time of its schedule, and has no end to tell of.
    Planned,
    /// It ended by itself with success, and its policy leaves it so.
    Completed,
    /// It ended by itself with a failure, and its policy leaves it so.
    Failed,
    /// It failed too often.
    Fatal,
}

/// A run whose process lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Live {
    /// The run.
    pub run: RunId,
    /// Its main process.
    pub identity: Identity,
    /// The process that it was started with: the main one, unless that has handed over to another.
    pub first: Identity,
    /// When it was started.
    pub since: Moment,
}

impl Live {
    /// A run that has just been started.
    pub fn new(run: RunId, identity: Identity, since: Moment) -> Self {
        Self { run, identity, first: identity, since }
    }
}

/// What is known of a live run's fitness.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Proof {
    /// When it is looked at next.
    pub next: NextLook,
    /// Until when what looks find amiss does not count, as long as none found it fit.
    pub lenient_until: Moment,
    /// How many looks in a row found something amiss, of those that count.
    pub failures: u32,
    /// How many looks in a row found it fit.
    pub successes: u32,
    /// What its check says.
    pub health: Health,
    /// How many looks there were while it started; each next one waits a little longer.
    pub looks: u32,
}

/// What ends a wait after a failure, beside time and people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Awaits {
    /// Nothing.
    Nothing,
    /// That a file changes.
    Change {
        /// Which, in words.
        what: String,
    },
}

/// Whether a process that is in the way of a service is made to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Eviction {
    /// It is waited for.
    Not,
    /// It was asked to end, and should have ended by then.
    UnderWay {
        /// Which process.
        holder: Identity,
        /// When.
        until: Moment,
    },
    /// It was asked to end, and has not.
    InVain {
        /// Which process.
        holder: Identity,
    },
}

/// When a live run is looked at next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextLook {
    /// At this time.
    At(Moment),
    /// A probe is under way.
    UnderWay,
    /// Never: it declares no check.
    Never,
}

/// How long SIGKILL may take before somebody is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// Until this time nothing is said.
    Until(Moment),
    /// It ran out: the process hangs in the kernel.
    RunOut,
}

impl Phase {
    /// Whether its process lives and was not asked to end.
    pub fn is_up(&self) -> bool {
        matches!(self, Self::Starting(..) | Self::Running(..))
    }

    /// The live process, in every phase that has one.
    pub fn live(&self) -> Option<&Live> {
        match self {
            Self::Starting(live, _) | Self::Running(live, _) => Some(live),
            Self::Stopping { live, .. } | Self::Killing { live, .. } => Some(live),
            Self::Resting(_) | Self::Waiting | Self::Spawning { .. } => None,
            Self::Backoff { .. } | Self::Blocked { .. } => None,
        }
    }

    /// The run that late events are compared with: that of the live process, or of the one being made.
    pub fn run(&self) -> Option<RunId> {
        match self {
            Self::Spawning { run } => Some(*run),
            Self::Starting(live, _) | Self::Running(live, _) => Some(live.run),
            Self::Stopping { live, .. } | Self::Killing { live, .. } => Some(live.run),
            Self::Resting(_) | Self::Waiting | Self::Backoff { .. } | Self::Blocked { .. } => None,
        }
    }
}
