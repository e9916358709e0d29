use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::command::is_default;
use crate::vocab::cause::{By, Class};
use crate::vocab::identity::Pid;
use crate::vocab::line_count::LineCount;
use crate::vocab::log_level::LogLevel;
use crate::vocab::mark::{Mark, Turn};
use crate::vocab::name::ServiceName;
use crate::vocab::outcome::Outcome;
use crate::vocab::run::RunId;
use crate::vocab::selection::Selection;
use crate::vocab::stream::Stream;

/// What `GET /v1/logs` is asked for: the options of `procman logs`, by the same names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub struct LogsQuery {
    /// Names, globs or `group:*`, with commas between them; all services when absent.
    pub services: Option<String>,
    /// Only the last so many lines, or `all`; 100 when nothing narrows it.
    #[param(value_type = Option<String>)]
    pub lines: Option<LineCount>,
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

/// What a log has: a line, a mark where a run ended or began, or a note of what its reader has to know. A mark has `mark`, a note
/// has `note`, and neither has `line`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum LogItem {
    /// A line.
    Line(LogLine),
    /// A mark.
    Mark(LogMark),
    /// A note.
    Note(LogNote),
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
    /// Whether it goes on with a line that began before it; that beginning is not given where a search that follows did not find it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub continued: bool,
    /// Whether its line goes on behind it: it is longer than 1 MiB, or its end has not come for a second.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub partial: bool,
}

/// Where a run of a service ended or began, between the lines of its log. Searches (`grep`) find none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LogMark {
    /// The service.
    pub service: ServiceName,
    /// What it marks.
    pub mark: MarkKind,
    /// When, in RFC 3339.
    pub time: String,
    /// The run.
    #[schema(value_type = u64)]
    pub run: RunId,
    /// Its main process; none if it was not made.
    pub pid: Option<Pid>,
    /// How long it ran, in milliseconds; of an end alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lasted_ms: Option<u64>,
    /// How its main process ended; of an end alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit: Option<Outcome>,
    /// Why it ended; of an end alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<Class>,
    /// The same in a sentence, where there is more to say; of an end alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Who had procman end it, if it did; of an end alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<By>,
}

/// What a mark tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum MarkKind {
    /// A run began.
    Began,
    /// A run ended.
    Ended,
}

/// What a reader of logs has to know of what it is given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LogNote {
    /// Of which service.
    pub service: ServiceName,
    /// What it is.
    pub note: NoteKind,
    /// When, in RFC 3339.
    pub time: String,
    /// Of which of its streams lines are missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<Stream>,
    /// How many bytes are missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// The file that cannot be read to its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub file: Option<PathBuf>,
    /// Why it cannot be, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// What a note tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum NoteKind {
    /// Lines are missing here: the service wrote so much that rotation dropped them before they were read.
    Missing,
    /// Lines may be missing here: a file is damaged, and the rest of it cannot be read. Those of other files are all there.
    Unreadable,
    /// The service has ended, and a config or a count of replicas is without it: nothing of it follows unless it comes back.
    Removed,
}

impl LogMark {
    /// A mark as it crosses the socket.
    pub fn new(mark: Mark) -> Self {
        let (service, time) = (mark.service, rfc_3339(mark.turn.unix_ms()));
        match mark.turn {
            Turn::Began(began) => Self {
                service,
                mark: MarkKind::Began,
                time,
                run: began.began,
                pid: Some(began.pid),
                lasted_ms: None,
                exit: None,
                class: None,
                detail: None,
                by: None,
            },
            Turn::Ended(record) => Self {
                service,
                mark: MarkKind::Ended,
                time,
                run: record.run,
                pid: record.pid,
                lasted_ms: record.lasted_ms,
                exit: record.exit,
                class: Some(record.class),
                detail: record.detail,
                by: record.by,
            },
        }
    }
}

/// So many milliseconds after 1970 UTC, as all times cross the socket.
pub fn rfc_3339(unix_ms: u64) -> String {
    let time = Timestamp::from_millisecond(i64::try_from(unix_ms).unwrap_or(i64::MAX));
    time.unwrap_or_default().to_string()
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
    #[serde(skip_serializing_if = "is_default")]
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
    /// It is removed: none that is set aside is kept.
    Removed,
    /// There is nothing in it.
    Empty,
    /// It will be when the line ends that is being written.
    AtLineEnd,
    /// It cannot be.
    Failed,
}
