//! Words that every room shares. They mean one thing each, and refuse what is not legal when they are made. It may use no
//! other room. Deliberately absent: the operating system, with its calls, clocks and files.

/// Pieces of process trees.
pub mod branch;
/// Why runs ended, and the record of that.
pub mod cause;
/// Who a process runs as.
pub mod credentials;
/// Whether a service starts by itself, as people said.
pub mod enablement;
/// A process that cannot be mistaken for a later one with the same pid.
pub mod identity;
/// How many of the last lines are meant.
pub mod line_count;
/// Where sockets listen.
pub mod listen;
/// How much the supervisor's own log tells.
pub mod log_level;
/// What stands between the lines of two runs.
pub mod mark;
/// Durations and sizes as people write them.
pub mod measure;
/// Points in time since boot.
pub mod moment;
/// Names of services and the words that select many of them.
pub mod name;
/// What a misspelt word may stand for.
pub mod nearest;
/// How a run ended.
pub mod outcome;
/// TCP ports, and who holds them.
pub mod port;
/// The restart modes as data: which steps, in which order.
pub mod restart;
/// What the system holds a process to.
pub mod rlimits;
/// One life of a service, and the tag that its processes carry.
pub mod run;
/// Which of them a command means: `all`, `group:*`, globs.
pub mod selection;
/// Lines of others, fit to be shown.
pub mod shown;
/// Signals by their names.
pub mod signal;
/// States and health in supervisord's words.
pub mod state;
/// A service's two outputs.
pub mod stream;
/// Texts that are not what they should be, with a way out.
pub mod unfit;
/// Points in time as people type them.
pub mod when;
