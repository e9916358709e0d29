//! One attempt at one question to a service, with one deadline. It may use vocab, spec and sys. Deliberately absent:
//! schedules, retries and verdicts about health, which are the machine's.

/// Asking an interpreter about scripts.
mod compile;
/// One request by HTTP and its answer.
mod exchange;
/// Running a command.
pub mod exec;
/// Why an attempt did not pass.
pub mod failed;
/// A file that the service touches again and again.
pub mod heartbeat;
/// Asking by HTTP.
pub mod http;
/// Asking what a start would need, before there is one.
pub mod preflight;
/// Connecting.
pub mod tcp;
/// Posting to an address.
pub mod webhook;
