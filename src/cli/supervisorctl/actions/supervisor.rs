use std::io::ErrorKind;

use crate::cli::supervisorctl::python::Trouble;
use crate::cli::supervisorctl::session::{Mode, Session, exits};
use crate::protocol::xmlrpc::fault::FaultCode;

pub(in crate::cli::supervisorctl) const SHUTDOWN: &str = "shutdown \tShut the remote supervisord down.";
pub(in crate::cli::supervisorctl) const RELOAD: &str = "reload \t\tRestart the remote supervisord.";
pub(in crate::cli::supervisorctl) const VERSION: &str =
    "version\t\t\tShow the version of the remote supervisord process";

/// Whether an action that takes no words was given none; otherwise that is said.
pub(super) fn is_alone(session: &mut Session<'_>, action: &str, rest: &str, help: &str) -> bool {
    if !rest.is_empty() {
        session.fail(&format!("Error: {action} accepts no arguments"), exits::GENERIC);
        session.say(help);
    }
    rest.is_empty()
}

/// Ends the supervisor. It is told so; when it is over nobody waits for.
pub(in crate::cli::supervisorctl) fn shutdown(session: &mut Session<'_>, rest: &str) -> Result<(), Trouble> {
    if !is_alone(session, "shutdown", rest, SHUTDOWN)
        || !is_sure(session, "Really shut the remote supervisord process down y/N? ")?
    {
        return Ok(());
    }
    match session.call("shutdown", Vec::new()) {
        Ok(_) => session.say("Shut down"),
        Err(Trouble::Fault(fault)) if fault.code == FaultCode::ShutdownState.number() => {
            session.say("ERROR: already shutting down");
        }
        Err(trouble) => {
            session.exit = exits::GENERIC;
            let why = match trouble.connect_error() {
                Some(ErrorKind::ConnectionRefused) => "refused connection",
                Some(ErrorKind::NotFound) => "no such file",
                Some(_) | None => return Err(trouble),
            };
            session.say(&format!("ERROR: {} {why} (already shut down?)", session.server.url()));
        }
    }
    Ok(())
}

/// Starts the supervisor and everything afresh.
pub(in crate::cli::supervisorctl) fn reload(session: &mut Session<'_>, rest: &str) -> Result<(), Trouble> {
    if !is_alone(session, "reload", rest, RELOAD)
        || !is_sure(session, "Really restart the remote supervisord process y/N? ")?
    {
        return Ok(());
    }
    match session.call("restart", Vec::new()) {
        Ok(_) => session.say("Restarted supervisord"),
        Err(Trouble::Fault(fault)) if fault.code == FaultCode::ShutdownState.number() => {
            session.fail("ERROR: already shutting down", exits::GENERIC);
        }
        Err(trouble) => return Err(trouble),
    }
    Ok(())
}

/// A person is asked; a script is sure.
fn is_sure(session: &mut Session<'_>, question: &str) -> Result<bool, Trouble> {
    match session.mode {
        Mode::Batch => Ok(true),
        Mode::Interactive => {
            let answer = session.person.ask(question)?;
            Ok(answer.to_lowercase().starts_with('y'))
        }
    }
}

/// The version of the supervisor that answers.
pub(in crate::cli::supervisorctl) fn version(session: &mut Session<'_>, rest: &str) -> Result<(), Trouble> {
    if !is_alone(session, "version", rest, VERSION) || !session.is_up()? {
        return Ok(());
    }
    let version = session.call("getSupervisorVersion", Vec::new())?;
    let version = version.as_str().ok_or_else(|| Trouble::Strange("the version is no text".to_owned()))?;
    session.say(version);
    Ok(())
}
