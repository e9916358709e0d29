use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args as ClapArgs, Parser, Subcommand, ValueEnum};

use super::cause_args::{History, Why};
use super::enable_args::Enable;
use super::graph_args::Graph;
use super::import_args::Import;
use super::order_args::{Start, Stop};
use super::restart_args::{Restart, Scale};
use super::supervise_args::Supervise;
use crate::vocab::line_count::LineCount;
use crate::vocab::log_level::LogLevel;
use crate::vocab::measure::parse_duration;
use crate::vocab::port::Port;
use crate::vocab::signal::Signal;
use crate::vocab::when::When;

const EXIT_CODES: &str = "\
Exit codes:
  0    done and verified
  1    something asked for failed: a service did not come up, a port could not be freed
  2    wrong usage or a bad config; nothing was touched
  3    status: a service that should be up is not
  4    no supervisor answers
  5    refused for safety
  130  interrupted";

/// Runs the services of a machine, holds their pids and ports, and proves what it reports.
#[derive(Debug, Parser)]
#[command(name = "procman", version, after_help = EXIT_CODES, arg_required_else_help = true, propagate_version = true)]
pub struct Args {
    /// What holds for every command.
    #[command(flatten)]
    pub global: Global,
    /// The command.
    #[command(subcommand)]
    pub verb: Verb,
}

/// What holds for every command.
#[derive(Debug, ClapArgs)]
pub struct Global {
    /// The config file [default: services.toml here or above, then $PROCMAN_CONFIG]
    #[arg(short, long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Say only what went wrong
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Say more; twice: everything
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub verbose: u8,
    /// When to use colour; NO_COLOR is honoured
    #[arg(long, global = true, value_enum, default_value_t = Colour::Auto, value_name = "WHEN")]
    pub color: Colour,
}

/// When to use colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Colour {
    /// On a terminal.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Start the supervisor if none runs, start the services in order, wait until each is ready
    Up(Up),
    /// Stop all services in reverse order and end the supervisor
    Down(Down),
    /// Show services, ports and supervisor
    Status(Status),
    /// Tell why services are as they are, and how their last runs ended
    Why(Why),
    /// Show how the runs of services ended, from their records
    History(History),
    /// Restart everything (master), or the services named
    Restart(Restart),
    /// Give services other counts of replicas; touches only the difference
    Scale(Scale),
    /// Start services with all that they need, and wait until each is ready; one with a schedule runs once at once
    Start(Start),
    /// Stop services, and wait until each tree of processes is proven empty
    Stop(Stop),
    /// Let services start by themselves at `up`, over what the config says; remembered until said otherwise
    Enable(Enable),
    /// Let services not start by themselves at `up`; those that run go on
    Disable(Enable),
    /// Send a signal to the main process of services
    Signal(SignalArgs),
    /// SIGKILL the whole tree of services and leave them stopped
    Kill(Stop),
    /// Free the assigned ports, or those named; restarts nothing
    Flush(Flush),
    /// Show who holds each assigned port
    Ports(Ports),
    /// Show and follow the services' logs
    Logs(Logs),
    /// Draw who depends on whom, and the critical chain of the last start
    Graph(Graph),
    /// Let the supervisor's own log tell more or less, until the supervisor ends
    LogLevel {
        /// error, warn, info, debug or trace
        #[arg(value_name = "LEVEL")]
        level: LogLevel,
    },
    /// Stream what happens to services
    Events(Events),
    /// Read the config again, show the difference and apply only that
    Reload(Reload),
    /// Prove the config and the machine, touching nothing
    Check(Check),
    /// Read another program's config: print it as a services.toml, or expanded
    Import(Import),
    /// Wait until services are ready, running or stopped
    Wait(Wait),
    /// Run one command in a service's environment, directory and user
    Run(Run),
    /// Print completions for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page
    Man,
    /// Put links named supervisorctl and supervisord into a directory; called by these names, procman answers as they do
    Shims {
        /// Where the links go; what else is there stays
        #[arg(value_name = "DIR")]
        directory: PathBuf,
    },
    /// Replace the running supervisor by the procman on disk; no service notices
    Upgrade,
    /// The supervisor itself, as `up` starts it
    #[command(hide = true)]
    Supervise(Supervise),
}

impl Verb {
    /// Whether it answers to signals in its own way, or becomes another program. `up` has one thread alone, for it may be a
    /// guardian, which forks, or has to start one where no more than one process can be made.
    pub(super) fn takes_signals(&self) -> bool {
        matches!(self, Self::Up(_) | Self::Supervise(_) | Self::Run(_))
    }
}

/// `up`.
#[derive(Debug, ClapArgs)]
pub struct Up {
    /// The services, with all that they need [default: every one with autostart]
    pub services: Vec<String>,
    /// Stay attached: be the supervisor (containers, systemd, launchd)
    #[arg(short = 'n', long)]
    pub foreground: bool,
    /// Return as soon as the supervisor knows what to do
    #[arg(long, conflicts_with = "foreground")]
    pub no_wait: bool,
    /// How long to wait until each is ready
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = duration)]
    pub timeout: Duration,
    /// Print the status as JSON
    #[arg(long, conflicts_with_all = ["foreground", "no_wait"])]
    pub json: bool,
}

