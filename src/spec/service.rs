use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::age::MaxAge;
use super::graph::Needs;
use super::health::{Aspect, Check, Health};
use super::hold::{Hold, Way};
use super::hooks::Hooks;
use super::limits::Limits;
use super::listener::Listener;
use super::log::Logs;
use super::policy::{Backoff, PortConflict, Recovery, RestartPolicy, StartLimit, Stop};
use super::replicas::Replica;
use super::schedule::Schedule;
use super::watch::Watch;
use crate::vocab::credentials::Credentials;
use crate::vocab::enablement::Enablement;
use crate::vocab::name::ServiceName;
use crate::vocab::port::Endpoint;
use crate::vocab::signal::Signal;

/// One service: what to run, with what, and how to judge it.
#[derive(Debug, Clone, PartialEq)]
pub struct Service {
    /// Its name.
    pub name: ServiceName,
    /// Which replica it is of which declared service; the first of itself, if there is no other.
    pub replica: Replica,
    /// So many replicas of the declared service are exchanged at once in a rolling restart; at least 1.
    pub max_unavailable: u32,
    /// The group it is selected by (`group:*`), if any.
    pub group: Option<String>,
    /// What is executed.
    pub command: Command,
    /// The working directory, absolute.
    pub directory: PathBuf,
    /// The whole environment that `env` and `env_file` add to the supervisor's own.
    pub env: BTreeMap<String, String>,
    /// Where it listens.
    pub ports: Vec<Endpoint>,
    /// What happens when somebody else does at its start.
    pub on_port_conflict: PortConflict,
    /// Whether what its start needs is looked at before a living run is replaced.
    pub preflight: bool,
    /// Sockets that are opened for it and kept from run to run.
    pub hold: Option<Hold>,
    /// So long a run that was replaced may go on with the connections that it has accepted, before it is asked to end.
    pub drain: Duration,
    /// Whether the stacks of its threads are recorded before it is ended because it hangs.
    pub capture_hangs: bool,
    /// What must hold before it starts.
    pub depends_on: Needs,
    /// How it is proven to be ready while it starts, beyond holding its ports.
    pub ready: Option<Box<Health>>,
    /// How it is proven to be alive while it runs; its ports are looked at as often.
    pub live: Option<Box<Health>>,
    /// When a run is followed by another.
    pub restart: RestartPolicy,
    /// Whether what a run's end is put down to decides what follows: a broken program waits until it is changed.
    pub restart_by_cause: bool,
    /// How long to wait between failures.
    pub backoff: Backoff,
    /// How often it may be started, if that is limited.
    pub start_limit: Option<StartLimit>,
    /// How old a run may become before another takes its place.
    pub max_age: Option<MaxAge>,
    /// At which times something is done about it.
    pub schedule: Option<Box<Schedule>>,
    /// How a run is ended.
    pub stop: Stop,
    /// What is run on occasions of its life.
    pub hooks: Hooks,
    /// What it may use.
    pub limits: Limits,
    /// Which files start it again when they change.
    pub watch: Option<Watch>,
    /// Exit codes that mean success; 0 unless the config says otherwise.
    pub success_exit_codes: BTreeSet<i32>,
    /// A run shorter than this failed quickly; a service without ports and check is running after this time.
    pub min_uptime: Duration,
    /// What becomes of those that need it when a run of it fails.
    pub recovery: Recovery,
    /// Whether `up` starts it unasked.
    pub autostart: bool,
    /// What people said of that, over the config.
    pub enablement: Option<Enablement>,
    /// Among services that may start at once, lower ones are spawned first.
    pub priority: i32,
    /// The signal that makes it read its own config again (`procman signal SERVICE`).
    pub reload_signal: Option<Signal>,
    /// Who it runs as; the supervisor's own user if not said.
    pub user: Option<User>,
    /// The file mode creation mask, if not the supervisor's.
    pub umask: Option<u32>,
    /// The nice value, -20 to 19, if not the supervisor's.
    pub nice: Option<i32>,
    /// What it reads.
    pub stdin: Stdin,
    /// What it is told of, if it is a listener to events.
    pub listener: Option<Listener>,
    /// Where its output goes.
    pub logs: Logs,
}

