use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use grep_matcher::Matcher;
use grep_regex::RegexMatcher;

use super::service::Command;
use crate::vocab::port::Endpoint;

/// How a service is proven to work: to be ready while it starts, to be alive while it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// What is asked.
    pub check: Check,
    /// The time from the end of one check to the start of the next.
    pub interval: Duration,
    /// How long one check may take.
    pub timeout: Duration,
    /// So many failures in a row make it unhealthy.
    pub retries: u32,
    /// So many passed checks in a row make a running service that is unhealthy healthy again.
    pub successes: u32,
    /// Failures this soon after the start of a run do not count, as long as no check of it has passed.
    pub start_period: Duration,
    /// What is done about a service that is unhealthy.
    pub on_unhealthy: OnUnhealthy,
}

impl Health {
    /// The interval unless said.
    pub const INTERVAL: Duration = Duration::from_secs(5);
    /// The timeout unless said.
    pub const TIMEOUT: Duration = Duration::from_secs(2);
    /// The retries unless said.
    pub const RETRIES: u32 = 3;
    /// The successes unless said.
    pub const SUCCESSES: u32 = 1;
    /// The start period unless said.
    pub const START_PERIOD: Duration = Duration::from_secs(10);
}

/// What a look is to find out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aspect {
    /// Whether a run that starts is ready.
    Ready,
    /// Whether a run that was ready is well.
    Alive,
}

/// What is done about a service that is unhealthy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnUnhealthy {
    /// It is reported and runs on.
    Report,
    /// It is stopped, and fatal until somebody starts it.
    Stop,
    /// It is stopped and started again, as long as the budget lasts; then it is reported until the budget has room.
    Restart(Budget),
}

/// So many restarts within so long, and no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// How many.
    pub restarts_max: u32,
    /// Within how long.
    pub within: Duration,
}

impl Budget {
    /// The largest budget.
    pub const RESTARTS_MAX: u32 = 1000;
}

impl Default for Budget {
    fn default() -> Self {
        Self { restarts_max: 5, within: Duration::from_secs(600) }
    }
}

/// One question to a service. Those over the network go over the loopback interface, unless the port is on another
/// address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Check {
    /// Does it accept a connection?
    Tcp {
        /// The port asked.
        port: Endpoint,
    },
    /// Does it answer a GET as expected?
    Http(Http),
    /// Does this command end with success?
    Exec(Command),
    /// Was this file touched lately?
    Heartbeat {
        /// The file, absolute.
        file: PathBuf,
        /// How old its time of modification may be.
        age_max: Duration,
    },
    /// Has it written a line that matches?
    Log(Pattern),
    /// What does it say of itself by sd_notify(3)?
    Notify {
        /// How far apart its keep-alives (`WATCHDOG=1`) may be.
        watchdog: Option<Duration>,
    },
}

/// A GET and the answer that is expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Http {
    /// The port asked.
    pub port: Endpoint,
    /// The path with its query, beginning with `/`.
    pub path: String,
    /// Header fields of the request.
    pub headers: Vec<(String, String)>,
    /// The statuses that are good.
    pub statuses: Vec<RangeInclusive<u16>>,
    /// What must match in the first [`Http::BODY_BYTES_MAX`] bytes of the body.
    pub body: Option<Pattern>,
}

impl Http {
    /// The statuses that are good unless said.
    pub const STATUSES: RangeInclusive<u16> = 200..=399;
    /// How much of a body is read.
    pub const BODY_BYTES_MAX: usize = 64 * 1024;
}

/// A regular expression over bytes; two are equal if they are written alike.
#[derive(Debug, Clone)]
pub struct Pattern {
    text: String,
    matcher: RegexMatcher,
}

impl Pattern {
    /// Reads one.
    ///
    /// # Errors
    /// It is none, or too large.
    pub fn new(text: &str) -> Result<Self, grep_regex::Error> {
        Ok(Self { text: text.to_owned(), matcher: RegexMatcher::new(text)? })
    }

    /// Whether it matches somewhere in these bytes.
    pub fn is_in(&self, bytes: &[u8]) -> bool {
        self.matcher.is_match(bytes).unwrap_or(false)
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Pattern {}
