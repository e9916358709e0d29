//! macOS: libproc, sysctl, kqueue.

/// Waiting for a time of the wall clock.
pub(super) mod alarm;
/// Bytes that arrive in pipes, by kqueue(2).
pub(super) mod arrivals;
/// Control groups, of which there are none.
pub(super) mod cgroup;
/// Making a process by fork(2).
pub(super) mod child;
/// Listening sockets by libproc.
pub(super) mod listeners;
/// Datagrams with their senders.
pub(super) mod notify;
/// The end of a process by kqueue(2).
pub(super) mod pidfd;
/// One process by libproc.
pub(super) mod process;
/// What becomes of directories, by kqueue(2).
pub(super) mod removal;
/// What else differs.
pub(super) mod rest;
/// Bytes from a pipe into a file.
pub(super) mod source;
