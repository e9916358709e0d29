//! One file for each kind of action.

/// `clear`.
pub(super) mod clear;
/// `avail`, `reread`, `add`, `remove`, `update`.
pub(super) mod config;
/// `fg`.
pub(super) mod fg;
/// `open`.
pub(super) mod open;
/// `signal`.
pub(super) mod signal;
/// `start`, and `restart`, which stops first.
pub(super) mod start;
/// `status` and `pid`.
pub(super) mod status;
/// `stop`.
pub(super) mod stop;
/// `shutdown`, `reload`, `version`.
pub(super) mod supervisor;
/// All of them.
pub(super) mod table;
/// `tail` and `maintail`.
pub(super) mod tail;
