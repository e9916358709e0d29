//! Words that every room shares. They mean one thing each, refuse what is not legal when they are made, and
//! know nothing of the operating system: no calls, no clocks, no files.

/// Names of services and the words that select many of them.
pub mod name;
/// Which of them a command means: `all`, `group:*`, globs.
pub mod selection;
/// One life of a service, and the tag that its processes carry.
pub mod run;
/// A process that cannot be mistaken for a later one with the same pid.
pub mod identity;
/// How a run ended.
pub mod outcome;
/// Signals by their names.
pub mod signal;
/// TCP ports, and who holds them.
pub mod port;
/// Points in time since boot.
pub mod moment;
/// Durations and sizes as people write them.
pub mod measure;
/// States and health in supervisord's words.
pub mod state;
/// The restart modes as data: which steps, in which order.
pub mod restart;
