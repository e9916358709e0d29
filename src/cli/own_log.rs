use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use tracing_subscriber::fmt::MakeWriter;

/// The supervisor's own log in a file. A file that was moved away or removed is followed by a new one at the next line, so
/// that whoever rotates it has nobody to tell.
#[derive(Debug)]
pub(in crate::cli) struct OwnLog {
    path: PathBuf,
    file: Mutex<Option<File>>,
}

impl OwnLog {
    pub(in crate::cli) fn at(path: PathBuf) -> Self {
        Self { path, file: Mutex::new(None) }
    }

    fn write_line(&self, line: &[u8]) -> io::Result<usize> {
        let mut held = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let there = std::fs::metadata(&self.path).ok().map(|it| (it.dev(), it.ino()));
        let is_it = |file: &File| file.metadata().ok().map(|it| (it.dev(), it.ino())) == there;
        let file = match held.take().filter(is_it) {
            Some(file) => held.insert(file),
            None => held.insert(OpenOptions::new().create(true).append(true).mode(0o644).open(&self.path)?),
        };
        file.write(line)
    }
}

impl<'a> MakeWriter<'a> for OwnLog {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line(self)
    }
}

/// One line on its way.
pub(in crate::cli) struct Line<'a>(&'a OwnLog);

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
    use super::{MakeWriter, OwnLog};
    use std::fs;
    use std::io::Write;

    #[test]
    fn a_log_that_was_moved_away_goes_on_in_a_new_file() {
        let dir = tempfile::tempdir().unwrap();
        let (path, moved) = (dir.path().join("own.log"), dir.path().join("own.log.1"));
        let log = OwnLog::at(path.clone());
        let say = |line: &str| log.make_writer().write_all(line.as_bytes()).unwrap();
        say("one\n");
        say("two\n");
        fs::rename(&path, &moved).unwrap();
        say("three\n");
        fs::remove_file(&path).unwrap();
        say("four\n");
        assert_eq!(fs::read_to_string(moved).unwrap(), "one\ntwo\n");
        assert_eq!(fs::read_to_string(path).unwrap(), "four\n");
    }
}
