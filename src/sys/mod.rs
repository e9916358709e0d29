//! The only raw system calls and the only `unsafe`. One set of names over Linux and macOS; what differs lives in
//! `linux/` and `macos/`. It may use vocab. Deliberately absent: policy. Nothing here decides whom to signal.

/// Waiting for a time of the wall clock.
pub mod alarm;
/// Bytes that arrive in pipes.
pub mod arrivals;
/// Control groups, which hold together whatever a run forks.
pub mod cgroup;
/// The clocks.
pub mod clock;
/// The numbers of descriptors.
pub mod descriptor;
/// Making a process that outlives its maker's terminal.
pub mod detach;
/// What supervisors leave to each other.
pub mod estate;
/// The end of processes: seeing it, and reaping.
pub mod exit;
/// Many process trees at one look.
pub mod forest;
/// Copies of this process, and the signals and children of the one that stays.
pub mod fork;
/// Listening sockets handed to a process that is made.
pub mod handover;
/// What earlier looks at processes have read, as long as it is true.
pub mod known;
/// Descriptors that outlive the process that put them away.
pub mod letterbox;
/// Resource limits of this process.
pub mod limits;
/// Opening sockets that listen.
pub mod listen;
/// Who listens on which port.
pub mod listeners;
/// Locks that end with their holder.
pub mod lock;
/// The memory of this process.
pub mod memory;
/// Datagrams of sd_notify(3), with their senders.
pub mod notify;
/// Outputs that others write to as well.
pub mod output;
/// Two sockets that outlive the process that made them.
mod pair;
/// Named pipes.
pub mod pipe;
/// One process: who it is, what it runs, what it uses.
pub mod process;
/// Seeing that files were taken away.
pub mod removal;
/// Signals to processes that are proven to be meant.
pub mod signal;
/// The peers of sockets.
pub mod socket;
/// Bytes from a pipe into a file.
pub mod source;
/// Room on the disk for what a file will hold.
pub mod space;
/// Making a process.
pub mod spawn;
/// Descriptors that outlive their processes.
pub mod stash;
/// How a thread stands beside others.
pub mod thread;
/// Process trees.
pub mod tree;
/// Users.
pub mod user;
/// Whether files can be written, before they are.
pub mod writable;

#[cfg(target_os = "linux")]
#[path = "linux/mod.rs"]
mod os;
#[cfg(target_os = "macos")]
#[path = "macos/mod.rs"]
mod os;
