use std::collections::BTreeSet;

/// A service that is told of events on its standard input, and answers on its standard output, by the protocol of
/// supervisord's event listeners.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// What it is told of.
    pub events: BTreeSet<EventType>,
    /// Those that share their events: each goes to one of them.
    pub pool: String,
    /// So many events wait for it; then the oldest is dropped.
    pub buffer_size: usize,
}

impl Listener {
    /// So many wait unless the config says otherwise.
    pub const BUFFER_SIZE: usize = 10;
}

macro_rules! event_types {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)+) => {
        /// What a listener may be told of, by supervisord's names.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum EventType {
            $($(#[$doc])* $variant,)+
        }

        impl EventType {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// Its name.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }
        }
    };
}

event_types! {
    /// A process was made.
    ProcessStateStarting = "PROCESS_STATE_STARTING",
    /// A process counts as up.
    ProcessStateRunning = "PROCESS_STATE_RUNNING",
    /// A start has failed, and is tried again later.
    ProcessStateBackoff = "PROCESS_STATE_BACKOFF",
    /// A process is asked to end.
    ProcessStateStopping = "PROCESS_STATE_STOPPING",
    /// A process has ended by itself.
    ProcessStateExited = "PROCESS_STATE_EXITED",
    /// A process has ended as it was asked to.
    ProcessStateStopped = "PROCESS_STATE_STOPPED",
    /// Starts have failed too often.
    ProcessStateFatal = "PROCESS_STATE_FATAL",
    /// A process has something to say on its standard output.
    ProcessCommunicationStdout = "PROCESS_COMMUNICATION_STDOUT",
    /// A process has something to say on its standard error.
    ProcessCommunicationStderr = "PROCESS_COMMUNICATION_STDERR",
    /// A process wrote on its standard output.
    ProcessLogStdout = "PROCESS_LOG_STDOUT",
    /// A process wrote on its standard error.
    ProcessLogStderr = "PROCESS_LOG_STDERR",
    /// A client has something to say.
    RemoteCommunication = "REMOTE_COMMUNICATION",
    /// The supervisor is in charge.
    SupervisorStateChangeRunning = "SUPERVISOR_STATE_CHANGE_RUNNING",
    /// The supervisor is about to end.
    SupervisorStateChangeStopping = "SUPERVISOR_STATE_CHANGE_STOPPING",
    /// Five seconds of the clock have gone by.
    Tick5 = "TICK_5",
    /// A minute of the clock has gone by.
    Tick60 = "TICK_60",
    /// An hour of the clock has gone by.
    Tick3600 = "TICK_3600",
    /// The config has a new group.
    ProcessGroupAdded = "PROCESS_GROUP_ADDED",
    /// The config has a group no more.
    ProcessGroupRemoved = "PROCESS_GROUP_REMOVED",
}

impl EventType {
    /// The names of kinds: whoever asks for one is told of everything below it.
    const KINDS: [&str; 7] = [
        "EVENT",
        "PROCESS_STATE",
        "PROCESS_COMMUNICATION",
        "PROCESS_LOG",
        "SUPERVISOR_STATE_CHANGE",
        "TICK",
        "PROCESS_GROUP",
    ];

    /// All names that one may ask for.
    pub fn names() -> impl Iterator<Item = &'static str> {
        Self::KINDS.into_iter().chain(Self::ALL.iter().map(|event| event.name()))
    }

    /// The events that are meant by one of [`Self::names`], in capitals or not; none if it is no such name.
    pub fn named(name: &str) -> Option<BTreeSet<Self>> {
        let name = name.to_ascii_uppercase();
        let is_meant = |event: &&Self| {
            name == "EVENT" || event.name() == name || event.name().starts_with(&format!("{name}_"))
        };
        let is_name = Self::names().any(|known| known == name);
        is_name.then(|| Self::ALL.iter().filter(is_meant).copied().collect())
    }

    /// How long the slices of the clock are that a tick tells of, in seconds.
    pub fn period_s(self) -> Option<u64> {
        match self {
            Self::Tick5 => Some(5),
            Self::Tick60 => Some(60),
            Self::Tick3600 => Some(3600),
            Self::ProcessStateStarting
            | Self::ProcessStateRunning
            | Self::ProcessStateBackoff
            | Self::ProcessStateStopping
            | Self::ProcessStateExited
            | Self::ProcessStateStopped
            | Self::ProcessStateFatal
            | Self::ProcessCommunicationStdout
            | Self::ProcessCommunicationStderr
            | Self::ProcessLogStdout
            | Self::ProcessLogStderr
            | Self::RemoteCommunication
            | Self::SupervisorStateChangeRunning
            | Self::SupervisorStateChangeStopping
            | Self::ProcessGroupAdded
            | Self::ProcessGroupRemoved => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::EventType;

    fn check(name: &str, count: usize) {
        assert_eq!(EventType::named(name).map_or(0, |events| events.len()), count, "{name}");
    }

    #[test]
    fn a_subscription_means_everything_below_its_name() {
        check("EVENT", EventType::ALL.len());
        check("process_state", 7);
        check("PROCESS_STATE_EXITED", 1);
        check("TICK", 3);
        check("TICK_5", 1);
        check("PROCESS_GROUP", 2);
        check("PROCESS", 0);
        check("PROCESS_LOG", 2);
        check("PROCESS_COMMUNICATION", 2);
        check("PROCESS_LOG_", 0);
        check("", 0);
    }
}
