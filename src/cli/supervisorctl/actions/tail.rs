use crate::cli::supervisorctl::python::Trouble;
use crate::cli::supervisorctl::server::Followed;
use crate::cli::supervisorctl::session::{Session, exits};
use crate::config::supervisord::python::repr;
use crate::protocol::xmlrpc::fault::FaultCode;
use crate::protocol::xmlrpc::value::Value;

pub(in crate::cli::supervisorctl) const HELP: &str = "\
tail [-f] <name> [stdout|stderr] (default stdout)
Ex:
tail -f <name>\t\tContinuous tail of named process stdout
\t\t\tCtrl-C to exit.
tail -100 <name>\tlast 100 *bytes* of process stdout
tail <name> stderr\tlast 1600 *bytes* of process stderr";

pub(in crate::cli::supervisorctl) const MAINTAIL: &str = "\
maintail -f \tContinuous tail of supervisor main log file (Ctrl-C to exit)
maintail -100\tlast 100 *bytes* of supervisord main log file
maintail\tlast 1600 *bytes* of supervisor main log file
";

/// So many bytes are shown unless another number is said.
const BYTES: i64 = 1600;

/// What a word behind a dash asks for.
enum Reach {
    Bytes(i64),
    Follow,
}

impl Reach {
    /// `-f`, or `-N` with a number as Python reads one.
    fn parse(word: &str) -> Option<Self> {
        let what = word.strip_prefix('-')?;
        if what == "f" {
            return Some(Self::Follow);
        }
        crate::config::supervisord::python::int(what).ok().map(Self::Bytes)
    }
}

/// The end of a process' log, or what comes in.
pub(in crate::cli::supervisorctl) fn tail(session: &mut Session<'_>, rest: &str) -> Result<(), Trouble> {
    if !session.is_up()? {
        return Ok(());
    }
    let mut words: Vec<&str> = rest.split_whitespace().collect();
    if words.is_empty() || words.len() > 3 {
        let many = if words.is_empty() { "few" } else { "many" };
        session.fail(&format!("Error: too {many} arguments"), exits::GENERIC);
        session.say(HELP);
        return Ok(());
    }
    let modifier = words[0].starts_with('-').then(|| words.remove(0));
    let (name, channel) = match words.as_slice() {
        [] => {
            session.fail("Error: tail requires process name", exits::GENERIC);
            return Ok(());
        }
        [name] => (*name, "stdout".to_owned()),
        [name, .., channel] => (*name, channel.to_lowercase()),
    };
    let method = match channel.as_str() {
        "stdout" => "readProcessStdoutLog",
        "stderr" => "readProcessStderrLog",
        _ => {
            session.fail(&format!("Error: bad channel {}", repr(&channel)), exits::GENERIC);
            return Ok(());
        }
    };
    match modifier.map_or(Some(Reach::Bytes(BYTES)), Reach::parse) {
        None => bad_argument(session, modifier.unwrap_or_default()),
        Some(Reach::Follow) => follow(session, &format!("/logtail/{name}/{channel}")),
        Some(Reach::Bytes(bytes)) => {
            let log = session.call(method, vec![name.into(), bytes.saturating_neg().into(), 0.into()]);
            return show(session, name, log, &[(FaultCode::BadName, "no such process name")]);
        }
    }
    Ok(())
}

/// The end of the supervisor's own log, or what comes in.
pub(in crate::cli::supervisorctl) fn maintail(session: &mut Session<'_>, rest: &str) -> Result<(), Trouble> {
    if !session.is_up()? {
        return Ok(());
    }
    let words: Vec<&str> = rest.split_whitespace().collect();
    let word = match words.as_slice() {
        [] => None,
        [word] => Some(*word),
        [_, _, ..] => {
            session.fail("Error: too many arguments", exits::GENERIC);
            session.say(MAINTAIL);
            return Ok(());
        }
    };
    match word.map_or(Some(Reach::Bytes(BYTES)), Reach::parse) {
        None => bad_argument(session, word.unwrap_or_default()),
        Some(Reach::Follow) => follow(session, "/mainlogtail"),
        Some(Reach::Bytes(bytes)) => {
            let log = session.call("readLog", vec![bytes.saturating_neg().into(), 0.into()]);
            return show(session, "supervisord", log, &[]);
        }
    }
    Ok(())
}

fn bad_argument(session: &mut Session<'_>, word: &str) {
    session.fail(&format!("Error: bad argument {word}"), exits::GENERIC);
}

fn follow(session: &mut Session<'_>, path: &str) {
    session.say("==> Press Ctrl-C to exit <==");
    match session.server.follow(path) {
        Followed::Over => (),
        Followed::Interrupted => session.say(""),
    }
}

/// Prints a piece of log, or the words for why there is none.
fn show(
    session: &mut Session<'_>,
    name: &str,
    log: Result<Value, Trouble>,
    more: &[(FaultCode, &str)],
) -> Result<(), Trouble> {
    let log = match log {
        Ok(log) => log,
        Err(Trouble::Fault(fault)) => {
            let common =
                [(FaultCode::NoFile, "no log file"), (FaultCode::Failed, "unknown error reading log")];
            let known = common.iter().chain(more).find(|(code, _)| code.number() == fault.code);
            let Some((_, words)) = known else { return Err(fault.into()) };
            session.fail(&format!("{name}: ERROR ({words})"), exits::GENERIC);
            return Ok(());
        }
        Err(trouble) => return Err(trouble),
    };
    let text = log.as_str().ok_or_else(|| Trouble::Strange("the log is no text".to_owned()))?;
    session.say(text);
    Ok(())
}
