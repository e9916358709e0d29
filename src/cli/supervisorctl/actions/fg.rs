use crate::cli::supervisorctl::python::Trouble;
use crate::cli::supervisorctl::server::{ProcessInfo, RUNNING};
use crate::cli::supervisorctl::session::{Session, exits};
use crate::config::supervisord::python::repr;
use crate::protocol::xmlrpc::fault::{Fault, FaultCode};

pub(in crate::cli::supervisorctl) const HELP: &str =
    "fg <process>\tConnect to a process in foreground mode\n\t\tCtrl-C to exit";

/// Shows what a process writes, and gives it the lines that are typed.
pub(in crate::cli::supervisorctl) fn fg(session: &mut Session<'_>, rest: &str) -> Result<(), Trouble> {
    if !session.is_up()? {
        return Ok(());
    }
    let names: Vec<&str> = rest.split_whitespace().collect();
    let name = match names.as_slice() {
        [] => {
            session.fail("ERROR: no process name supplied", exits::GENERIC);
            session.say(HELP);
            return Ok(());
        }
        [name] => *name,
        [_, _, ..] => {
            session.fail("ERROR: too many process names supplied", exits::GENERIC);
            return Ok(());
        }
    };
    let info = match session.call("getProcessInfo", vec![name.into()]) {
        Ok(info) => ProcessInfo::of(&info)?,
        Err(Trouble::Fault(fault)) if fault.code == FaultCode::BadName.number() => {
            session.fail("ERROR: bad process name supplied", exits::GENERIC);
            return Ok(());
        }
        Err(Trouble::Fault(fault)) => {
            session.say(&error(&fault));
            return Ok(());
        }
        Err(trouble) => return Err(trouble),
    };
    if info.state != RUNNING {
        session.fail("ERROR: process not running", exits::GENERIC);
        return Ok(());
    }
    session.say("==> Press Ctrl-C to exit <==");
    let channels = ["stdout", "stderr"].map(|channel| format!("/logtail/{name}/{channel}"));
    let beside = session.server.follow_beside(&channels);
    let said = type_into(session, name);
    drop(beside);
    session.say("Exiting foreground");
    said
}

/// Passes lines on until there are no more or the process is gone.
fn type_into(session: &mut Session<'_>, name: &str) -> Result<(), Trouble> {
    loop {
        let line = match session.person.ask("") {
            Ok(line) => line,
            Err(Trouble::EndOfInput | Trouble::Interrupted) => return Ok(()),
            Err(trouble) => return Err(trouble),
        };
        match session.call("sendProcessStdin", vec![name.into(), format!("{line}\n").into()]) {
            Ok(_) => (),
            Err(Trouble::Fault(fault)) => {
                let is_gone = fault.code == FaultCode::NotRunning.number();
                session.say(&if is_gone { "Process got killed".to_owned() } else { error(&fault) });
                return Ok(());
            }
            Err(trouble) => return Err(trouble),
        }
        let info = session.call("getProcessInfo", vec![name.into()])?;
        if ProcessInfo::of(&info)?.state != RUNNING {
            session.say("Process got killed");
            return Ok(());
        }
    }
}

fn error(fault: &Fault) -> String {
    format!("ERROR: <Fault {}: {}>", fault.code, repr(&fault.text))
}
