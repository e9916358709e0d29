//! Linux: procfs, pidfds, netlink, cgroups.

/// Waiting for a time of the wall clock, by timerfd_create(2).
pub(super) mod alarm;
/// Bytes that arrive in pipes, by signals of fcntl(2).
pub(super) mod arrivals;
/// Control groups of version 2.
pub(super) mod cgroup;
/// Making a process by clone(2).
pub(super) mod child;
/// Being born in a cgroup by clone3(2).
mod clone;
/// Listening sockets by sock_diag(7).
pub(super) mod listeners;
/// The program's own pages.
pub(super) mod memory;
/// Datagrams with their senders.
pub(super) mod notify;
/// Pidfds: pidfd_open(2), pidfd_send_signal(2), PIDFD_GET_INFO.
pub(super) mod pidfd;
/// One process by proc(5).
pub(super) mod process;
/// What is removed from directories, by inotify(7).
pub(super) mod removal;
/// What else differs.
pub(super) mod rest;
/// Bytes from a pipe into a file.
pub(super) mod source;
