use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::unfit::Unfit;

/// How much the supervisor's own log tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// What it cannot do its job for.
    Error,
    /// What may wake someone.
    Warn,
    /// What it would tell a friend.
    Info,
    /// Turns off the usual path.
    Debug,
    /// Every step.
    Trace,
}

/// A word that is no level.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a log level: {way_out}", way_out = Self::WAY_OUT)]
pub struct BadLogLevel(String);

impl Unfit for BadLogLevel {
    const WAY_OUT: &'static str = "write \"error\", \"warn\", \"info\", \"debug\" or \"trace\"";
}

impl LogLevel {
    const ALL: [Self; 5] = [Self::Error, Self::Warn, Self::Info, Self::Debug, Self::Trace];

    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

impl FromStr for LogLevel {
    type Err = BadLogLevel;

    fn from_str(word: &str) -> Result<Self, BadLogLevel> {
        Self::ALL.into_iter().find(|level| level.as_str() == word).ok_or_else(|| BadLogLevel(word.to_owned()))
    }
}
