use super::stop::{self, Each};
use crate::cli::supervisorctl::python::Trouble;
use crate::cli::supervisorctl::session::{Session, exits};

pub(in crate::cli::supervisorctl) const HELP: &str = "\
signal <signal name> <name>\t\tSignal a process
signal <signal name> <gname>:*\t\tSignal all processes in a group
signal <signal name> <name> <name>\tSignal multiple processes or groups
signal <signal name> all\t\tSignal all processes";

/// Sends a signal to processes.
pub(in crate::cli::supervisorctl) fn signal(session: &mut Session<'_>, rest: &str) -> Result<(), Trouble> {
    if !session.is_up()? {
        return Ok(());
    }
    let words: Vec<&str> = rest.split_whitespace().collect();
    let [signal, names @ ..] = words.as_slice() else { return too_few(session) };
    if names.is_empty() {
        return too_few(session);
    }
    Each {
        methods: ["signalAllProcesses", "signalProcessGroup", "signalProcess"],
        more: Some(signal),
        words: &|outcome| stop::words(outcome, "signalled"),
        ignored: None,
        no_such_group: exits::GENERIC,
    }
    .of(session, names)
}

fn too_few(session: &mut Session<'_>) -> Result<(), Trouble> {
    session.fail("Error: signal requires a signal name and a process name", exits::GENERIC);
    session.say(HELP);
    Ok(())
}
