use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::log::Sockets;
use super::target::Targets;
use crate::vocab::log_level::LogLevel;
use crate::vocab::name::ServiceName;
use crate::vocab::port::Port;
use crate::vocab::rlimits::Least;

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
    /// Who is told when services change.
    pub notify: Targets,
    /// Its own log.
    pub log: OwnLog,
    /// What its processes may have at least, and their services with them.
    pub least: Least,
    /// Where the daemons listen that services' lines may go to.
    pub log_sockets: Arc<Sockets>,
    /// Who is stopped before whom.
    pub stops: StopOrder,
}

impl Supervisor {
    /// These settings as far as a supervisor takes them over that runs by others: the rest is as it is there.
    pub fn as_run_by(&self, running: &Self) -> Self {
        Self {
            state_dir: running.state_dir.clone(),
            pid_file: running.pid_file.clone(),
            log: running.log.clone(),
            least: running.least,
            log_sockets: Arc::clone(&running.log_sockets),
            ..self.clone()
        }
    }
}

/// Who is stopped before whom, of services that are to end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum StopOrder {
    /// Whoever needs something before that.
    #[default]
    ByNeeds,
    /// Where nobody needs anybody, the higher priority values before the lower ones, as supervisord ends them.
    ByPriority,
}

/// The supervisor's own log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnLog {
    /// Its file, if that is not the usual one.
    pub file: Option<PathBuf>,
    /// How much it tells.
    pub level: LogLevel,
    /// In which form.
    pub format: LogFormat,
    /// A file of so many bytes is set aside; 0 for never.
    pub size_max: u64,
    /// So many files that were set aside are kept (`NAME.1` is the newest).
    pub keep: u32,
    /// Where its lines go as well while it is in the foreground.
    pub echo: Echo,
    /// What it has of what services write.
    pub copies: Copies,
}

/// What the supervisor's own log has of what services write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Copies {
    /// Nothing.
    Nothing,
    /// All that goes as it is into a file or nowhere, at the level debug.
    All,
}

impl Default for OwnLog {
    fn default() -> Self {
        Self {
            file: None,
            level: LogLevel::Info,
            format: LogFormat::Human,
            size_max: 10_000_000,
            keep: 1,
            echo: Echo::Stderr,
            copies: Copies::Nothing,
        }
    }
}

/// Where lines of a log go that somebody reads along.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Echo {
    /// To standard error.
    Stderr,
    /// To standard output, as supervisord's.
    Stdout,
    /// Nowhere.
    Nowhere,
}

/// The form of the supervisor's own log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// Lines for people.
    #[default]
    Human,
    /// A JSON object a line.
    Json,
    /// `2026-11-26 07:00:00,123 INFO spawned: 'x' with pid 1`, as supervisord's.
    Supervisord,
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
            notify: Targets::new(),
            log: OwnLog::default(),
            least: Least::default(),
            log_sockets: Arc::default(),
            stops: StopOrder::ByNeeds,
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
