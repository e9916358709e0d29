//! Why runs end: what they said at last, what procman did to them, and the record of both.

/// Who had procman end runs.
pub mod askers;
/// What an end is put down to.
pub mod classify;
/// The ends of runs, as the engine sees them.
pub mod ends;
/// Records, written and read beside the engine.
pub mod recorder;
/// What the last lines of standard error say.
pub mod said;
