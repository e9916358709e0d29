use std::collections::BTreeMap;

use serde::Serialize;

use super::json;
use super::refusal::{Place, Refusal};
use super::stop_signal::StopSignal;
use crate::vocab::log_level;

/// What supervisord makes of a file and its includes: every process, expanded.
#[derive(Debug, Clone)]
pub struct Expanded {
    /// `[supervisord]`.
    pub supervisord: Settings,
    /// The servers for its clients.
    pub servers: Vec<Server>,
    /// Python plugins that add methods for clients.
    pub rpcinterfaces: Vec<RpcInterface>,
    /// The groups in the order in which they are started.
    pub groups: Vec<Group>,
}

impl Expanded {
    /// Every process in the order of groups.
    pub fn programs(&self) -> impl Iterator<Item = &Program> {
        self.groups.iter().flat_map(|group| &group.programs)
    }
}

/// What came of reading, beside the fleet itself.
#[derive(Debug, Clone)]
pub struct Reading {
    /// The fleet, or every reason why there is none; supervisord says only the first.
    pub outcome: Result<Expanded, Vec<Refusal>>,
    /// The files that were read, the main one first.
    pub files: Vec<File>,
    /// Whether the main file has no `[supervisord]` section, and was read as if one that has included it.
    pub is_fragment: bool,
    /// What supervisord would log as warnings.
    pub warnings: Vec<String>,
    /// What supervisord would log beside.
    pub infos: Vec<String>,
    /// What supervisord passes over in silence.
    pub remarks: Vec<Remark>,
}

/// One file that was read.
#[derive(Debug, Clone)]
pub struct File {
    /// As messages name it.
    pub name: String,
    /// What it says.
    pub text: String,
}

/// Something that a file says and nobody understands.
#[derive(Debug, Clone)]
pub struct Remark {
    /// Where.
    pub place: Place,
    /// What.
    pub what: String,
}

/// `[supervisord]`, in the units of its options.
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "each is the option of this name")]
pub struct Settings {
    pub logfile: String,
    pub logfile_maxbytes: i64,
    pub logfile_backups: i64,
    pub loglevel: LogLevel,
    pub pidfile: String,
    #[serde(serialize_with = "json::three_octal_digits")]
    pub umask: u32,
    pub nodaemon: bool,
    pub silent: bool,
    pub minfds: i64,
    pub minprocs: i64,
    pub nocleanup: bool,
    pub strip_ansi: bool,
    pub childlogdir: String,
    pub user: Option<String>,
    pub directory: Option<String>,
    pub identifier: String,
    pub environment: BTreeMap<String, String>,
    /// Where programs find the server, unless they say otherwise.
    pub serverurl: Option<String>,
    /// Where it and its options stand.
    #[serde(skip)]
    pub places: BTreeMap<String, Place>,
    /// Where a start by the name of supervisord was made from.
    #[serde(skip)]
    pub started_in: Option<String>,
    /// The log, if the section names one that is a file.
    #[serde(skip)]
    pub named_log: Option<String>,
    /// The file for the pid, if the section names one.
    #[serde(skip)]
    pub named_pidfile: Option<String>,
}

/// `[supervisorctl]`.
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "each is the option of this name")]
pub struct Ctl {
    pub serverurl: String,
    pub username: Option<String>,
    pub password: Option<String>,
    pub prompt: String,
    pub history: Option<String>,
}

/// `[unix_http_server]` or `[inet_http_server]`.
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "each is the option of this name, or the part of it that its name says")]
pub struct Server {
    pub section: String,
    pub family: Family,
    pub file: Option<String>,
    pub host: Option<String>,
    pub port: Option<u16>,
    pub username: Option<String>,
    pub password: Option<String>,
    #[serde(serialize_with = "json::four_octal_digits")]
    pub chmod: Option<u32>,
    pub chown: Option<(Owner, Owner)>,
    #[serde(skip)]
    pub place: Place,
}

/// What a server listens on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// A unix socket.
    Unix,
    /// A TCP port.
    Inet,
}

/// A user or a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Owner {
    /// Leave it: -1.
    Unsaid(i8),
    /// By name or number, as the file has it.
    Named(String),
}

