//! The simulation: whole fleets in virtual time, each world grown from one seed. A world plays the daemon, the
//! processes and the people around one machine, does the worst of each, and checks after every step what must always
//! hold. `PROCMAN_SIM_SEED=N` replays one world and tells its story; `PROCMAN_SIM_WORLDS=N` says how many are played.

/// What is due when.
mod agenda;
/// What ends are put down to.
mod blame;
/// What must hold after every step.
mod check;
/// A process with a character.
mod child;
/// What is due of whom, counted anew.
mod deadlines;
/// What the daemon does for the machine, its death, and its successor.
mod deputy;
/// Who goes down with whom.
mod falls;
/// Processes that make others the main ones of their runs.
mod handover;
/// What the next daemon must still know.
mod heritage;
/// Hooks, and when they may be run.
mod hooks;
/// Who has to end before whom, found out anew.
mod leavers;
/// The books on commands and publications.
mod ledger;
/// What people do.
mod operator;
/// How a world ends: faults stop, and the goal has to be reached.
mod peace;
/// What policies make of ends.
mod policy;
/// Runs that are too old, schedules, and limits of starts.
mod renewal;
/// Rolling exchanges.
mod rolling;
/// What is done about runs that are unhealthy.
mod sickness;
/// Random specs that are legal.
pub(super) mod spec_maker;
/// Who else listens on ports.
mod stranger;
/// What is measured of runs.
mod upkeep;
/// One world: its time, its daemon, and what happens next.
mod world;
/// The tests.
mod worlds;
