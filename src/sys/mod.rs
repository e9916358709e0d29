//! To be written; being done in its own worktree.

/// Users.
pub mod user {
    /// The effective user id of this process (geteuid(2)).
    pub fn effective() -> u32 {
        nix::unistd::geteuid().as_raw()
    }
}