/// `[rpcinterface:NAME]`.
#[derive(Debug, Clone, Serialize)]
pub struct RpcInterface {
    /// What its methods begin with.
    pub name: String,
    /// The Python callable.
    pub factory: String,
    /// What it is given.
    pub options: BTreeMap<String, String>,
    /// Where it stands.
    #[serde(skip)]
    pub place: Place,
}

/// Processes that are started together.
#[derive(Debug, Clone)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// Lower ones are started first and stopped last.
    pub priority: i64,
    /// What its processes are.
    pub kind: GroupKind,
    /// Its processes in the order in which they are started.
    pub programs: Vec<Program>,
    /// Where it stands.
    pub place: Place,
}

/// What the processes of a group are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GroupKind {
    /// Programs.
    Programs,
    /// Listeners to events.
    Listeners {
        /// How many events wait for a listener at most.
        buffer_size: i64,
        /// What they listen to, sorted.
        events: Vec<String>,
        /// The Python callable that judges their answers.
        result_handler: String,
    },
    /// Programs that share a listening socket as their standard input.
    FastCgi(FastCgi),
}

/// The socket of an `fcgi-program`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FastCgi {
    /// `unix:///path` or `tcp://host:port`.
    pub url: String,
    /// The queue of `listen`.
    pub backlog: Option<i64>,
    /// The mode of a unix socket.
    pub mode: Option<u32>,
    /// The owner of a unix socket.
    pub owner: Option<(Owner, Owner)>,
}

/// One process.
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "each is the option of this name")]
pub struct Program {
    pub group: String,
    pub name: String,
    pub command: String,
    /// The words of the command; none if supervisord could not split it.
    pub argv: Option<Vec<String>>,
    pub directory: Option<String>,
    pub environment: BTreeMap<String, String>,
    pub priority: i64,
    pub autostart: bool,
    pub autorestart: AutoRestart,
    pub startsecs: i64,
    pub startretries: i64,
    pub exitcodes: Vec<i64>,
    pub stopsignal: StopSignal,
    pub stopwaitsecs: i64,
    pub stopasgroup: bool,
    pub killasgroup: bool,
    #[serde(serialize_with = "json::three_octal_digits_or_none")]
    pub umask: Option<u32>,
    pub user: Option<String>,
    pub serverurl: Option<String>,
    pub redirect_stderr: bool,
    #[serde(flatten, serialize_with = "json::stdout")]
    pub stdout: Output,
    #[serde(flatten, serialize_with = "json::stderr")]
    pub stderr: Output,
    /// Where its section stands.
    #[serde(skip)]
    pub place: Place,
}

/// What becomes of one of a process' streams.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the option of this name behind `stdout_` or `stderr_`")]
pub struct Output {
    pub logfile: Destination,
    pub logfile_maxbytes: i64,
    pub logfile_backups: i64,
    pub capture_maxbytes: i64,
    pub events_enabled: bool,
    pub syslog: bool,
}

/// Where a stream goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// Nowhere.
    Nowhere,
    /// A file that supervisord names itself.
    Automatic,
    /// The system's log; a model has `syslog: true` for it.
    Syslog,
    /// This file.
    File(String),
}

/// When a process that ended by itself is started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AutoRestart {
    /// Always.
    Always,
    /// Never.
    Never,
    /// If its exit code is not among the expected ones, or a signal ended it.
    Unexpected,
}

/// How much supervisord's own log says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "these are the levels' own names")]
pub enum LogLevel {
    Critical,
    Error,
    Warn,
    Info,
    Debug,
    Trace,
    Blather,
}

impl LogLevel {
    /// The level at which procman says as much.
    pub(super) fn level(self) -> log_level::LogLevel {
        match self {
            Self::Critical | Self::Error => log_level::LogLevel::Error,
            Self::Warn => log_level::LogLevel::Warn,
            Self::Info => log_level::LogLevel::Info,
            Self::Debug => log_level::LogLevel::Debug,
            Self::Trace | Self::Blather => log_level::LogLevel::Trace,
        }
    }

    pub(super) fn parse(word: &str) -> Option<Self> {
        match word {
            "critical" => Some(Self::Critical),
            "error" => Some(Self::Error),
            "warn" => Some(Self::Warn),
            "info" => Some(Self::Info),
            "debug" => Some(Self::Debug),
            "trace" => Some(Self::Trace),
            "blather" => Some(Self::Blather),
            _ => None,
        }
    }
}
