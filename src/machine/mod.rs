//! The pure machine: events in, actions out, the clock passed in. It never fails, never waits, never reads a clock and
//! never touches the system; whatever it decides can be replayed from a seed. It may use vocab and spec. Deliberately
//! absent: pids to signal (it says which run, the daemon's wardens know the process), files, sockets, and threads.

/// What it asks for.
pub mod action;
/// How long to wait after a failure.
pub mod backoff;
/// What the end of a run is put down to.
pub mod blame;
/// What a command sets in motion.
mod command;
/// What a port that somebody else holds means for a service.
mod conflict;
/// What is due next.
mod deadlines;
/// Seeded chance.
pub mod dice;
/// What a replaced run may still do.
pub mod drain;
/// What it is told.
pub mod event;
/// A rolling exchange: an understudy beside the run that counts.
pub mod exchange;
/// Why a service is not running, in one sentence.
pub mod explain;
/// Who goes down when what it needs does.
pub mod fall;
/// All services together: the one entry, `Fleet::handle`.
pub mod fleet;
/// Runs whose main process is another than the one that they began with.
mod handover;
/// What is run on occasions of a service, and what waits for it.
mod hooks;
/// Whether a command has reached what it was given for.
pub mod judge;
/// Who has to end before whom.
mod leavers;
/// What of a service outlives its supervisor.
pub mod memory;
/// Who may start, and who may be stopped.
pub mod order;
/// Where a service stands.
pub mod phase;
/// How a live run proves itself, look by look.
pub mod proof;
/// What has to be told of services that look different.
mod publish;
/// How a new config, or the memory of an earlier supervisor, is taken over.
mod reload;
/// Another run in the place of one that is too old.
mod renewal;
/// The runs that a service has.
mod runs;
/// What the times of a schedule do.
pub mod schedule;
/// One service: how each event moves it.
pub mod service;
/// How often it may start.
mod starts;
/// When the steps of a start were done.
pub mod startup;
/// Commands that wait for their result.
pub mod ticket;
/// What comes of the passing of time.
mod timer;
/// What keeps a service from being well.
pub mod trouble;
/// Whose turn it is to be exchanged.
mod turn;

/// What a run that is up is looked after by, beyond its checks.
mod upkeep;
/// What a change of watched files does.
mod watch;

/// Thousands of seeded worlds.
#[cfg(test)]
mod sim;
#[cfg(test)]
mod tests;
