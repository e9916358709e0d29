use std::time::Instant;

/// How far a turn goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// As far as the pace asks.
    Paced,
    /// Until the pipe is empty, or holds what is not whole yet.
    Whole,
    /// Until the pipe is empty of lines, also of one that has no end.
    OpenLine,
}

/// What came of a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// The pipe is empty, or what is in it may gather.
    Done,
    /// The turn was used up; there is more.
    More,
    /// The disk is stuck.
    Stuck(Instant),
    /// A target has no room.
    Full,
}
