use clap::Args;

use crate::launch::upgrade::{Partner, parse_partner};

/// `supervise`.
#[derive(Debug, Args)]
pub struct Supervise {
    /// Be the supervisor under this guardian, as PID:START:STASH
    #[arg(long, value_parser = parse_partner)]
    pub under: Option<Partner>,
    /// Be the guardian of this supervisor, as PID:START:STASH
    #[arg(long, value_parser = parse_partner, conflicts_with = "under")]
    pub guard: Option<Partner>,
    /// The descriptors of the letterbox that comes with either, as SLOT,TRAY
    #[arg(long)]
    pub letterbox: Option<String>,
}
