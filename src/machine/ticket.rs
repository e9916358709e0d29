use std::collections::BTreeMap;

use super::event::Awaited;
use crate::vocab::moment::Moment;
use crate::vocab::name::ServiceName;

/// A command that waits for its answer. The daemon gives the numbers and never twice the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TicketId(pub u64);

/// What a command came to, service by service.
pub type Answer = BTreeMap<ServiceName, Verdict>;

/// What a command came to for one service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Reached and proven.
    Done,
    /// It cannot be reached any more, and why.
    Failed(String),
    /// It was not reached in time, and what keeps it.
    TimedOut(String),
}

/// What a ticket waits for in one service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Awaiting {
    /// A run that is not on its way out is ready, or ran to its end with success.
    Up,
    /// As `Up`, and nothing of an exchange is left to be done.
    Exchanged,
    /// Its tree is empty.
    Down,
    /// As `Down`, of one that the config has no more; if it has it again and wants it, as `Up`.
    Gone,
    /// As `procman wait` asks; nobody promised that it will come to pass.
    Seen(Awaited),
}

/// A command under way.
#[derive(Debug, Clone)]
pub(super) struct Ticket {
    pub(super) awaited: BTreeMap<ServiceName, Awaiting>,
    /// The verdicts so far.
    pub(super) answer: Answer,
    pub(super) deadline: Option<Moment>,
}
