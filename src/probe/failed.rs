use std::path::PathBuf;
use std::time::Duration;

use crate::vocab::measure::Brief;
use crate::vocab::port::Endpoint;

/// Why an attempt did not pass, in words that go on after "not ready: ".
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// Nobody accepts connections.
    #[error("port {port} does not accept a connection: {source}")]
    Connect {
        /// The port.
        port: Endpoint,
        /// Why.
        source: std::io::Error,
    },
    /// Somebody accepts, and does not speak HTTP.
    #[error("GET {path} on port {port} got no HTTP answer: {source}")]
    NoHttp {
        /// The port.
        port: Endpoint,
        /// The path.
        path: String,
        /// Why.
        source: hyper::Error,
    },
    /// The answer has another status than expected.
    #[error("GET {path} on port {port} answered {status}")]
    Status {
        /// The port.
        port: Endpoint,
        /// The path.
        path: String,
        /// The status.
        status: hyper::StatusCode,
    },
    /// The answer's body is not as expected.
    #[error("GET {path} on port {port} answered without `{pattern}` in its body")]
    Body {
        /// The port.
        port: Endpoint,
        /// The path.
        path: String,
        /// What was looked for.
        pattern: String,
    },
    /// The request cannot be made.
    #[error("`{path}` cannot be asked for: {source}")]
    BadRequest {
        /// The path.
        path: String,
        /// Why.
        source: hyper::http::Error,
    },
    /// There was no answer in time.
    #[error("port {port} gave no answer within {}", Brief(*.limit))]
    TimedOut {
        /// The port.
        port: Endpoint,
        /// The time it had.
        limit: Duration,
    },
    /// The command could not be run.
    #[error("cannot run its check: {why}")]
    NotRun {
        /// Why.
        why: String,
    },
    /// The command ended otherwise than with success.
    #[error("`{command}` {outcome}{}", Said(.words))]
    Command {
        /// Its words.
        command: String,
        /// How it ended.
        outcome: crate::vocab::outcome::Outcome,
        /// The last line that it wrote.
        words: Option<String>,
    },
    /// The command did not end in time.
    #[error("`{command}` did not end within {}{}", Brief(*.limit), Said(.words))]
    CommandTimedOut {
        /// Its words.
        command: String,
        /// The time it had.
        limit: Duration,
        /// The last line that it wrote.
        words: Option<String>,
    },
    /// The heartbeat's file is not there.
    #[error("there is no heartbeat {}: {source}", .file.display())]
    NoHeartbeat {
        /// The file.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The heartbeat's file is older than the run.
    #[error("the heartbeat {} was not touched since the start", .file.display())]
    NotYet {
        /// The file.
        file: PathBuf,
    },
    /// The heartbeat has stopped.
    #[error("the heartbeat {} was not touched for more than {}", .file.display(), Brief(*.age_max))]
    Stopped {
        /// The file.
        file: PathBuf,
        /// How old it is.
        age: Duration,
        /// How old it may be.
        age_max: Duration,
    },
}

/// What somebody said last, behind a colon, if anything was said.
struct Said<'a>(&'a Option<String>);

impl std::fmt::Display for Said<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Some(words) => write!(f, ": {words}"),
            None => Ok(()),
        }
    }
}
