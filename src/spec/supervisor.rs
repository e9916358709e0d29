use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::log::Sockets;
use super::target::Targets;
use crate::vocab::log_level::LogLevel;
use crate::vocab::name::ServiceName;
use crate::vocab::port::Port;

/// The supervisor's own settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Supervisor {
    /// The config file, absolute and with links resolved: the fleet's name.
    pub config: PathBuf,
    /// Where socket, lock, journal and channels rest.
    pub state_dir: PathBuf,
    /// Where log files rest.
    pub log_dir: PathBuf,
    /// Ports that no service may declare and no flush touches.
    pub protected_ports: BTreeSet<Port>,
    /// Exceptions by name: protected ports, or ports below 1024, that services may declare and a flush may free.
    pub allowed_ports: BTreeSet<Port>,
    /// Globs over the script or program file that a process runs: an emergency restart ends what matches.
    pub also_kill: Vec<String>,
    /// What ends the whole, services and supervisor.
    pub exit_on: ExitOn,
    /// Where the guardian's pid goes, for scripts that signal it.
    pub pid_file: Option<PathBuf>,
    /// Where the supervisor's own log goes beside standard error, if not to its usual place.
    pub log_file: Option<PathBuf>,
    /// Who is told when services change.
    pub notify: Targets,
    /// How much its own log tells.
    pub log_level: LogLevel,
    /// In which form.
    pub log_format: LogFormat,
    /// Where the daemons listen that services' lines may go to.
    pub log_sockets: Arc<Sockets>,
}

/// The form of the supervisor's own log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// Lines for people.
    #[default]
    Human,
    /// A JSON object a line.
    Json,
}

/// What ends the whole beside a command or a signal, as the init of a container needs it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum ExitOn {
    /// Nothing.
    #[default]
    Never,
    /// Any service that is fatal: with exit code 1.
    Fatal,
    /// The end of this service, once its policy leaves it so: with its exit code.
    Service(ServiceName),
}

impl Supervisor {
    /// The protected ports unless said: macOS' AirPlay receiver holds 5000 and 7000, and 9000 and 10000 are common.
    pub const PROTECTED_PORTS: [u16; 4] = [5000, 7000, 9000, 10000];

    /// The settings of a config file that says nothing of them.
    pub fn usual(config: &Path) -> Self {
        let base = config.parent().unwrap_or(Path::new("/"));
        Self {
            config: config.to_owned(),
            state_dir: base.join(Self::STATE_DIR),
            log_dir: base.join(Self::LOG_DIR),
            protected_ports: Self::PROTECTED_PORTS.into_iter().filter_map(Port::new).collect(),
            allowed_ports: BTreeSet::new(),
            also_kill: Vec::new(),
            exit_on: ExitOn::Never,
            pid_file: None,
            log_file: None,
            notify: Targets::new(),
            log_level: LogLevel::Info,
            log_format: LogFormat::Human,
            log_sockets: Arc::default(),
        }
    }

    /// Where socket, lock, journal and channels rest unless said, relative to the config file.
    pub const STATE_DIR: &'static str = ".procman";
    /// Where log files rest unless said, relative to the config file.
    pub const LOG_DIR: &'static str = "logs";

    /// Whether a port is out of bounds: listed as protected or below 1024, and not allowed by name.
    pub fn protects(&self, port: Port) -> bool {
        let guarded = self.protected_ports.contains(&port) || port < Port::FIRST_UNPRIVILEGED;
        guarded && !self.allowed_ports.contains(&port)
    }
}
