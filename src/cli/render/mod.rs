//! What people see: tables, steps, progress. Colour never carries a meaning that the words do not.

/// Why services are as they are.
pub(super) mod cause;
/// The critical chain of a start.
pub(super) mod chain;
/// The graph for Graphviz.
pub(super) mod dot;
/// The graph as text.
pub(super) mod graph;
/// Lines of logs and the marks between them.
pub(super) mod log;
/// What happens while a command is under way.
pub(super) mod progress;
/// What a command came to.
pub(super) mod report;
/// Numbered and timed steps.
pub(super) mod steps;
/// The status table.
pub(super) mod table;
/// Times and durations.
pub(super) mod time;
/// Process trees.
pub(super) mod tree;
