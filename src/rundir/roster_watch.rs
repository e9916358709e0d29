use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::UNIX_EPOCH;

use super::paths::Paths;
use crate::sys::clock;

/// Whether the supervisor has taken other services in since somebody looked: by a reload, a scaling, or groups that came and went.
#[derive(Debug)]
pub(super) struct RosterWatch {
    /// The config as it was applied, with counts and groups: it is replaced as a whole.
    applied: PathBuf,
    seen: Option<Look>,
    /// When it was last found to be as it was told, in milliseconds since 1970 UTC.
    unchanged_ms: u64,
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
        let mut watch = Self { applied: paths.applied.clone(), seen: None, unchanged_ms: clock::unix_ms() };
        watch.seen = watch.look();
        watch
    }

    /// What `act` makes of it that there may be other services, if that was not told, and since when, in milliseconds since 1970
    /// UTC: nothing of those was written before. What it makes nothing of is told again. A supervisor that ends takes none out.
    pub(super) fn news<T>(&mut self, act: impl FnOnce() -> Option<T>) -> Option<(T, u64)> {
        let unix_ms = clock::unix_ms();
        let Some(look) = self.look().filter(|look| self.seen != Some(*look)) else {
            self.unchanged_ms = unix_ms;
            return None;
        };
        let made = act()?;
        self.seen = Some(look);
        // The last of several changes tells nothing of when the first one was.
        let since_ms = look.modified_ms.min(self.unchanged_ms);
        self.unchanged_ms = unix_ms;
        Some((made, since_ms))
    }

    fn look(&self) -> Option<Look> {
        let found = fs::metadata(&self.applied).ok()?;
        let modified = found.modified().ok()?.duration_since(UNIX_EPOCH).unwrap_or_default();
        let modified_ms = u64::try_from(modified.as_millis()).unwrap_or(u64::MAX);
        Some(Look { inode: found.ino(), bytes: found.len(), modified_ms })
    }
}

#[cfg(test)]
mod tests {
    use super::RosterWatch;
    use crate::rundir::paths::Paths;
    use std::fs::{self, File};
    use std::time::{Duration, SystemTime};

    fn place() -> (tempfile::TempDir, Paths) {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::new(&dir.path().join("services.toml"), &dir.path().join("state"));
        fs::create_dir_all(paths.applied.parent().unwrap()).unwrap();
        (dir, paths)
    }

    #[test]
    fn of_two_changes_between_two_looks_the_first_counts() {
        let (_dir, paths) = place();
        let mut watch = RosterWatch::new(&paths);
        assert_eq!(watch.news(|| Some(())), None);
        let unchanged_ms = watch.unchanged_ms;
        fs::write(&paths.applied, "first").unwrap();
        fs::write(&paths.applied, "and second").unwrap();
        let later = SystemTime::now() + Duration::from_secs(60);
        File::options().write(true).open(&paths.applied).unwrap().set_modified(later).unwrap();
        assert_eq!(watch.news(|| Some(())), Some(((), unchanged_ms)));
        assert_eq!(watch.news(|| Some(())), None);
    }

    #[test]
    fn what_nothing_is_made_of_is_told_again() {
        let (_dir, paths) = place();
        let mut watch = RosterWatch::new(&paths);
        fs::write(&paths.applied, "other").unwrap();
        assert_eq!(watch.news(|| None::<()>), None);
        assert!(watch.news(|| Some(())).is_some());
        assert_eq!(watch.news(|| Some(())), None);
    }
}
