//! Asks the supervisor over its control socket; every wait has a deadline. It may use vocab, protocol, rundir and sys.
//! Deliberately absent: what to do when nobody answers.

/// Asking it.
pub mod ask;
/// Reaching the supervisor.
pub mod connection;
/// Answers that come line by line.
pub mod lines;
/// XML-RPC, with any supervisor that speaks it.
pub mod rpc;
