use std::io;

use crate::client::ask::AskError;
use crate::client::connection::Unreachable;
use crate::config::find::NotFound;
use crate::config::problem::{Problems, Style};
use crate::daemon::boot::BootError;
use crate::emergency::execute::Stuck;
use crate::launch::detached::LaunchError;
use crate::launch::guardian::NoGuardian;
use crate::protocol::problem::Kind;
use crate::rundir::paths::Unusable;
use crate::vocab::selection::NoSuchService;

use super::output;

/// Why a command did not do all that was asked for.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The config file is not right.
    #[error("{0}")]
    Config(Problems),
    /// There is no config file.
    #[error(transparent)]
    NoConfig(#[from] NotFound),
    /// The words make no sense together, or with this config.
    #[error("{0}")]
    Usage(String),
    /// No supervisor answers.
    #[error(transparent)]
    Unreachable(#[from] Unreachable),
    /// The supervisor said no, or broke off.
    #[error(transparent)]
    Ask(AskError),
    /// The state directory cannot be used.
    #[error(transparent)]
    StateDirectory(#[from] Unusable),
    /// No supervisor could be started.
    #[error(transparent)]
    Launch(#[from] LaunchError),
    /// This process cannot be a guardian.
    #[error(transparent)]
    NoGuardian(#[from] NoGuardian),
    /// This process cannot be the supervisor.
    #[error(transparent)]
    Boot(BootError),
    /// An emergency restart cannot go on.
    #[error(transparent)]
    Stuck(#[from] Stuck),
    /// Safety forbids it.
    #[error("{0}")]
    Unsafe(String),
    /// Something asked for was not reached; what was said before tells the rest.
    #[error("{0}")]
    NotReached(String),
    /// A service that should be up is not, or nobody answers: said by what was printed.
    #[error("")]
    Said(u8),
    /// The system refused.
    #[error("{0}")]
    System(String),
    /// Whoever read the output has left.
    #[error("")]
    ReaderLeft,
    /// Somebody pressed Ctrl-C.
    #[error("{0}")]
    Interrupted(&'static str),
}

impl Failure {
    /// The exit code of the contract.
    pub(super) fn code(&self) -> u8 {
        match self {
            Self::ReaderLeft => 0,
            Self::StateDirectory(_) | Self::NoGuardian(_) => 1,
            Self::Launch(_) | Self::Boot(_) | Self::Stuck(_) | Self::NotReached(_) | Self::System(_) => 1,
            Self::Config(_) | Self::NoConfig(_) | Self::Usage(_) => 2,
            Self::Unreachable(_) => 4,
            Self::Ask(error) => ask_code(error),
            Self::Unsafe(_) => 5,
            Self::Said(code) => *code,
            Self::Interrupted(_) => 130,
        }
    }

    /// Says it on standard error.
    pub(super) fn print(&self) {
        if let Self::Config(problems) = self {
            output::say(&problems.render(Style::Coloured));
            return;
        }
        let mut text = self.to_string();
        if let Self::Ask(AskError::Refused(problem)) = self {
            text.extend(problem.hint.iter().map(|hint| format!("\nhint: {hint}")));
        }
        if !text.is_empty() {
            output::say(&format!("procman: {text}"));
        }
    }

    /// Whether a supervisor was asked that is on its way out, or just went: its successor can be asked instead.
    pub(super) fn is_of_one_that_leaves(&self) -> bool {
        match self {
            Self::Ask(AskError::NoAnswer(_)) | Self::Unreachable(Unreachable::Absent) => true,
            Self::Ask(AskError::Refused(problem)) => problem.kind == Kind::Ending,
            Self::Ask(_) | Self::Unreachable(_) | Self::Config(_) | Self::NoConfig(_) | Self::Usage(_) => {
                false
            }
            Self::StateDirectory(_)
            | Self::NoGuardian(_)
            | Self::Launch(_)
            | Self::Boot(_)
            | Self::Stuck(_) => false,
            Self::Unsafe(_) | Self::NotReached(_) => false,
            Self::Said(_) | Self::System(_) | Self::ReaderLeft | Self::Interrupted(_) => false,
        }
    }

    pub(super) fn of_output(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::ReaderLeft,
            _ => Self::System(format!("cannot write the output: {error}")),
        }
    }
}

fn ask_code(error: &AskError) -> u8 {
    match error {
        AskError::Unreachable(_) => 4,
        AskError::Refused(problem) => match problem.kind {
            Kind::BadRequest | Kind::NotFound | Kind::BadMethod | Kind::TooLarge => 2,
            Kind::NoSuchService | Kind::ConfigForbids => 2,
            Kind::NoGuardian | Kind::Busy => 1,
            Kind::Ending => 4,
            Kind::Needed => 5,
        },
        AskError::NoAnswer(_) | AskError::Broken(_) => 4,
        AskError::NotUnderstood(_) => 4,
        // It answers, and has touched nothing.
        AskError::NotKnown(_) => 2,
        AskError::StillAlive => 1,
    }
}

impl From<AskError> for Failure {
    fn from(error: AskError) -> Self {
        match error {
            AskError::Unreachable(unreachable) => Self::Unreachable(unreachable),
            other => Self::Ask(other),
        }
    }
}

impl From<BootError> for Failure {
    fn from(error: BootError) -> Self {
        match error {
            BootError::Config(problems) => Self::Config(problems),
            other => Self::Boot(other),
        }
    }
}

impl From<NoSuchService> for Failure {
    fn from(error: NoSuchService) -> Self {
        Self::Usage(format!("cannot go on: {error}\nhint: {}", error.hint()))
    }
}
