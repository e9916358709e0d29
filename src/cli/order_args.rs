use std::time::Duration;

use clap::Args;

use super::args::duration;

/// `start`.
#[derive(Debug, Args)]
pub struct Start {
    /// Names, globs, `group:*` or `all`
    #[arg(required = true)]
    pub services: Vec<String>,
    /// Also what needs them
    #[arg(long)]
    pub with_dependents: bool,
    /// How long to wait for the result
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub timeout: Option<Duration>,
}

/// `stop` and `kill`.
#[derive(Debug, Args)]
pub struct Stop {
    /// Names, globs, `group:*` or `all`
    #[arg(required = true)]
    pub services: Vec<String>,
    /// Also what needs them. Without this and --force, a terminal is asked about those that cannot be up without them; where
    /// there is none, it is refused
    #[arg(long)]
    pub with_dependents: bool,
    /// Only those named: what cannot be up without them is taken down, and comes back when they do
    #[arg(long, conflicts_with = "with_dependents")]
    pub force: bool,
    /// How long to wait for the result
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub timeout: Option<Duration>,
}
