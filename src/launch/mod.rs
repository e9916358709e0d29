//! Starts a supervisor in the background and waits until it says that it is ready, or why it is not. It may use vocab,
//! sys and rundir. Deliberately absent: talking to it afterwards, which is the client's.

/// Starting it.
pub mod detached;
