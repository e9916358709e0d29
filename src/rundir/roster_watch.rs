use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::UNIX_EPOCH;

use super::paths::Paths;

/// Whether the supervisor has taken other services in since somebody looked: by a reload, a scaling, or groups that came and went.
#[derive(Debug)]
pub(super) struct RosterWatch {
    /// The config as it was applied, with counts and groups: it is replaced as a whole.
    applied: PathBuf,
    seen: Option<Look>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Look {
    inode: u64,
    bytes: u64,
    modified_ms: u64,
}

impl RosterWatch {
    /// From this moment on.
    pub(super) fn new(paths: &Paths) -> Self {
        let mut watch = Self { applied: paths.applied.clone(), seen: None };
        watch.seen = watch.look();
        watch
    }

    /// Since when there may be other services, in milliseconds since 1970 UTC, if that was not told: nothing of those was written
    /// before. A supervisor that ends takes none out.
    pub(super) fn news(&mut self) -> Option<u64> {
        let look = self.look().filter(|look| self.seen != Some(*look))?;
        self.seen = Some(look);
        Some(look.modified_ms)
    }

    fn look(&self) -> Option<Look> {
        let found = fs::metadata(&self.applied).ok()?;
        let modified = found.modified().ok()?.duration_since(UNIX_EPOCH).unwrap_or_default();
        let modified_ms = u64::try_from(modified.as_millis()).unwrap_or(u64::MAX);
        Some(Look { inode: found.ino(), bytes: found.len(), modified_ms })
    }
}
