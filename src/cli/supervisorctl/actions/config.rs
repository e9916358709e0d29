use std::collections::{BTreeMap, BTreeSet};

use super::supervisor::is_alone;
use crate::cli::supervisorctl::namespec::shown;
use crate::cli::supervisorctl::python::Trouble;
use crate::cli::supervisorctl::server::{elements, number, text, truth};
use crate::cli::supervisorctl::session::{Session, exits};
use crate::protocol::xmlrpc::fault::{Fault, FaultCode};
use crate::protocol::xmlrpc::value::Value;

pub(in crate::cli::supervisorctl) const AVAIL: &str = "avail\t\t\tDisplay all configured processes";
pub(in crate::cli::supervisorctl) const REREAD: &str =
    "reread \t\t\tReload the daemon's configuration files without add/remove";
pub(in crate::cli::supervisorctl) const ADD: &str =
    "add <name> [...]\tActivates any updates in config for process/group";
pub(in crate::cli::supervisorctl) const REMOVE: &str =
    "remove <name> [...]\tRemoves process/group from active config";
pub(in crate::cli::supervisorctl) const UPDATE: &str = "\
update\t\t\tReload config and add/remove as necessary, and will restart affected programs
update all\t\tReload config and add/remove as necessary, and will restart affected programs
update <gname> [...]\tUpdate specific groups";

/// Every process that the file has, whether it is in use or not.
pub(in crate::cli::supervisorctl) fn avail(session: &mut Session<'_>, rest: &str) -> Result<(), Trouble> {
    if !is_alone(session, "avail", rest, AVAIL) {
        return Ok(());
    }
    match session.call("getAllConfigInfo", Vec::new()) {
        Ok(processes) => {
            for process in elements(&processes)? {
                let line = available(process)?;
                session.say(&line);
            }
        }
        Err(Trouble::Fault(fault)) if is(&fault, FaultCode::ShutdownState) => {
            session.fail("ERROR: supervisor shutting down", exits::GENERIC);
        }
        Err(trouble) => return Err(trouble),
    }
    Ok(())
}

fn available(process: &Value) -> Result<String, Trouble> {
    let name = shown(&text(process, "group")?, &text(process, "name")?);
    let inuse = if truth(process, "inuse")? { "in use" } else { "avail" };
    let autostart = if truth(process, "autostart")? { "auto" } else { "manual" };
    let (group, own) = (number(process, "group_prio")?, number(process, "process_prio")?);
    Ok(format!("{name:32} {inuse:9} {autostart:9} {group}:{own}"))
}

/// What the file has changed since it was applied.
pub(in crate::cli::supervisorctl) fn reread(session: &mut Session<'_>, rest: &str) -> Result<(), Trouble> {
    if !is_alone(session, "reread", rest, REREAD) {
        return Ok(());
    }
    let changes = match session.call("reloadConfig", Vec::new()) {
        Ok(changes) => Changes::of(&changes)?,
        Err(Trouble::Fault(fault)) if is(&fault, FaultCode::ShutdownState) => {
            session.fail("ERROR: supervisor shutting down", exits::GENERIC);
            return Ok(());
        }
        Err(Trouble::Fault(fault)) if is(&fault, FaultCode::CantReread) => {
            session.fail(&format!("ERROR: {}", fault.text), exits::GENERIC);
            return Ok(());
        }
        Err(trouble) => return Err(trouble),
    };
    let words =
        [(changes.added, "available"), (changes.changed, "changed"), (changes.removed, "disappeared")];
    let words = words.into_iter().flat_map(|(names, what)| names.into_iter().map(move |name| (name, what)));
    let words: BTreeMap<String, &str> = words.collect();
    if words.is_empty() {
        session.say("No config updates to processes");
    }
    words.iter().for_each(|(name, what)| session.say(&format!("{name}: {what}")));
    Ok(())
}

/// Groups that differ between the file and what runs.
struct Changes {
    added: Vec<String>,
    changed: Vec<String>,
    removed: Vec<String>,
}

impl Changes {
    fn of(value: &Value) -> Result<Self, Trouble> {
        let strange = || Trouble::Strange(format!("{value:?} are no changes"));
        let [changes] = elements(value)? else { return Err(strange()) };
        let [added, changed, removed] = elements(changes)? else { return Err(strange()) };
        let names = |value: &Value| {
            let name = |value: &Value| value.as_str().map(str::to_owned).ok_or_else(strange);
            elements(value)?.iter().map(name).collect::<Result<Vec<String>, Trouble>>()
        };
        Ok(Self { added: names(added)?, changed: names(changed)?, removed: names(removed)? })
    }
}