/// What a service has as its standard input, unless a held socket is that.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Stdin {
    /// Nothing: `/dev/null`, which is at its end.
    #[default]
    Null,
    /// A pipe that stays open and into which clients may write, as in supervisord.
    Pipe,
}

impl Service {
    /// A service of which nothing else is said: everything is as a config leaves it.
    pub fn plain(name: ServiceName, command: Command, directory: PathBuf) -> Self {
        let file = |stream| directory.join(format!("logs/{name}.{stream}.log"));
        Self {
            logs: Logs::to_files(file("out"), file("err")),
            replica: Replica::first(&name),
            name,
            max_unavailable: 1,
            group: None,
            command,
            directory,
            env: BTreeMap::new(),
            ports: Vec::new(),
            hold: None,
            capture_hangs: false,
            drain: Duration::ZERO,
            on_port_conflict: PortConflict::default(),
            preflight: true,
            depends_on: Needs::new(),
            ready: None,
            live: None,
            restart: RestartPolicy::Always,
            restart_by_cause: true,
            backoff: Backoff::default(),
            start_limit: None,
            max_age: None,
            schedule: None,
            stop: Stop::default(),
            hooks: Hooks::new(),
            limits: Limits::default(),
            watch: None,
            success_exit_codes: BTreeSet::from([0]),
            min_uptime: Duration::from_secs(1),
            recovery: Recovery::default(),
            autostart: true,
            enablement: None,
            priority: 0,
            reload_signal: None,
            user: None,
            umask: None,
            nice: None,
            stdin: Stdin::Null,
            listener: None,
        }
    }

    /// Whether two services may listen in the same place: replicas of one, and those of one group for which sockets are
    /// held.
    pub fn may_share_sockets_with(&self, other: &Self) -> bool {
        let are_held_for_one_group =
            self.group.is_some() && self.group == other.group && self.hold.is_some() && other.hold.is_some();
        self.replica.of == other.replica.of || are_held_for_one_group
    }

    /// The first descriptor by which a process of it shows that it took a socket, and was not merely given it.
    pub fn first_taken(&self) -> i32 {
        self.hold.as_ref().map_or(0, Hold::first_taken)
    }

    /// Whether a process started for `other` is as good as one started for this: nothing that a process takes along
    /// from its start differs.
    pub fn runs_like(&self, other: &Self) -> bool {
        self.command == other.command
            && self.replica == other.replica
            && self.directory == other.directory
            && self.env == other.env
            && self.ports == other.ports
            && self.hold == other.hold
            && self.stdin == other.stdin
            && self.capture_hangs == other.capture_hangs
            && self.user == other.user
            && self.umask == other.umask
            && self.nice == other.nice
            && self.listener == other.listener
            && self.limits.rlimits == other.limits.rlimits
            && self.notifies() == other.notifies()
            && self.watchdog() == other.watchdog()
            && self.logs.are_joined() == other.logs.are_joined()
    }

    /// Whether its runs begin at the times of a schedule, and end by themselves.
    pub fn is_job(&self) -> bool {
        self.schedule.as_deref().is_some_and(Schedule::begins_runs)
    }

    /// Whether two of its runs may live at the same time. A port that each run binds for itself has one holder; a held
    /// one is there for all.
    pub fn may_overlap(&self) -> bool {
        self.ports.is_empty() || self.hold.is_some()
    }

    /// Whether its Python is given the shim.
    pub fn has_shim(&self) -> bool {
        self.capture_hangs || self.hold.as_ref().is_some_and(|hold| hold.way == Way::Python)
    }

    /// Who its processes run as, if not as the supervisor does.
    pub fn credentials(&self) -> Option<Credentials> {
        self.user.as_ref().map(|user| user.credentials.clone())
    }

    /// Whether there is anything to look at while it starts: a port it must hold, or a check it must pass.
    pub fn can_be_probed(&self) -> bool {
        !self.ports.is_empty() || self.ready.is_some()
    }

