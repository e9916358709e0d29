//! Starts a supervisor in the background and waits until it says that it is ready, or why it is not; is its guardian; and
//! becomes a command in a service's place. It may use vocab, sys and rundir. Deliberately absent: talking to the supervisor
//! afterwards, which is the client's.

/// Becoming a command.
pub mod attached;
/// Starting it.
pub mod detached;
/// The small parent that brings a dead supervisor back.
pub mod guardian;
/// A supervisor that has lost its guardian, and gets another.
pub mod orphan;
/// A guardian's way to the procman on disk.
pub mod upgrade;
/// What a guardian does between two decisions.
mod watch;
