use crate::cli::supervisorctl::namespec::{Namespec, shown};
use crate::cli::supervisorctl::python::Trouble;
use crate::cli::supervisorctl::server::{ProcessInfo, number};
use crate::cli::supervisorctl::session::{Session, exits};
use crate::protocol::xmlrpc::fault::FaultCode;

pub(in crate::cli::supervisorctl) const HELP: &str = "\
status <name>\t\tGet status for a single process
status <gname>:*\tGet status for all processes in a group
status <name> <name>\tGet status for multiple named processes
status\t\t\tGet all process status info";

pub(in crate::cli::supervisorctl) const PID: &str = "\
pid\t\t\tGet the PID of supervisord.
pid <name>\t\tGet the PID of a single child process by name.
pid all\t\t\tGet the PID of every child process, one per line.";

/// A name has room for so many characters, and for more if one is longer.
const NAME_WIDTH: usize = 30;

/// A line for each process: all, or those named, in the order of the names.
pub(in crate::cli::supervisorctl) fn status(session: &mut Session<'_>, rest: &str) -> Result<(), Trouble> {
    if !session.is_up()? {
        session.exit = exits::STATUS_UNKNOWN;
        return Ok(());
    }
    let all = session.all_process_info()?;
    let names: Vec<&str> = rest.split_whitespace().collect();
    let mut shown: Vec<&ProcessInfo> = Vec::new();
    if names.is_empty() || names.contains(&"all") {
        shown.extend(&all);
    } else {
        for name in names {
            let before = shown.len();
            let namespec = Namespec::parse(name);
            shown.extend(all.iter().filter(|info| is_named(info, namespec)));
            if shown.len() == before {
                let line = match namespec.process {
                    None => format!("{}: ERROR (no such group)", namespec.group),
                    Some(_) => format!("{name}: ERROR (no such process)"),
                };
                session.fail(&line, exits::STATUS_UNKNOWN);
            }
        }
    }
    table(&shown).iter().for_each(|line| session.say(line));
    if shown.iter().any(|info| info.is_stopped()) {
        session.exit = exits::STATUS_NOT_RUNNING;
    }
    Ok(())
}

fn is_named(info: &ProcessInfo, namespec: Namespec<'_>) -> bool {
    info.group == namespec.group && namespec.process.is_none_or(|process| info.name == process)
}

fn table(infos: &[&ProcessInfo]) -> Vec<String> {
    let names: Vec<String> = infos.iter().map(|info| shown(&info.group, &info.name)).collect();
    let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0).max(NAME_WIDTH) + 3;
    let line = |(name, info): (&String, &&ProcessInfo)| {
        format!("{name:width$}{:10}{}", info.statename, info.description)
    };
    names.iter().zip(infos).map(line).collect()
}

/// The supervisor's pid, or those of processes, a line each.
pub(in crate::cli::supervisorctl) fn pid(session: &mut Session<'_>, rest: &str) -> Result<(), Trouble> {
    if !session.is_up()? {
        return Ok(());
    }
    let names: Vec<&str> = rest.split_whitespace().collect();
    if names.is_empty() {
        let pid = session.call("getPID", Vec::new())?;
        let pid = pid.as_int().ok_or_else(|| Trouble::Strange(format!("{pid:?} is no pid")))?;
        session.say(&pid.to_string());
        return Ok(());
    }
    if names.contains(&"all") {
        session.all_process_info()?.iter().for_each(|info| session.say(&info.pid.to_string()));
        return Ok(());
    }
    for name in names {
        match session.call("getProcessInfo", vec![name.into()]) {
            Ok(info) => {
                let pid = number(&info, "pid")?;
                session.say(&pid.to_string());
                if pid == 0 {
                    session.exit = exits::NOT_RUNNING;
                }
            }
            Err(Trouble::Fault(fault)) if fault.code == FaultCode::BadName.number() => {
                session.fail(&format!("No such process {name}"), exits::GENERIC);
            }
            Err(trouble) => return Err(trouble),
        }
    }
    Ok(())
}
