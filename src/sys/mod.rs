//! The only raw system calls and the only `unsafe`. One set of names over Linux and macOS; what differs lives in
//! `linux/` and `macos/`. It may use vocab. Deliberately absent: policy. Nothing here decides whom to signal.

/// The clocks.
pub mod clock;
/// Users.
pub mod user;
/// One process: who it is, what it runs, what it uses.
pub mod process;
/// Process trees.
pub mod tree;
/// Signals to processes that are proven to be meant.
pub mod signal;
/// The end of processes: seeing it, and reaping.
pub mod exit;
/// Making a process.
pub mod spawn;
/// Making a process that outlives its maker's terminal.
pub mod detach;
/// Who listens on which port.
pub mod listeners;
/// Locks that end with their holder.
pub mod lock;
/// Named pipes.
pub mod pipe;
/// Resource limits of this process.
pub mod limits;

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "macos")]
mod macos;

#[cfg(target_os = "linux")]
use linux as os;
#[cfg(target_os = "macos")]
use macos as os;
