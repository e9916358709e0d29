use serde::{Deserialize, Serialize};

use super::identity::Pid;

/// A process with those that descend from it: a piece of a process tree, for people to look at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Branch {
    /// The process.
    pub pid: Pid,
    /// Its command line; empty for a process that has none.
    pub command: String,
    /// How long it has lived, in seconds.
    pub age_s: f64,
    /// Its resident memory, in bytes.
    pub memory_bytes: u64,
    /// The processes that it forked.
    #[schema(no_recursion)]
    pub children: Vec<Branch>,
}
