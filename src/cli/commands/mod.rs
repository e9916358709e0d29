//! The commands, one file each.

/// `check`.
pub(super) mod check;
/// `down`.
pub(super) mod down;
/// `restart --emergency`.
pub(super) mod emergency;
/// `enable` and `disable`.
pub(super) mod enable;
/// `events`.
pub(super) mod events;
/// `flush`.
pub(super) mod flush;
/// `graph`.
pub(super) mod graph;
/// `history`.
pub(super) mod history;
/// `import`.
pub(super) mod import;
/// `log-level`.
pub(super) mod log_level;
/// `logs`.
pub(super) mod logs;
/// What can be said when no supervisor answers.
pub(super) mod offline;
/// `start`, `stop`, `kill`, `signal`, `wait`.
pub(super) mod order;
/// `ports`.
pub(super) mod ports;
/// What is looked at before anything that runs is touched.
pub(super) mod preflight;
/// `reload`.
pub(super) mod reload;
/// `restart`.
pub(super) mod restart;
/// `restart --rolling`.
pub(super) mod rolling;
/// `logs --rotate-now`.
pub(super) mod rotate;
/// `run`.
pub(super) mod run;
/// `scale`.
pub(super) mod scale;
/// `status`.
pub(super) mod status;
/// The supervisor itself, detached or in the foreground.
pub(super) mod supervise;
/// Pieces that restarts of the whole system share.
pub(super) mod system;
/// `completions` and `man`.
pub(super) mod texts;
/// One restart of the whole system at a time.
pub(super) mod turn;
/// `up`.
pub(super) mod up;
/// `upgrade`.
pub(super) mod upgrade;
/// `restart` and `restart --quick`: the whole system, gracefully.
pub(super) mod whole;
/// `why`.
pub(super) mod why;
