//! One attempt at one question to a service, with one deadline. It may use vocab, spec and sys. Deliberately absent:
//! schedules, retries and verdicts about health, which are the machine's.

/// Asking over TCP and HTTP.
pub mod attempt;