/// `down`.
#[derive(Debug, ClapArgs)]
pub struct Down {
    /// Show what would be stopped, and touch nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Print that as JSON
    #[arg(long, requires = "dry_run")]
    pub json: bool,
    /// How long the services may take together [default: as long as their stop_timeouts allow]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub timeout: Option<Duration>,
}

/// `status`.
#[derive(Debug, ClapArgs)]
pub struct Status {
    /// The services [default: all]
    pub services: Vec<String>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Also show the process tree of each service
    #[arg(long)]
    pub tree: bool,
    /// Look again each second
    #[arg(long, conflicts_with = "json")]
    pub watch: bool,
}

/// `signal`.
#[derive(Debug, ClapArgs)]
pub struct SignalArgs {
    /// Names, globs, `group:*` or `all`
    #[arg(required = true)]
    pub services: Vec<String>,
    /// The signal: HUP, USR1, 15 …, which may also stand in front of the names [default: the service's reload_signal]
    #[arg(short, long, value_parser = Signal::parse)]
    pub signal: Option<Signal>,
}

/// `flush`.
#[derive(Debug, ClapArgs)]
pub struct Flush {
    /// The ports [default: every assigned one]
    #[arg(value_parser = port)]
    pub ports: Vec<Port>,
    /// Also end our own live services on their own ports
    #[arg(long)]
    pub all: bool,
    /// Print who would be ended, and touch nothing
    #[arg(long)]
    pub dry_run: bool,
    /// End foreign listeners without asking
    #[arg(short, long)]
    pub yes: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `ports`.
#[derive(Debug, ClapArgs)]
pub struct Ports {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `logs`.
#[derive(Debug, ClapArgs)]
pub struct Logs {
    /// Names, globs, `group:*` [default: all]
    pub services: Vec<String>,
    /// Go on with new lines as they come
    #[arg(short, long)]
    pub follow: bool,
    /// Only the last N lines, or `all` [default: 100, or all with --since, --until or --grep]
    #[arg(short = 'n', long = "lines", alias = "tail", value_name = "N", allow_hyphen_values = true)]
    pub lines: Option<LineCount>,
    /// Set the log files aside, whatever their sizes are
    #[arg(long, conflicts_with_all = ["follow", "lines", "since", "until", "grep", "stdout", "stderr"])]
    pub rotate_now: bool,
    /// Only what was written since then: `5m` (ago), `20:15`, `yesterday`, `2026-11-25 20:15`
    #[arg(long, value_name = "WHEN", allow_hyphen_values = true)]
    pub since: Option<When>,
    /// Only what was written before that
    #[arg(long, value_name = "WHEN", conflicts_with = "follow", allow_hyphen_values = true)]
    pub until: Option<When>,
    /// Only lines that match; in lines over 1 MiB, matches of up to 64 KiB are found
    #[arg(long, value_name = "REGEX")]
    pub grep: Option<String>,
    /// Only standard output
    #[arg(long, conflicts_with = "stderr")]
    pub stdout: bool,
    /// Only standard error
    #[arg(long)]
    pub stderr: bool,
    /// The bytes as they were written: no names, no marks between runs, nothing made harmless
    #[arg(long, conflicts_with = "json")]
    pub raw: bool,
    /// One JSON object per line
    #[arg(long)]
    pub json: bool,
}

/// `events`.
#[derive(Debug, ClapArgs)]
pub struct Events {
    /// One JSON object per line
    #[arg(long)]
    pub json: bool,
}

/// `reload`.
#[derive(Debug, ClapArgs)]
pub struct Reload {
    /// Show the difference, and touch nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `check`.
#[derive(Debug, ClapArgs)]
pub struct Check {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `wait`.
#[derive(Debug, ClapArgs)]
pub struct Wait {
    /// Names, globs, `group:*` or `all`
    #[arg(required = true)]
    pub services: Vec<String>,
    /// What to wait for
    #[arg(long = "for", value_enum, default_value_t = Awaited::Ready, value_name = "STATE")]
    pub awaited: Awaited,
    /// How long
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub timeout: Option<Duration>,
}

/// What `wait` waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Awaited {
    /// Ports held, check passed
    Ready,
    /// A process lives
    Running,
    /// No process lives
    Stopped,
}

/// `run`.
#[derive(Debug, ClapArgs)]
pub struct Run {
    /// The service
    pub service: String,
    /// The command and its arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    pub command: Vec<String>,
}

pub(super) fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).map_err(|error| error.to_string())
}

fn port(text: &str) -> Result<Port, String> {
    let number = text.parse().ok().and_then(Port::new);
    number.ok_or_else(|| {
        "a port is a number from 1 to 65535; `procman ports` lists those of each service".to_owned()
    })
}