/// Puts groups of the file in use.
pub(in crate::cli::supervisorctl) fn add(session: &mut Session<'_>, rest: &str) -> Result<(), Trouble> {
    for name in rest.split_whitespace() {
        match session.call("addProcessGroup", vec![name.into()]) {
            Ok(_) => session.say(&format!("{name}: added process group")),
            Err(Trouble::Fault(fault)) if is(&fault, FaultCode::ShutdownState) => {
                session.fail("ERROR: shutting down", exits::GENERIC);
            }
            Err(Trouble::Fault(fault)) if is(&fault, FaultCode::AlreadyAdded) => {
                session.say("ERROR: process group already active");
            }
            Err(Trouble::Fault(fault)) if is(&fault, FaultCode::BadName) => {
                session.fail(&format!("ERROR: no such process/group: {name}"), exits::GENERIC);
            }
            Err(trouble) => return Err(trouble),
        }
    }
    Ok(())
}

/// Takes groups whose processes are down out of use.
pub(in crate::cli::supervisorctl) fn remove(session: &mut Session<'_>, rest: &str) -> Result<(), Trouble> {
    for name in rest.split_whitespace() {
        match session.call("removeProcessGroup", vec![name.into()]) {
            Ok(_) => session.say(&format!("{name}: removed process group")),
            Err(Trouble::Fault(fault)) if is(&fault, FaultCode::StillRunning) => {
                session.fail(&format!("ERROR: process/group still running: {name}"), exits::GENERIC);
            }
            Err(Trouble::Fault(fault)) if is(&fault, FaultCode::BadName) => {
                session.fail(&format!("ERROR: no such process/group: {name}"), exits::GENERIC);
            }
            Err(trouble) => return Err(trouble),
        }
    }
    Ok(())
}

/// Makes what runs what the file says: all groups, or those named.
pub(in crate::cli::supervisorctl) fn update(session: &mut Session<'_>, rest: &str) -> Result<(), Trouble> {
    let changes = match session.call("reloadConfig", Vec::new()) {
        Ok(changes) => Changes::of(&changes)?,
        Err(Trouble::Fault(fault)) if is(&fault, FaultCode::ShutdownState) => {
            session.fail("ERROR: already shutting down", exits::GENERIC);
            return Ok(());
        }
        Err(trouble) => return Err(trouble),
    };
    let mut named: BTreeSet<&str> = rest.split_whitespace().collect();
    if named.contains("all") {
        named.clear();
    }
    if !named.is_empty() {
        refuse_unknown(session, &named, &changes.added)?;
    }
    let is_meant = |name: &&String| named.is_empty() || named.contains(name.as_str());
    for name in changes.removed.iter().filter(is_meant) {
        take_away(session, name)?;
    }
    for name in changes.changed.iter().filter(is_meant) {
        session.call("stopProcessGroup", vec![name.as_str().into()])?;
        session.say(&format!("{name}: stopped"));
        session.call("removeProcessGroup", vec![name.as_str().into()])?;
        session.call("addProcessGroup", vec![name.as_str().into()])?;
        session.say(&format!("{name}: updated process group"));
    }
    for name in changes.added.iter().filter(is_meant) {
        session.call("addProcessGroup", vec![name.as_str().into()])?;
        session.say(&format!("{name}: added process group"));
    }
    Ok(())
}

fn refuse_unknown(
    session: &mut Session<'_>,
    named: &BTreeSet<&str>,
    added: &[String],
) -> Result<(), Trouble> {
    let running = session.all_process_info()?;
    let is_known =
        |name: &str| running.iter().any(|info| info.group == name) || added.iter().any(|added| added == name);
    for name in named.iter().filter(|name| !is_known(name)) {
        session.fail(&format!("ERROR: no such group: {name}"), exits::GENERIC);
    }
    Ok(())
}

fn take_away(session: &mut Session<'_>, name: &str) -> Result<(), Trouble> {
    let outcomes = session.outcomes("stopProcessGroup", vec![name.into()])?;
    session.say(&format!("{name}: stopped"));
    if outcomes.iter().any(|outcome| outcome.status == FaultCode::Failed.number()) {
        session.fail(&format!("{name}: has problems; not removing"), exits::GENERIC);
        return Ok(());
    }
    session.call("removeProcessGroup", vec![name.into()])?;
    session.say(&format!("{name}: removed process group"));
    Ok(())
}

fn is(fault: &Fault, code: FaultCode) -> bool {
    fault.code == code.number()
}
