use super::person::Person;
use super::python::Trouble;
use super::server::{self, Outcome, ProcessInfo, Server, elements};
use crate::protocol::xmlrpc::fault::FaultCode;
use crate::protocol::xmlrpc::spoken;
use crate::protocol::xmlrpc::value::Value;

/// What lasts from one action to the next.
pub(super) struct Session<'a> {
    pub(super) server: &'a mut dyn Server,
    pub(super) person: &'a mut dyn Person,
    /// Whether somebody is there who can be asked.
    pub(super) mode: Mode,
    /// The exit code, as the actions so far have it: a later one replaces it, and success leaves it.
    pub(super) exit: u8,
}

/// Who gives the commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// A script.
    Batch,
    /// A person, who is asked before a supervisor is ended.
    Interactive,
}

/// Exit codes, as the Linux Standard Base has them for init scripts.
pub(super) mod exits {
    /// Something went wrong.
    pub(in crate::cli::supervisorctl) const GENERIC: u8 = 1;
    /// The words make no sense.
    pub(in crate::cli::supervisorctl) const INVALID_ARGS: u8 = 2;
    /// The server knows no such thing.
    pub(in crate::cli::supervisorctl) const UNIMPLEMENTED_FEATURE: u8 = 3;
    /// `status`: something is not running.
    pub(in crate::cli::supervisorctl) const STATUS_NOT_RUNNING: u8 = 3;
    /// `status`: nobody can say.
    pub(in crate::cli::supervisorctl) const STATUS_UNKNOWN: u8 = 4;
    /// Nobody listens.
    pub(in crate::cli::supervisorctl) const INSUFFICIENT_PRIVILEGES: u8 = 4;
    /// The server is of another kind.
    pub(in crate::cli::supervisorctl) const NOT_INSTALLED: u8 = 5;
    /// Something is not running.
    pub(in crate::cli::supervisorctl) const NOT_RUNNING: u8 = 7;
}

impl Session<'_> {
    pub(super) fn say(&mut self, line: &str) {
        self.person.say(line);
    }

    /// Says what is wrong, with an exit code.
    pub(super) fn fail(&mut self, line: &str, exit: u8) {
        self.person.say(line);
        self.exit = exit;
    }

    /// Calls one of `supervisor.…`.
    pub(super) fn call(&mut self, method: &str, params: Vec<Value>) -> Result<Value, Trouble> {
        self.server.call(&format!("supervisor.{method}"), params)
    }

    pub(super) fn all_process_info(&mut self) -> Result<Vec<ProcessInfo>, Trouble> {
        server::all_process_info(self.server)
    }

    /// Calls a method that says what became of each of many.
    pub(super) fn outcomes(&mut self, method: &str, params: Vec<Value>) -> Result<Vec<Outcome>, Trouble> {
        elements(&self.call(method, params)?)?.iter().map(Outcome::of).collect()
    }

    /// Whether a server is there that these actions fit; what is amiss is said, with its exit code.
    pub(super) fn is_up(&mut self) -> Result<bool, Trouble> {
        let (line, exit) = match self.call("getVersion", Vec::new()) {
            Ok(version) if version.as_str() == Some(spoken::API) => return Ok(true),
            Ok(version) => (another_version(&version), exits::NOT_INSTALLED),
            Err(Trouble::Fault(fault)) if fault.code == FaultCode::UnknownMethod.number() => {
                (NO_NAMESPACE.to_owned(), exits::UNIMPLEMENTED_FEATURE)
            }
            Err(trouble) => {
                let url = self.server.url();
                match trouble.connect_error() {
                    Some(std::io::ErrorKind::ConnectionRefused) => {
                        (format!("{url} refused connection"), exits::INSUFFICIENT_PRIVILEGES)
                    }
                    Some(std::io::ErrorKind::NotFound) => (format!("{url} no such file"), exits::NOT_RUNNING),
                    Some(_) | None => return Err(trouble),
                }
            }
        };
        self.fail(&line, exit);
        Ok(false)
    }

    /// What a fault does to the exit code.
    pub(super) fn exit_by(&mut self, status: i64, ignored: Option<FaultCode>) {
        const DEAD: [FaultCode; 3] =
            [FaultCode::SpawnError, FaultCode::AbnormalTermination, FaultCode::NotRunning];
        match FaultCode::of(status) {
            Some(FaultCode::Success) => (),
            Some(code) if Some(code) == ignored => (),
            Some(code) if DEAD.contains(&code) => self.exit = exits::NOT_RUNNING,
            Some(_) | None => self.exit = exits::GENERIC,
        }
    }
}

fn another_version(version: &Value) -> String {
    let own = spoken::API;
    let version = version.as_str().map_or_else(|| format!("{version:?}"), str::to_owned);
    format!(
        "Sorry, this version of supervisorctl expects to talk to a server with API version {own}, but the remote \
         version is {version}."
    )
}

const NO_NAMESPACE: &str = "Sorry, supervisord responded but did not recognize the supervisor namespace commands that \
    supervisorctl uses to control it.  Please check that the [rpcinterface:supervisor] section is enabled in the \
    configuration file (see sample.conf).";
