//! What survives the daemon: the state directory with its lock, journal and channels. Any process that knows the config
//! file finds everything here, whether a daemon answers, hangs or is dead. It may use vocab and sys. Deliberately
//! absent: any decision about what to do with what is found.

/// The config that the supervisor acts on.
pub mod applied;
/// Where the cgroups of the fleet's runs are.
pub mod cgroups;
/// The named pipes that carry the services' output.
pub mod channel;
/// What people said of whether services start by themselves.
pub mod enabled;
/// What is kept of the beginnings and ends of runs.
pub mod history;
/// The record of live runs.
pub mod journal;
/// Processes that an earlier supervisor left.
pub mod leftovers;
/// The proof that one supervisor at most is alive.
pub mod lock;
/// Beginnings and ends of runs, for whoever reads logs.
pub mod marks;
/// Where each file lies.
pub mod paths;
/// Whom scripts are to signal.
pub mod pidfile;
/// Replacing a file as a whole.
mod replace;
/// Which of the processes of procman's own is the supervisor.
pub mod roles;
/// Whether there are other services.
mod roster_watch;
/// One restart of the whole system at a time.
pub mod turn;
/// Runs whose end nobody has recorded.
pub mod unended;
/// What an upgrade came to.
pub mod upgrade;
