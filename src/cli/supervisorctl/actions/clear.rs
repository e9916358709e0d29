use super::stop::unknown_result;
use crate::cli::supervisorctl::namespec::{Namespec, shown};
use crate::cli::supervisorctl::python::Trouble;
use crate::cli::supervisorctl::server::Outcome;
use crate::cli::supervisorctl::session::{Session, exits};
use crate::protocol::xmlrpc::fault::FaultCode;

pub(in crate::cli::supervisorctl) const HELP: &str = "\
clear <name>\t\tClear a process' log files.
clear <name> <name>\tClear multiple process' log files
clear all\t\tClear all process' log files";

/// Empties logs.
pub(in crate::cli::supervisorctl) fn clear(session: &mut Session<'_>, rest: &str) -> Result<(), Trouble> {
    if !session.is_up()? {
        return Ok(());
    }
    let names: Vec<&str> = rest.split_whitespace().collect();
    if names.is_empty() {
        session.fail("Error: clear requires a process name", exits::GENERIC);
        session.say(HELP);
        return Ok(());
    }
    if names.contains(&"all") {
        for outcome in session.outcomes("clearAllProcessLogs", Vec::new())? {
            tell(session, &outcome)?;
        }
        return Ok(());
    }
    for name in names {
        let (status, description) = match session.call("clearProcessLogs", vec![name.into()]) {
            Ok(_) => (FaultCode::Success.number(), String::new()),
            Err(Trouble::Fault(fault)) => (fault.code, fault.text),
            Err(trouble) => return Err(trouble),
        };
        let Namespec { group, process } = Namespec::parse(name);
        // supervisorctl knows no groups here, and shows what Python calls nothing.
        let (group, name) = (group.to_owned(), process.unwrap_or("None").to_owned());
        tell(session, &Outcome { group, name, status, description })?;
    }
    Ok(())
}

fn tell(session: &mut Session<'_>, outcome: &Outcome) -> Result<(), Trouble> {
    let name = shown(&outcome.group, &outcome.name);
    let code = FaultCode::of(outcome.status);
    let line = if code == Some(FaultCode::Success) {
        format!("{name}: cleared")
    } else if code == Some(FaultCode::BadName) {
        format!("{name}: ERROR (no such process)")
    } else if code == Some(FaultCode::Failed) {
        format!("{name}: ERROR (failed)")
    } else {
        return Err(unknown_result(outcome.status, &name));
    };
    session.say(&line);
    session.exit_by(outcome.status, None);
    Ok(())
}
