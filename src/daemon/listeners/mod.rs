//! Services that are told of events, by the protocol of supervisord's event listeners. Deliberately absent: what happens;
//! the engine tells it.

/// Everything that the engine keeps of them.
pub mod switchboard;

/// What the engine does for them.
mod engine;
/// One run's pipes.
pub(super) mod line;
/// What processes write, for listeners.
mod output;
/// Listeners that share their events.
mod pool;
/// What a listener says.
mod talk;
/// The clock's slices.
pub(super) mod ticks;
/// What is told of processes.
pub(super) mod words;
