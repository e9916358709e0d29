use std::time::Duration;

use clap::Args;

use super::args::duration;
use crate::vocab::name::ServiceName;

/// `restart`.
#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("mode").multiple(false)))]
pub struct Restart {
    /// The services [default: the whole system, supervisor included]
    #[arg(conflicts_with = "mode")]
    pub services: Vec<String>,
    /// The whole system, gracefully, with strays ended and every port flushed and proven free (the default)
    #[arg(long, visible_alias = "full", group = "mode")]
    pub master: bool,
    /// The whole system, gracefully, ports untouched
    #[arg(long, group = "mode")]
    pub quick: bool,
    /// Assume that nothing works: kill all that is ours, start everything afresh
    #[arg(long, visible_alias = "force", group = "mode")]
    pub emergency: bool,
    /// Start each new run beside the old one, and end the old one when the new one is ready; if it is not ready in time, end
    /// the new one and leave the old one as it is
    #[arg(long, requires = "services", conflicts_with = "mode")]
    pub rolling: bool,
    /// Also restart what needs the services named
    #[arg(long, requires = "services")]
    pub with_dependents: bool,
    /// Print the exact steps, pids and ports, and touch nothing
    #[arg(long)]
    pub dry_run: bool,
    /// End foreign listeners on assigned ports without asking
    #[arg(short, long)]
    pub yes: bool,
    /// How long to wait until each service is ready
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = duration)]
    pub timeout: Duration,
    /// Print the status, or what --dry-run shows, as JSON
    #[arg(long)]
    pub json: bool,
}

/// `scale`.
#[derive(Debug, Args)]
pub struct Scale {
    /// How many replicas each is to have: NAME, NAME-2 and so on. Each finds its number in PROCMAN_REPLICA; a service
    /// whose processes bind its ports themselves has one
    #[arg(required = true, value_name = "SERVICE=COUNT", value_parser = count)]
    pub counts: Vec<(ServiceName, u32)>,
    /// Show what would be started and stopped, and touch nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Print that as JSON
    #[arg(long, requires = "dry_run")]
    pub json: bool,
    /// How long to wait for the result
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub timeout: Option<Duration>,
}

fn count(text: &str) -> Result<(ServiceName, u32), String> {
    let (name, count) = text.split_once('=').ok_or("write SERVICE=COUNT, such as web=3")?;
    let name = ServiceName::parse(name).map_err(|error| error.to_string())?;
    let count = count.parse().map_err(|_| format!("`{count}` is not a count"))?;
    Ok((name, count))
}
