use std::path::PathBuf;

use tokio::runtime::{Builder, Runtime};

use super::args::Global;
use super::failure::Failure;
use super::output;
use crate::client::connection::Client;
use crate::config::environment::Environment;
use crate::config::find;
use crate::config::load::{self, Machine};
use crate::config::problem::Problems;
use crate::config::shared_logs;
use crate::config::shell_words;
use crate::config::supervisord::load as dialect;
use crate::rundir::applied::Applied;
use crate::rundir::enabled;
use crate::rundir::paths::Paths;
use crate::spec::fleet::Fleet;
use crate::spec::supervisor::Supervisor;

/// What every command starts from: the config file's name and where the supervisor's files lie.
pub(super) struct Context {
    pub(super) config: PathBuf,
    pub(super) environment: Environment,
    pub(super) supervisor: Supervisor,
    pub(super) paths: Paths,
    pub(super) talk: Talk,
}

/// How much is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Talk {
    Quiet,
    Usual,
    More,
}

impl Context {
    /// Finds the config file and reads where the supervisor's files lie; the services are not read yet.
    pub(super) fn find(global: &Global) -> Result<Self, Failure> {
        let environment = Environment::of_this_process();
        let start = std::env::current_dir()
            .map_err(|error| Failure::System(format!("cannot tell the working directory: {error}")))?;
        let config = find::find(global.config.as_deref(), &start, &environment)?;
        // What is wrong with these sections is told together with what is wrong with all others.
        let supervisor = load::load_supervisor(&config, &environment)
            .map_err(|some| Failure::Config(load::load(&config, &environment).err().unwrap_or(some)))?;
        let mut paths = Paths::new(&config, &supervisor.state_dir);
        if let Some(log) = &supervisor.log.file {
            log.clone_into(&mut paths.supervisor_log);
        }
        let talk = match (global.quiet, global.verbose) {
            (true, _) => Talk::Quiet,
            (false, 0) => Talk::Usual,
            (false, _) => Talk::More,
        };
        Ok(Self { config, environment, supervisor, paths, talk })
    }

    /// Proves the whole config; what starts by itself is as people have said since.
    pub(super) fn prove(&self) -> Result<Fleet, Failure> {
        let fleet = self.load().map_err(Failure::Config)?;
        for remark in self.remarks(&fleet) {
            self.say(&format!("warning: {remark}"));
        }
        Ok(fleet.overruled(&enabled::read(&self.paths)))
    }

    /// The same with the counts of replicas that were asked for since the file was applied.
    pub(super) fn prove_as_scaled(&self) -> Result<Fleet, Failure> {
        self.prove().map(|fleet| self.as_scaled(fleet))
    }

    fn as_scaled(&self, fleet: Fleet) -> Fleet {
        let counts = Applied::read(&self.paths).unwrap_or_default().counts;
        // Counts that do not fit the file are for whoever applies it.
        fleet.scaled(&counts).unwrap_or(fleet)
    }

    /// The fleet to look at, not to change: that of the file or, while the file has problems, the one that was applied last.
    pub(super) fn known(&self) -> Result<Fleet, Failure> {
        let problems = match self.load() {
            Ok(fleet) => return Ok(self.as_scaled(fleet.overruled(&enabled::read(&self.paths)))),
            Err(problems) => problems,
        };
        let fleet = self.applied().ok_or(Failure::Config(problems))?;
        self.say("warning: the config has problems, and is not what runs: `procman check` tells them");
        Ok(fleet.overruled(&enabled::read(&self.paths)))
    }

    /// The fleet that the supervisor acts on, or acted on last; none where that is not the fleet of one text.
    fn applied(&self) -> Option<Fleet> {
        let applied = Applied::read(&self.paths).filter(Applied::is_whole)?;
        let fleet = load::prove(&applied.text, &self.config, &self.environment, Machine::Trusted).ok()?;
        fleet.scaled(&applied.counts).ok()
    }

    /// The same, or else the fleet of the file: whose services there are at this moment.
    pub(super) fn in_force(&self) -> Option<Fleet> {
        self.applied().or_else(|| self.load().ok())
    }

    pub(super) fn load(&self) -> Result<Fleet, Problems> {
        load::load(&self.config, &self.environment)
    }

    /// Whether the config is a file of supervisord's.
    pub(super) fn is_of_supervisord(&self) -> bool {
        load::read_text(&self.config).is_ok_and(|text| dialect::is_dialect(&self.config, &text))
    }

    /// What the file asks for and does not get, or gets otherwise than people may think.
    pub(super) fn remarks(&self, fleet: &Fleet) -> Vec<String> {
        match load::read_text(&self.config) {
            Ok(text) if dialect::is_dialect(&self.config, &text) => {
                dialect::remarks(&text, &self.config, &self.environment)
            }
            Ok(text) => {
                let file = self.config.display().to_string();
                let mut remarks = shell_words::remarks(&file, &text);
                remarks.extend(shared_logs::remarks(&file, &text, fleet));
                remarks
            }
            Err(_) => Vec::new(),
        }
    }

    /// Talk that `--quiet` silences.
    pub(super) fn say(&self, text: &str) {
        if self.talk >= Talk::Usual {
            output::say(text);
        }
    }

    pub(super) async fn connect(&self) -> Result<Client, Failure> {
        Ok(Client::connect(&self.paths).await?)
    }
}

/// The one thread that talks to the supervisor.
pub(super) fn runtime() -> Result<Runtime, Failure> {
    Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::System(format!("cannot start the event loop: {error}")))
}
