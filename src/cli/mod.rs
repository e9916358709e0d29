//! The command line: words in, words and an exit code out. It may use every room but machine, sys and probe. Data goes to
//! standard output, talk to standard error. Deliberately absent: anything that a program could not do over the socket,
//! but for what must work when nobody answers.

/// The arguments, as typed.
pub mod args;
/// The arguments of `why` and `history`.
pub mod cause_args;
/// The commands, one file each.
mod commands;
/// What every command starts from.
mod context;
/// The arguments of `enable` and `disable`.
pub mod enable_args;
/// From the arguments to the exit code.
pub mod entry;
/// What goes wrong, in words and exit codes.
mod failure;
/// The arguments of `graph`.
pub mod graph_args;
/// The arguments of `import`.
pub mod import_args;
/// Ctrl-C.
mod interrupt;
/// The arguments of `start`, `stop` and `kill`.
pub mod order_args;
/// Printing that survives a reader who leaves.
mod output;
/// What people see.
mod render;
/// The arguments of `restart` and `scale`.
pub mod restart_args;
/// Being called by another program's name.
mod shim;
/// The arguments of `supervise`.
pub mod supervise_args;
/// Being `supervisorctl`.
mod supervisorctl;
/// Being `supervisord`.
mod supervisord;

#[cfg(test)]
mod tests;
