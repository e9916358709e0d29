//! What procman does when it is called `supervisorctl`: the same options, actions, words and exit codes, so that scripts
//! cannot tell the difference. It asks over XML-RPC, procman or a supervisord. Deliberately absent: Python's tracebacks; an
//! action that could not be carried out says so in one line, as supervisorctl does for most.

/// The actions.
mod actions;
/// What the tabulator key offers.
mod complete;
/// From the words to the exit code.
pub(super) mod entry;
/// `help`.
mod help;
/// Ctrl-C.
mod interrupts;
/// A line of words, and what becomes of it.
mod line;
/// Names of groups and processes.
mod namespec;
/// The command line and `[supervisorctl]`.
mod options;
/// Who types, and who reads.
mod person;
/// Failures as Python prints them.
mod python;
/// The server, as the actions see it.
mod server;
/// What lasts from one action to the next.
mod session;
/// The lines that are typed one after another.
mod shell;
/// The server over a connection.
mod wire;

#[cfg(test)]
mod tests;