    /// The check that answers for one aspect.
    pub fn health(&self, aspect: Aspect) -> Option<&Health> {
        match aspect {
            Aspect::Ready => self.ready.as_deref(),
            Aspect::Alive => self.live.as_deref(),
        }
    }

    /// Its checks, one if both are the same.
    pub fn checks(&self) -> impl Iterator<Item = &Check> {
        let live = self.live.as_ref().filter(|_| self.live != self.ready);
        self.ready.iter().chain(live).map(|health| &health.check)
    }

    /// Whether it is given a socket to tell of itself by sd_notify(3).
    pub fn notifies(&self) -> bool {
        self.checks().any(|check| matches!(check, Check::Notify { .. }))
    }

    /// How far apart its keep-alives may be, if it sends any.
    pub fn watchdog(&self) -> Option<Duration> {
        self.checks().find_map(|check| match check {
            Check::Notify { watchdog } => *watchdog,
            Check::Tcp { .. } | Check::Http(_) | Check::Exec(_) | Check::Heartbeat { .. } | Check::Log(_) => {
                None
            }
        })
    }
}

/// Program and arguments, split and expanded; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    program: String,
    arguments: Vec<String>,
}

impl Command {
    /// A command of these words; none if there is no word, the first is empty, or one holds a NUL byte.
    pub fn new(words: Vec<String>) -> Option<Self> {
        let nul = words.iter().any(|word| word.contains('\0'));
        let mut words = words.into_iter();
        let program = words.next().filter(|program| !program.is_empty() && !nul)?;
        Some(Self { program, arguments: words.collect() })
    }

    /// The program as declared: a path if it holds a slash, else a name to be looked up in `PATH`.
    pub fn program(&self) -> &str {
        &self.program
    }

    /// The arguments after the program.
    pub fn arguments(&self) -> &[String] {
        &self.arguments
    }

    /// The file that is executed: a program with a slash is taken from the service's directory, any other is looked up
    /// in the directories of `path_variable`, as execvp(3) does. None when there is no such executable file.
    pub fn resolve(&self, directory: &Path, path_variable: Option<&str>) -> Option<PathBuf> {
        if self.program.contains('/') {
            return Some(directory.join(&self.program)).filter(|file| is_executable(file));
        }
        let directories = std::env::split_paths(path_variable.unwrap_or(Self::USUAL_PATH));
        directories.map(|found| directory.join(found).join(&self.program)).find(|file| is_executable(file))
    }

    /// Where programs are looked up when the environment has no `PATH`.
    const USUAL_PATH: &'static str = "/usr/local/bin:/usr/bin:/bin";

    /// All words, quoted so that a shell would read them back.
    pub fn line(&self) -> String {
        let words = std::iter::once(&self.program).chain(&self.arguments).map(String::as_str);
        shlex::try_join(words).unwrap_or_default()
    }
}

fn is_executable(file: &Path) -> bool {
    let may_execute = nix::unistd::access(file, nix::unistd::AccessFlags::X_OK).is_ok();
    may_execute && file.is_file()
}

/// A user and the groups to take, looked up when the config was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The login name.
    pub name: String,
    /// What makes a process that user's.
    pub credentials: Credentials,
    /// The home directory.
    pub home: PathBuf,
    /// What becomes of the variables of a login.
    pub login: LoginEnvironment,
}

/// What becomes of `HOME`, `USER` and `LOGNAME` for a process of another user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoginEnvironment {
    /// They are that user's, unless the service says otherwise.
    Set,
    /// They are as for any other process of the supervisor's.
    Kept,
}

impl User {
    /// The variables that this user's processes have because of that.
    pub fn variables(&self) -> Vec<(&'static str, String)> {
        match self.login {
            LoginEnvironment::Set => vec![
                ("HOME", self.home.display().to_string()),
                ("USER", self.name.clone()),
                ("LOGNAME", self.name.clone()),
            ],
            LoginEnvironment::Kept => Vec::new(),
        }
    }
}
