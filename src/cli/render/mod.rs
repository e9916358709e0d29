//! What people see: tables, steps, progress. Colour never carries a meaning that the words do not.

/// What happens while a command is under way.
pub(super) mod progress;
/// What a command came to.
pub(super) mod report;
/// Numbered and timed steps.
pub(super) mod steps;
/// The status table.
pub(super) mod table;
/// Process trees.
pub(super) mod tree;
