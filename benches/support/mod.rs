//! What the benches share. Each bench is a program of its own and uses its part of this.

/// Medians, and the lines that are printed.
pub(crate) mod figures;
/// A private directory whose processes end with it.
pub(crate) mod place;
/// What /proc says of processes and listeners.
pub(crate) mod proc;
/// The real binary on a config of its own.
pub(crate) mod procman;
/// The services that are supervised: one small C program.
pub(crate) mod service;
/// supervisord from PyPI, to compare with.
pub(crate) mod supervisord;
/// Services that write as fast as they can.
pub(crate) mod writers;
