use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::vocab::log_level::LogLevel;
use crate::vocab::name::ServiceName;
use crate::vocab::selection::Selection;
use crate::vocab::stream::Stream;

/// What `GET /v1/logs` is asked for: the options of `procman logs`, by the same names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub struct LogsQuery {
    /// Names, globs or `group:*`, with commas between them; all services when absent.
    pub services: Option<String>,
    /// Only the last so many lines; 100 when nothing narrows it.
    pub lines: Option<usize>,
    /// Only what was written since then: `5m` (ago), `20:15`, `2026-11-25 20:15`.
    pub since: Option<String>,
    /// Only what was written before that.
    pub until: Option<String>,
    /// Only lines that match this regular expression.
    pub grep: Option<String>,
    /// Only this stream.
    pub stream: Option<Stream>,
    /// Whether new lines follow as they come, until the client leaves.
    pub follow: bool,
}

/// A line of a service's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LogLine {
    /// The service that wrote it.
    pub service: ServiceName,
    /// Where to.
    pub stream: Stream,
    /// When it arrived, in RFC 3339.
    pub time: String,
    /// The line without its end; bytes that are not UTF-8 are U+FFFD.
    pub line: String,
}

impl LogLine {
    /// A line that arrived so many milliseconds after 1970 UTC.
    pub fn new(service: ServiceName, stream: Stream, unix_ms: u64, bytes: &[u8]) -> Self {
        let time = Timestamp::from_millisecond(i64::try_from(unix_ms).unwrap_or(i64::MAX));
        let line = String::from_utf8_lossy(bytes).into_owned();
        Self { service, stream, time: time.unwrap_or_default().to_string(), line }
    }
}

/// The body and the answer of `PUT /v1/supervisor/log-level`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LogLevelOrder {
    /// How much the supervisor's own log tells.
    pub level: LogLevel,
}

/// The body of `POST /v1/logs/rotate`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RotateOrder {
    /// The services; all of them when nothing is said.
    pub services: Selection,
}

/// The answer to that.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RotateReport {
    /// Each log file that was meant.
    pub results: Vec<Rotated>,
}

/// What came of setting one log file aside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Rotated {
    /// Whose it is.
    pub service: ServiceName,
    /// Of which stream.
    pub stream: Stream,
    /// The file.
    #[schema(value_type = String)]
    pub file: PathBuf,
    /// Whether it is set aside.
    pub outcome: RotateOutcome,
    /// Why it is not, or what is not in it, in words.
    pub note: Option<String>,
}

/// Whether a log file is set aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RotateOutcome {
    /// It is.
    Rotated,
    /// There is nothing in it.
    Empty,
    /// It will be when the line ends that is being written.
    AtLineEnd,
    /// It cannot be.
    Failed,
}
