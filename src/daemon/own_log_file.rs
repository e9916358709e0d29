use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use nix::fcntl::{Flock, FlockArg};
use tracing_subscriber::fmt::MakeWriter;

/// A log in a file that the config names. A file that was moved away or removed is followed by a new one at the next line, so
/// that whoever rotates it has nobody to tell.
#[derive(Debug)]
pub(super) struct Named {
    path: PathBuf,
    rotation: Rotation,
    file: Mutex<Option<File>>,
}

/// When the file is set aside.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rotation {
    /// After the line by which it has so many bytes; 0 for never.
    pub(super) size_max: u64,
    /// So many files that were set aside are kept; with 0 the file is emptied.
    pub(super) keep: u32,
}

impl Named {
    pub(super) fn at(path: PathBuf, rotation: Rotation) -> Self {
        Self { path, rotation, file: Mutex::new(None) }
    }

    fn write_line(&self, line: &[u8]) -> io::Result<usize> {
        let mut held = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let file = match held.take().filter(|file| is_at(file, &self.path)) {
            Some(file) => held.insert(file),
            None => held.insert(OpenOptions::new().create(true).append(true).mode(0o644).open(&self.path)?),
        };
        let count = file.write(line)?;
        let size_max = self.rotation.size_max;
        if size_max > 0 && file.metadata().is_ok_and(|it| it.is_file() && it.len() >= size_max) {
            // A log that cannot be set aside grows on.
            let _ = self.set_aside(file);
        }
        Ok(count)
    }

    /// Supervisor and guardian write the same file: whoever holds its lock sets it aside, and the other goes on in the new one.
    fn set_aside(&self, file: &File) -> io::Result<()> {
        // Opened for the lock: what was open when they forked they would hold together.
        let Ok(locked) =
            Flock::lock(File::options().write(true).open(&self.path)?, FlockArg::LockExclusiveNonblock)
        else {
            return Ok(());
        };
        if !is_at(&locked, &self.path) || !is_at(file, &self.path) {
            return Ok(());
        }
        if self.rotation.keep == 0 {
            return locked.set_len(0);
        }
        for number in (1..self.rotation.keep).rev() {
            // Those in between may be missing.
            let _ = fs::rename(self.aside(number), self.aside(number + 1));
        }
        fs::rename(&self.path, self.aside(1))
    }

    fn aside(&self, number: u32) -> OsString {
        let mut name = self.path.clone().into_os_string();
        name.push(format!(".{number}"));
        name
    }
}

/// Whether a path leads to this very file.
fn is_at(file: &File, path: &Path) -> bool {
    let identity = |it: fs::Metadata| (it.dev(), it.ino());
    file.metadata().ok().map(identity) == fs::metadata(path).ok().map(identity)
}

impl<'a> MakeWriter<'a> for Named {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line(self)
    }
}

/// One line on its way.
pub(super) struct Line<'a>(&'a Named);

impl Write for Line<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write_line(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{MakeWriter, Named, Rotation};
    use std::fs;
    use std::io::Write;

    const NEVER: Rotation = Rotation { size_max: 0, keep: 10 };

    fn say(log: &Named, line: &str) {
        log.make_writer().write_all(line.as_bytes()).unwrap();
    }

    #[test]
    fn a_log_that_was_moved_away_goes_on_in_a_new_file() {
        let dir = tempfile::tempdir().unwrap();
        let (path, moved) = (dir.path().join("own.log"), dir.path().join("own.log.1"));
        let log = Named::at(path.clone(), NEVER);
        say(&log, "one\n");
        say(&log, "two\n");
        fs::rename(&path, &moved).unwrap();
        say(&log, "three\n");
        fs::remove_file(&path).unwrap();
        say(&log, "four\n");
        assert_eq!(fs::read_to_string(moved).unwrap(), "one\ntwo\n");
        assert_eq!(fs::read_to_string(path).unwrap(), "four\n");
    }

    #[test]
    fn a_log_that_two_processes_write_is_set_aside_when_it_is_full_and_the_oldest_goes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("own.log");
        let log = || Named::at(path.clone(), Rotation { size_max: 10, keep: 2 });
        let (one, other) = (log(), log());
        for (log, line) in [
            (&one, "first"),
            (&other, "second"),
            (&one, "third"),
            (&other, "fourth"),
            (&one, "fifth"),
            (&other, "6"),
        ] {
            say(log, &format!("{line} line\n"));
        }
        let text = |name: &str| fs::read_to_string(dir.path().join(name)).unwrap();
        assert_eq!(text("own.log"), "6 line\n");
        assert_eq!((text("own.log.1"), text("own.log.2")), ("fifth line\n".into(), "fourth line\n".into()));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 3);
    }

    #[test]
    fn a_full_log_of_which_nothing_is_kept_begins_anew() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("own.log");
        let log = Named::at(path.clone(), Rotation { size_max: 10, keep: 0 });
        say(&log, "one\n");
        say(&log, "two and more\n");
        say(&log, "three\n");
        assert_eq!(fs::read_to_string(path).unwrap(), "three\n");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
