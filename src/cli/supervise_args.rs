use clap::Args;

use crate::launch::upgrade::parse_identity;
use crate::vocab::identity::Identity;

/// `supervise`.
#[derive(Debug, Args)]
pub struct Supervise {
    /// Be the supervisor under this guardian, as PID:START
    #[arg(long, value_parser = parse_identity)]
    pub under: Option<Identity>,
    /// Be the guardian of this supervisor, as PID:START
    #[arg(long, value_parser = parse_identity, conflicts_with = "under")]
    pub guard: Option<Identity>,
    /// The descriptors of the letterbox that comes with either, as SLOT,TRAY
    #[arg(long)]
    pub letterbox: Option<String>,
}
