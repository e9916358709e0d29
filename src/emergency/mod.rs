//! What is done when nothing can be trusted to answer: look at the run directory, the process table and the ports; make
//! a plan that can be read; carry it out. No async, no socket, and no config is needed to kill. It may use vocab, spec,
//! sys, rundir, launch and ports. Deliberately absent: starting anything before everything old is proven gone.

/// Doing it.
pub mod execute;
/// What there is.
pub mod observe;
/// What is to be done about it, in order.
pub mod plan;
/// Which file a command line runs.
pub mod program;
