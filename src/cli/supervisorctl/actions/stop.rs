use crate::cli::supervisorctl::namespec::{Namespec, shown};
use crate::cli::supervisorctl::python::Trouble;
use crate::cli::supervisorctl::server::Outcome;
use crate::cli::supervisorctl::session::{Session, exits};
use crate::protocol::xmlrpc::fault::FaultCode;
use crate::protocol::xmlrpc::value::Value;

pub(in crate::cli::supervisorctl) const HELP: &str = "\
stop <name>\t\tStop a process
stop <gname>:*\t\tStop all processes in a group
stop <name> <name>\tStop multiple processes or groups
stop all\t\tStop all processes";

/// Stops processes, one name after the other, and waits until each is down.
pub(in crate::cli::supervisorctl) fn stop(session: &mut Session<'_>, rest: &str) -> Result<(), Trouble> {
    if !session.is_up()? {
        return Ok(());
    }
    let names: Vec<&str> = rest.split_whitespace().collect();
    if names.is_empty() {
        session.fail("Error: stop requires a process name", exits::GENERIC);
        session.say(HELP);
        return Ok(());
    }
    Each {
        methods: ["stopAllProcesses", "stopProcessGroup", "stopProcess"],
        more: None,
        words: &|outcome| words(outcome, "stopped"),
        ignored: Some(FaultCode::NotRunning),
        no_such_group: exits::GENERIC,
    }
    .of(session, &names)
}

/// Something that is done to each process of some names.
pub(super) struct Each<'a> {
    /// What does it to all, to a group, to one.
    pub(super) methods: [&'static str; 3],
    /// What these are given beside the name.
    pub(super) more: Option<&'a str>,
    /// How it is told what came of it.
    pub(super) words: &'a dyn Fn(&Outcome) -> Result<String, Trouble>,
    /// The fault that does not change the exit code.
    pub(super) ignored: Option<FaultCode>,
    /// The exit code for a group that is not there.
    pub(super) no_such_group: u8,
}

impl Each<'_> {
    pub(super) fn of(&self, session: &mut Session<'_>, names: &[&str]) -> Result<(), Trouble> {
        let [all, group, one] = self.methods;
        if names.contains(&"all") {
            let outcomes = session.outcomes(all, self.params(None))?;
            return self.tell(session, &outcomes);
        }
        for name in names {
            match Namespec::parse(name) {
                Namespec { group: named, process: None } => {
                    match session.outcomes(group, self.params(Some(named))) {
                        Ok(outcomes) => self.tell(session, &outcomes)?,
                        Err(Trouble::Fault(fault)) if fault.code == FaultCode::BadName.number() => {
                            session.fail(&format!("{named}: ERROR (no such group)"), self.no_such_group);
                        }
                        Err(trouble) => return Err(trouble),
                    }
                }
                Namespec { group, process: Some(process) } => {
                    let (status, description) = match session.call(one, self.params(Some(name))) {
                        Ok(_) => (FaultCode::Success.number(), String::new()),
                        Err(Trouble::Fault(fault)) => (fault.code, fault.text),
                        Err(trouble) => return Err(trouble),
                    };
                    let (group, name) = (group.to_owned(), process.to_owned());
                    self.tell(session, &[Outcome { group, name, status, description }])?;
                }
            }
        }
        Ok(())
    }

    fn params(&self, name: Option<&str>) -> Vec<Value> {
        name.into_iter().chain(self.more).map(Value::from).collect()
    }

    fn tell(&self, session: &mut Session<'_>, outcomes: &[Outcome]) -> Result<(), Trouble> {
        for outcome in outcomes {
            let line = (self.words)(outcome)?;
            session.say(&line);
            session.exit_by(outcome.status, self.ignored);
        }
        Ok(())
    }
}

/// What came of something that `done` tells when it has worked.
pub(super) fn words(outcome: &Outcome, done: &str) -> Result<String, Trouble> {
    let name = shown(&outcome.group, &outcome.name);
    let error = match FaultCode::of(outcome.status) {
        Some(FaultCode::Success) => return Ok(format!("{name}: {done}")),
        Some(FaultCode::Failed) => return Ok(outcome.description.clone()),
        Some(FaultCode::BadName) => "no such process",
        Some(FaultCode::BadSignal) => "bad signal name",
        Some(FaultCode::NotRunning) => "not running",
        Some(
            FaultCode::UnknownMethod
            | FaultCode::IncorrectParameters
            | FaultCode::BadArguments
            | FaultCode::SignatureUnsupported
            | FaultCode::ShutdownState
            | FaultCode::NoFile
            | FaultCode::NotExecutable
            | FaultCode::AbnormalTermination
            | FaultCode::SpawnError
            | FaultCode::AlreadyStarted
            | FaultCode::AlreadyAdded
            | FaultCode::StillRunning
            | FaultCode::CantReread,
        )
        | None => return Err(unknown_result(outcome.status, &name)),
    };
    Ok(format!("{name}: ERROR ({error})"))
}

/// A fault that an action has no words for.
pub(super) fn unknown_result(status: i64, name: &str) -> Trouble {
    Trouble::Strange(format!("Unknown result code {status} for {name}"))
}
