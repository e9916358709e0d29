use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::identity::Pid;
use super::outcome::Outcome;
use super::run::RunId;

/// Why a run ended, as far as that can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// It ended by itself, and well.
    Success,
    /// It ended by itself with a code that says nothing more.
    ExitCode,
    /// A Python exception that nobody caught.
    UnhandledException,
    /// Python found no module, or not in it what it should have.
    ImportError,
    /// Python does not understand a file.
    SyntaxError,
    /// Somebody listens where it wanted to.
    AddressInUse,
    /// There is no such program or script.
    ProgramNotFound,
    /// Its process was not made: its `pre_start` failed, or the system refused.
    NotStarted,
    /// procman ended it for more memory than `limits.memory`.
    MemoryLimit,
    /// The kernel ended it because memory ran out.
    OutOfMemory,
    /// procman ended it because its check failed.
    FailedCheck,
    /// procman ended it because it did not feed its watchdog.
    Watchdog,
    /// procman ended it because a service that it needs fell.
    Dependency,
    /// procman ended it because somebody asked for that.
    Operator,
    /// A signal ended it that procman did not send.
    ForeignSignal,
    /// A fault in native code ended it: SIGSEGV, SIGABRT and the like.
    NativeCrash,
    /// Nobody saw how it ended.
    Unknown,
}

impl Class {
    /// The words for people.
    pub fn words(self) -> &'static str {
        match self {
            Self::Success => "ended with success",
            Self::ExitCode => "exit code",
            Self::UnhandledException => "unhandled exception",
            Self::ImportError => "import error",
            Self::SyntaxError => "syntax error",
            Self::AddressInUse => "address in use",
            Self::ProgramNotFound => "program not found",
            Self::NotStarted => "not started",
            Self::MemoryLimit => "killed for memory by its limit",
            Self::OutOfMemory => "killed for memory by the kernel",
            Self::FailedCheck => "failed check",
            Self::Watchdog => "watchdog",
            Self::Dependency => "fallen dependency",
            Self::Operator => "operator",
            Self::ForeignSignal => "signal from outside",
            Self::NativeCrash => "crash in native code",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.words())
    }
}

/// Who had procman end a run, and by what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct By {
    /// By what.
    pub means: Means,
    /// The user who asked, as the control socket tells; none if it was no request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The same as a number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    /// The signal that was sent, the file that changed, or the service that fell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub what: Option<String>,
}

/// By what a run comes to be ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Means {
    /// `procman stop`.
    Stop,
    /// `procman restart`, of services or of the whole system.
    Restart,
    /// `procman restart --rolling`.
    Roll,
    /// `procman scale`.
    Scale,
    /// `procman kill`.
    Kill,
    /// `procman signal`.
    Signal,
    /// `procman flush`.
    Flush,
    /// `procman reload`, or SIGHUP to the supervisor.
    Reload,
    /// `procman down`, or what a restart of the whole system has not ended before.
    Shutdown,
    /// `procman restart --emergency`.
    Emergency,
    /// A signal to the supervisor or its guardian.
    SignalToProcman,
    /// `exit_on` of another service.
    ExitOn,
    /// A file that it watches changed.
    Watch,
    /// Its check failed.
    Health,
    /// It used more than `limits.memory`.
    MemoryLimit,
    /// A service that it needs fell.
    Dependency,
    /// `max_age` or `schedule`.
    Renewal,
}

impl fmt::Display for By {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let means = match self.means {
            Means::Stop => "`procman stop`",
            Means::Restart => "`procman restart`",
            Means::Roll => "`procman restart --rolling`",
            Means::Scale => "`procman scale`",
            Means::Kill => "`procman kill`",
            Means::Signal => "`procman signal`",
            Means::Flush => "`procman flush`",
            Means::Reload => "a reload",
            Means::Shutdown => "`procman down`, or a restart of the whole system",
            Means::Emergency => "`procman restart --emergency`",
            Means::SignalToProcman => "a signal to procman itself",
            Means::ExitOn => "`exit_on`",
            Means::Watch => "a watched file that changed",
            Means::Health => "its check",
            Means::MemoryLimit => "limits.memory",
            Means::Dependency => "`depends_on`",
            Means::Renewal => "`max_age` or `schedule`",
        };
        f.write_str(means)?;
        if let Some(what) = &self.what {
            write!(f, " ({what})")?;
        }
        match (&self.user, self.uid) {
            (Some(user), _) => write!(f, " of {user}"),
            (None, Some(uid)) => write!(f, " of user {uid}"),
            (None, None) => Ok(()),
        }
    }
}

/// The end of a run as it is kept: a line of JSON on the disk, and the same over the socket. Fields are added, never renamed
/// or removed; old lines are read for ever.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Record {
    /// The version of this form.
    pub v: u32,
    /// The run.
    #[schema(value_type = u64)]
    pub run: RunId,
    /// When it ended, in milliseconds since 1970 UTC.
    pub unix_ms: u64,
    /// Its main process; none if it was not made.
    #[serde(default)]
    pub pid: Option<Pid>,
    /// How long it ran, in milliseconds; none if it was not made.
    #[serde(default)]
    pub lasted_ms: Option<u64>,
    /// How its main process ended; none if it was not made.
    #[serde(default)]
    pub exit: Option<Outcome>,
    /// Why it ended.
    pub class: Class,
    /// The same in a sentence, where there is more to say.
    #[serde(default)]
    pub detail: Option<String>,
    /// Who had procman end it, if it did.
    #[serde(default)]
    pub by: Option<By>,
    /// The last line of the last Python traceback.
    #[serde(default)]
    pub traceback: Option<String>,
    /// How many earlier ends look the same: the same class, exit and last line, numbers aside.
    #[serde(default)]
    pub alike: u64,
    /// Its last lines of standard error, 20 at most.
    #[serde(default)]
    pub stderr: Vec<String>,
    /// The stacks of its Python threads when it hung, or why there are none; empty if nobody asked for them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stacks: Vec<String>,
}

impl Record {
    /// The version that is written.
    pub const VERSION: u32 = 1;

    /// So many lines of standard error are kept.
    pub const LINES_MAX: usize = 20;

    /// That of a run of which nothing is known but when it ended, in milliseconds since 1970 UTC.
    pub fn blank(run: RunId, unix_ms: u64) -> Self {
        Self {
            v: Self::VERSION,
            run,
            unix_ms,
            pid: None,
            lasted_ms: None,
            exit: None,
            class: Class::Unknown,
            detail: None,
            by: None,
            traceback: None,
            alike: 0,
            stderr: Vec::new(),
            stacks: Vec::new(),
        }
    }
}
