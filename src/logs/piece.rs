/// What stands before a piece of what was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PieceBegin {
    /// Nothing: a line begins.
    Line,
    /// More of the same line.
    Midst,
}

/// What follows a piece of what was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PieceEnd {
    /// A newline.
    Line,
    /// More of the same line, which is longer than a piece may be, or whose rest has not come.
    GoesOn,
    /// Nothing.
    Open,
}
