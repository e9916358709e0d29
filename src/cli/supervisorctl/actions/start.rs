use super::stop::{self, Each};
use crate::cli::supervisorctl::namespec::shown;
use crate::cli::supervisorctl::python::Trouble;
use crate::cli::supervisorctl::server::Outcome;
use crate::cli::supervisorctl::session::{Session, exits};
use crate::protocol::xmlrpc::fault::FaultCode;

pub(in crate::cli::supervisorctl) const HELP: &str = "\
start <name>\t\tStart a process
start <gname>:*\t\tStart all processes in a group
start <name> <name>\tStart multiple processes or groups
start all\t\tStart all processes";

pub(in crate::cli::supervisorctl) const RESTART: &str = "\
restart <name>\t\tRestart a process
restart <gname>:*\tRestart all processes in a group
restart <name> <name>\tRestart multiple processes or groups
restart all\t\tRestart all processes
Note: restart does not reread config files. For that, see reread and update.";

/// Starts processes, one name after the other, and waits until each is up.
pub(in crate::cli::supervisorctl) fn start(session: &mut Session<'_>, rest: &str) -> Result<(), Trouble> {
    if !session.is_up()? {
        return Ok(());
    }
    let names: Vec<&str> = rest.split_whitespace().collect();
    if names.is_empty() {
        session.fail("Error: start requires a process name", exits::INVALID_ARGS);
        session.say(HELP);
        return Ok(());
    }
    Each {
        methods: ["startAllProcesses", "startProcessGroup", "startProcess"],
        more: None,
        words: &words,
        ignored: Some(FaultCode::AlreadyStarted),
        no_such_group: exits::INVALID_ARGS,
    }
    .of(session, &names)
}

fn words(outcome: &Outcome) -> Result<String, Trouble> {
    let name = shown(&outcome.group, &outcome.name);
    let error = match FaultCode::of(outcome.status) {
        Some(FaultCode::Success) => return Ok(format!("{name}: started")),
        Some(FaultCode::BadName) => "no such process",
        Some(FaultCode::NoFile) => "no such file",
        Some(FaultCode::NotExecutable) => "file is not executable",
        Some(FaultCode::AlreadyStarted) => "already started",
        Some(FaultCode::SpawnError) => "spawn error",
        Some(FaultCode::AbnormalTermination) => "abnormal termination",
        Some(
            FaultCode::UnknownMethod
            | FaultCode::IncorrectParameters
            | FaultCode::BadArguments
            | FaultCode::SignatureUnsupported
            | FaultCode::ShutdownState
            | FaultCode::BadSignal
            | FaultCode::Failed
            | FaultCode::NotRunning
            | FaultCode::AlreadyAdded
            | FaultCode::StillRunning
            | FaultCode::CantReread,
        )
        | None => return Err(stop::unknown_result(outcome.status, &name)),
    };
    Ok(format!("{name}: ERROR ({error})"))
}

/// Stops, then starts.
pub(in crate::cli::supervisorctl) fn restart(session: &mut Session<'_>, rest: &str) -> Result<(), Trouble> {
    if !session.is_up()? {
        return Ok(());
    }
    if rest.is_empty() {
        session.fail("Error: restart requires a process name", exits::GENERIC);
        session.say(RESTART);
        return Ok(());
    }
    stop::stop(session, rest)?;
    start(session, rest)
}
