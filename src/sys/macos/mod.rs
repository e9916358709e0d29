//! macOS: libproc, sysctl, kqueue.

/// One process by libproc.
pub(super) mod process;
/// The end of a process by kqueue(2).
pub(super) mod pidfd;
/// Listening sockets by libproc.
pub(super) mod listeners;
/// What else differs.
pub(super) mod rest;
