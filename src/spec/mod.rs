//! The validated fleet. If you hold one of these types, it is legal: durations are positive, names exist, the graph has no
//! cycle, no two services but replicas share a port. Constructors refuse; nobody re-checks. It may use vocab. Deliberately
//! absent: reading files, which is `config`'s.

/// How old a run may become.
pub mod age;
/// All services together with their supervisor's settings.
pub mod fleet;
/// Who depends on whom, proven to have no cycle.
pub mod graph;
/// How a service is proven to work.
pub mod health;
/// Sockets that the supervisor holds.
pub mod hold;
/// Commands on occasions in the life of a service.
pub mod hooks;
/// What a service may use.
pub mod limits;
/// What a listener is told of.
pub mod listener;
/// Where output goes.
pub mod log;
/// When a run is followed by another, and how a run is ended.
pub mod policy;
/// Several processes of one declared service.
pub mod replicas;
/// Times at which a service is started.
pub mod schedule;
/// Which script a command line plainly runs.
pub mod script;
/// One service.
pub mod service;
/// The supervisor's own settings.
pub mod supervisor;
/// Who is told when services change.
pub mod target;
/// Files whose change starts a service again.
pub mod watch;
