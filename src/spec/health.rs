use std::time::Duration;

use crate::vocab::port::Port;

/// How a service is proven to work while it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// What is asked.
    pub check: Check,
    /// The time from the start of one check to the start of the next.
    pub interval: Duration,
    /// How long one check may take.
    pub timeout: Duration,
    /// So many failures in a row make it unhealthy.
    pub retries: u32,
    /// Failures this soon after the start of a run do not count.
    pub start_period: Duration,
}

impl Health {
    /// The interval unless said.
    pub const INTERVAL: Duration = Duration::from_secs(5);
    /// The timeout unless said.
    pub const TIMEOUT: Duration = Duration::from_secs(2);
    /// The retries unless said.
    pub const RETRIES: u32 = 3;
    /// The start period unless said.
    pub const START_PERIOD: Duration = Duration::from_secs(10);
}

/// One question to a service, always over the loopback interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Check {
    /// Does it accept a connection?
    Tcp {
        /// The port asked.
        port: Port,
    },
    /// Does it answer a GET with a status of 200 to 399?
    Http {
        /// The port asked.
        port: Port,
        /// The path with its query, beginning with `/`.
        path: String,
    },
}
