//! procman: a process manager that holds its services' pids and ports directly, and proves what it reports.
//!
//! *The machine decides, the daemon does, the client asks; and when the daemon cannot answer, the run directory still
//! knows.* The modules stand in reading order, from the words that all share to the command line; each may use only
//! those of lower floors (ARCHITECTURE.md has the table, `tests/tidy.rs` holds it).

pub mod vocab;

pub mod protocol;
pub mod spec;
pub mod sys;

pub mod config;
pub mod logs;
pub mod machine;
pub mod ports;
pub mod probe;
pub mod rundir;

pub mod client;
pub mod daemon;
pub mod launch;

pub mod emergency;

pub mod cli;
