use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::failed::Failed;
use crate::vocab::moment::Moment;

/// What is known of a heartbeat from one look to the next.
///
/// A file's time of modification is one of the wall clock, which jumps: by that clock alone, a file that was touched a
/// moment ago can be an hour old, and one that has been dead for an hour can be new. So its age is taken from the wall
/// clock only when it has changed, and then as what it can be at most, the time since the look before; from there on it
/// is the monotonic clock that counts.
#[derive(Debug)]
pub struct Pulse {
    /// When the run began.
    since: Moment,
    seen: Option<Seen>,
}

#[derive(Debug)]
struct Seen {
    file: PathBuf,
    mark: Option<Mark>,
    /// When the file was touched last, in this run.
    beat: Option<Moment>,
    at: Moment,
}

/// What is different when a file was touched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Mark {
    inode: u64,
    modified: (i64, i64),
}

/// This moment by both clocks.
#[derive(Debug, Clone, Copy)]
pub struct Clocks {
    /// The monotonic one.
    pub now: Moment,
    /// The wall clock, in milliseconds since 1970.
    pub unix_ms: u64,
}

/// The kernel stamps a file with the time of its last tick, up to 10 ms ago (CONFIG_HZ=100).
const TICK: Duration = Duration::from_millis(10);

impl Pulse {
    /// Nothing is known yet of a run that began then.
    pub fn new(since: Moment) -> Self {
        Self { since, seen: None }
    }

    /// Looks once. Says how much longer the file is young enough if nobody touches it again.
    ///
    /// # Errors
    /// [`Failed`]: the file is not there, is older than the run, or is too old.
    pub fn look(&mut self, file: &Path, age_max: Duration, clocks: Clocks) -> Result<Duration, Failed> {
        let now = clocks.now;
        let before = self.seen.take().filter(|seen| seen.file == file);
        let found = fs::metadata(file);
        let mark = found
            .as_ref()
            .ok()
            .map(|found| Mark { inode: found.ino(), modified: (found.mtime(), found.mtime_nsec()) });
        let age = mark.map(|mark| age_by_wall(mark, clocks.unix_ms));
        let beat = match (&before, age) {
            (Some(before), Some(_)) if before.mark == mark => before.beat,
            (Some(before), Some(age)) => Some(earlier(now, age, before.at)),
            (None, Some(age)) if age <= now.since(self.since) + TICK => Some(earlier(now, age, self.since)),
            // What is older than the run is another's heartbeat.
            (None, Some(_)) => None,
            (_, None) => before.and_then(|before| before.beat),
        };
        self.seen = Some(Seen { file: file.to_owned(), mark, beat, at: now });
        let file = || file.to_owned();
        found.map_err(|source| Failed::NoHeartbeat { file: file(), source })?;
        let age = now.since(beat.ok_or_else(|| Failed::NotYet { file: file() })?);
        age_max.checked_sub(age).ok_or_else(|| Failed::Stopped { file: file(), age, age_max })
    }
}

/// How old a file looks; one from the future is as young as can be.
fn age_by_wall(mark: Mark, unix_ms: u64) -> Duration {
    let (seconds, nanos) = mark.modified;
    let modified_ms = i128::from(seconds) * 1000 + i128::from(nanos) / 1_000_000;
    let age_ms = i128::from(unix_ms) - modified_ms;
    Duration::from_millis(u64::try_from(age_ms.max(0)).unwrap_or(u64::MAX))
}

/// So long ago, and not before `earliest`.
fn earlier(now: Moment, age: Duration, earliest: Moment) -> Moment {
    earliest.after(now.since(earliest).saturating_sub(age))
}

#[cfg(test)]
mod tests {
    use super::{Clocks, Pulse};
    use crate::probe::failed::Failed;
    use crate::vocab::moment::Moment;
    use std::fs::{self, File, FileTimes};
    use std::path::PathBuf;
    use std::time::{Duration, SystemTime, UNIX_EPOCH};

    const AGE_MAX: Duration = Duration::from_secs(7);

    /// A run that began at second 100 of the machine, when the wall clock said `EPOCH`.
    const EPOCH: u64 = 1_700_000_000;

    struct Rig {
        dir: tempfile::TempDir,
        pulse: Pulse,
        /// How much the wall clock has jumped.
        jump: i64,
    }

    impl Rig {
        fn new() -> Self {
            let pulse = Pulse::new(at(0));
            Self { dir: tempfile::tempdir().unwrap(), pulse, jump: 0 }
        }

        fn file(&self) -> PathBuf {
            self.dir.path().join("beat")
        }

        fn wall(&self, second: u64) -> SystemTime {
            let seconds = (EPOCH + second).checked_add_signed(self.jump).unwrap();
            UNIX_EPOCH + Duration::from_secs(seconds)
        }

        fn touch(&self, second: u64) {
            let file = File::create(self.file()).unwrap();
            file.set_times(FileTimes::new().set_modified(self.wall(second))).unwrap();
        }

        fn look(&mut self, second: u64) -> Result<u64, Failed> {
            let wall = self.wall(second).duration_since(UNIX_EPOCH).unwrap();
            let clocks = Clocks { now: at(second), unix_ms: wall.as_millis().try_into().unwrap() };
            self.pulse.look(&self.file(), AGE_MAX, clocks).map(|left| left.as_secs())
        }
    }

    fn at(second: u64) -> Moment {
        Moment::since_boot(Duration::from_secs(100 + second))
    }

    #[test]
    fn a_heartbeat_is_good_until_it_is_too_old() {
        let mut rig = Rig::new();
        rig.touch(3);
        assert_eq!(rig.look(4).unwrap(), 6);
        assert_eq!(rig.look(10).unwrap(), 0);
        assert!(matches!(rig.look(11), Err(Failed::Stopped { age, .. }) if age.as_secs() == 8));
        rig.touch(12);
        assert_eq!(rig.look(13).unwrap(), 6);
    }

    #[test]
    fn a_heartbeat_that_is_missing_or_older_than_the_run_is_none() {
        let mut rig = Rig::new();
        assert!(matches!(rig.look(1), Err(Failed::NoHeartbeat { .. })));
        fs::write(rig.file(), "").unwrap();
        let mut rig = Rig { pulse: Pulse::new(at(50)), ..rig };
        rig.touch(40);
        assert!(matches!(rig.look(51), Err(Failed::NotYet { .. })));
        assert!(matches!(rig.look(52), Err(Failed::NotYet { .. })));
        rig.touch(53);
        assert_eq!(rig.look(53).unwrap(), 7);
    }

    #[test]
    fn a_clock_that_is_set_forward_makes_no_heartbeat_old() {
        let mut rig = Rig::new();
        rig.touch(3);
        assert_eq!(rig.look(4).unwrap(), 6);
        rig.jump = 3600;
        assert_eq!(rig.look(6).unwrap(), 4);
        rig.touch(8);
        rig.jump = 7200;
        assert_eq!(rig.look(9).unwrap(), 4, "it was touched since second 6, whatever the clock says");
    }

    #[test]
    fn a_clock_that_is_set_back_keeps_no_heartbeat_young() {
        let mut rig = Rig::new();
        rig.touch(3);
        assert_eq!(rig.look(4).unwrap(), 6);
        rig.jump = -3600;
        assert_eq!(rig.look(6).unwrap(), 4);
        assert!(matches!(rig.look(11), Err(Failed::Stopped { .. })));
    }
}
