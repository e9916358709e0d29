//! The async shell around the pure machine: it does what the machine decides and tells it what happens. One thread, one
//! owner of all state (the engine), messages between the rest. Deliberately absent: decisions.

/// From a config file to a running engine, or to the reason why not.
pub mod boot;
/// The journal, kept up to date.
pub mod diary;
/// The sole owner of the state.
pub mod engine;
/// What ends all, by the config.
pub mod exit_on;
/// The guardian, and another when it has ended.
pub mod guardianship;
/// The control socket.
pub mod http;
/// The last lines of standard error of a run.
pub mod last_words;
/// One look at a live run: ports held, check passed.
pub mod look;
/// What reaches the engine.
pub mod mailbox;
/// The run directory, put right again.
pub mod mending;
/// CPU and memory of process trees.
pub mod meter;
/// What clients ask for, in the machine's words.
pub mod orders;
/// What a supervisor before this one left.
pub mod past;
/// What the machine asks for, done.
pub mod perform;
/// Signals that the supervisor itself gets.
pub mod signals;
/// Status as seen from inside.
pub mod view;
/// One run's process, watched and ended with its whole tree.
pub mod warden;
