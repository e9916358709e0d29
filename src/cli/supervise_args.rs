use clap::Args;

use crate::launch::upgrade::{Partner, parse_partner};

/// `supervise`.
#[derive(Debug, Args)]
pub struct Supervise {
    /// Go by the config as the last supervisor acted on it
    #[arg(long, conflicts_with_all = ["under", "guard", "watch"])]
    pub as_applied: bool,
    /// Be the supervisor under this guardian, as PID:START:ESTATE
    #[arg(long, value_parser = parse_partner)]
    pub under: Option<Partner>,
    /// Be the guardian of this supervisor, as PID:START:ESTATE
    #[arg(long, value_parser = parse_partner, conflicts_with = "under")]
    pub guard: Option<Partner>,
    /// Be the guardian of this supervisor, which started it, and says its last word on descriptor 3
    #[arg(long, value_parser = parse_partner, conflicts_with_all = ["under", "guard"])]
    pub watch: Option<Partner>,
}
