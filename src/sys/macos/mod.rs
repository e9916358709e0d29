//! macOS: libproc, sysctl, kqueue.

/// Control groups, of which there are none.
pub(super) mod cgroup;
/// Listening sockets by libproc.
pub(super) mod listeners;
/// The end of a process by kqueue(2).
pub(super) mod pidfd;
/// One process by libproc.
pub(super) mod process;
/// What becomes of directories, by kqueue(2).
pub(super) mod removal;
/// What else differs.
pub(super) mod rest;
