use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::files::{self, Found};
use super::times;

/// A place in the output of one stream, from which on its lines are looked through, piece by piece. Rotation does not
/// disturb it: it stands in a file, whatever that is called by then.
#[derive(Debug, Clone)]
pub struct Scan {
    path: Arc<Path>,
    /// The file that it stands in; none when there was none.
    inode: Option<u64>,
    offset: u64,
}

/// So much is read at once; a longer line is looked through in pieces.
const PIECE_BYTES: usize = 64 * 1024;

/// So much is read by one search: whoever writes faster than that is looked through later.
const SEARCH_BYTES_MAX: u64 = 4 << 20;

impl Scan {
    /// Behind all that was written so far.
    pub fn at_end_of(path: &Arc<Path>) -> Self {
        let newest = readable(path).next();
        let size = |path: &Path| std::fs::metadata(path).map_or(0, |found| found.len());
        let offset = newest.as_ref().map_or(0, |found| size(&found.path));
        Self { path: Arc::clone(path), inode: newest.map(|found| found.inode), offset }
    }

    /// Where that begins which arrived since then, in milliseconds since 1970, to the second or so by which that is known.
    pub fn since(path: &Arc<Path>, times_dir: &Path, unix_ms: u64) -> Self {
        let mut oldest = None;
        for Found { inode, .. } in readable(path) {
            let entries = times::read(times_dir, inode);
            let is_late = |entry: &&times::Entry| entry.unix_ms + times::KNOWN_TO_MS >= unix_ms;
            let first = entries.iter().find(is_late).map(|entry| entry.offset);
            let begins_before = entries.first().is_some_and(|entry| !is_late(&entry));
            match first {
                Some(offset) => oldest = Some((inode, offset)),
                None => break,
            }
            if begins_before {
                break;
            }
        }
        match oldest {
            Some((inode, offset)) => Self { path: Arc::clone(path), inode: Some(inode), offset },
            None => Self::at_end_of(path),
        }
    }

    /// Whether a line written since the last search is as wanted. A last line that is not whole yet is looked at, and
    /// looked at again when there is more of it.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn finds(&mut self, is_wanted: impl Fn(&[u8]) -> bool) -> io::Result<bool> {
        let mut rest = SEARCH_BYTES_MAX;
        for (path, inode) in self.files_to_read() {
            let mut file = match File::open(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
                file => file?,
            };
            let found = file.metadata()?;
            if found.ino() != inode {
                // A rotation goes on; the next search sees its end.
                return Ok(false);
            }
            if self.inode != Some(inode) || found.len() < self.offset {
                (self.inode, self.offset) = (Some(inode), 0);
            }
            if self.finds_in(&mut file, &mut rest, &is_wanted)? {
                return Ok(true);
            }
            if rest == 0 {
                return Ok(false);
            }
        }
        Ok(false)
    }

    /// The file that this stands in and all newer ones, oldest first; every file when it is not there any more.
    fn files_to_read(&self) -> Vec<(PathBuf, u64)> {
        let mut found = Vec::new();
        for Found { path, inode, .. } in readable(&self.path) {
            found.push((path, inode));
            if self.inode == Some(inode) {
                break;
            }
        }
        found.reverse();
        found
    }

    fn finds_in(
        &mut self,
        file: &mut File,
        rest: &mut u64,
        is_wanted: &impl Fn(&[u8]) -> bool,
    ) -> io::Result<bool> {
        let mut piece = vec![0; PIECE_BYTES];
        while *rest > 0 {
            file.seek(SeekFrom::Start(self.offset))?;
            let length = file.read(&mut piece)?;
            let bytes = &piece[..length];
            // A line that fills the whole piece is taken as it is.
            let whole = bytes.iter().rposition(|byte| *byte == b'\n').map(|at| at + 1);
            let whole = whole.unwrap_or(if length == PIECE_BYTES { length } else { 0 });
            if bytes.split(|byte| *byte == b'\n').any(|line| !line.is_empty() && is_wanted(line)) {
                return Ok(true);
            }
            if whole == 0 {
                return Ok(false);
            }
            let step = u64::try_from(whole).unwrap_or(u64::MAX);
            self.offset += step;
            *rest = rest.saturating_sub(step);
        }
        Ok(false)
    }
}

/// The files of a series that are not compressed, newest first.
fn readable(path: &Path) -> impl Iterator<Item = Found> {
    files::newest_first(path, 0).filter(|found| !files::is_pressed(&found.path))
}

#[cfg(test)]
mod tests {
    use super::{PIECE_BYTES, Scan};
    use crate::logs::times;
    use std::fs::{self, OpenOptions};
    use std::io::Write;
    use std::os::unix::fs::MetadataExt;
    use std::path::Path;
    use std::sync::Arc;

    fn write(path: &Path, text: &str) {
        OpenOptions::new().create(true).append(true).open(path).unwrap().write_all(text.as_bytes()).unwrap();
    }

    fn log() -> (tempfile::TempDir, Arc<Path>) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("api.out.log");
        (dir, path.into())
    }

    fn is_ready(line: &[u8]) -> bool {
        line == b"ready"
    }

    #[test]
    fn only_what_is_written_from_there_on_is_found() {
        let (_dir, path) = log();
        let mut first = Scan::at_end_of(&path);
        write(&path, "ready\n");
        let mut scan = Scan::at_end_of(&path);
        assert!(!scan.finds(is_ready).unwrap());
        write(&path, "not yet\nrea");
        assert!(!scan.finds(is_ready).unwrap());
        write(&path, "dy");
        assert!(scan.finds(is_ready).unwrap(), "the last line may lack its end");
        assert!(first.finds(is_ready).unwrap(), "there was no file yet, and all of it is new");
    }

    #[test]
    fn a_rotation_between_two_searches_hides_nothing() {
        for rotations in 1..=3 {
            let (_dir, path) = log();
            write(&path, "ready\nold\n");
            let mut scan = Scan::at_end_of(&path);
            write(&path, "more\n");
            assert!(!scan.finds(is_ready).unwrap());
            write(&path, "ready\n");
            for number in 1..=rotations {
                for from in (1..number).rev() {
                    let numbered = |number: u32| path.with_extension(format!("log.{number}"));
                    if numbered(from).exists() {
                        fs::rename(numbered(from), numbered(from + 1)).unwrap();
                    }
                }
                fs::rename(&path, path.with_extension("log.1")).unwrap();
                write(&path, "after\n");
            }
            assert!(scan.finds(is_ready).unwrap(), "{rotations} rotations");
        }
    }

    #[test]
    fn an_earlier_run_in_a_file_that_was_set_aside_does_not_count() {
        let (_dir, path) = log();
        write(&path, "ready\n");
        fs::rename(&path, path.with_extension("log.1")).unwrap();
        let mut scan = Scan::at_end_of(&path);
        assert!(!scan.finds(is_ready).unwrap());
        write(&path, "ready\n");
        assert!(scan.finds(is_ready).unwrap());
    }

    #[test]
    fn a_line_longer_than_a_piece_does_not_hold_a_search_up() {
        let (_dir, path) = log();
        let mut scan = Scan::at_end_of(&path);
        write(&path, &"x".repeat(PIECE_BYTES * 2 + 7));
        assert!(!scan.finds(is_ready).unwrap());
        write(&path, "\nready\n");
        assert!(scan.finds(is_ready).unwrap());
    }

    #[test]
    fn what_arrived_since_a_time_is_found_by_the_time_index() {
        let (dir, path) = log();
        write(&path, "ready\n0123456789\nready again\n");
        let index = times::path(dir.path(), fs::metadata(&path).unwrap().ino());
        let entries = [(0_u64, 5_000_u64), (6, 60_000), (17, 90_000)];
        let bytes = entries.iter().flat_map(|(offset, ms)| [offset.to_le_bytes(), ms.to_le_bytes()].concat());
        fs::write(index, bytes.collect::<Vec<u8>>()).unwrap();
        assert!(Scan::since(&path, dir.path(), 5_500).finds(is_ready).unwrap());
        assert!(!Scan::since(&path, dir.path(), 60_500).finds(is_ready).unwrap());
        let is_digits = |line: &[u8]| line.starts_with(b"012");
        assert!(Scan::since(&path, dir.path(), 60_500).finds(is_digits).unwrap());
        assert!(!Scan::since(&path, dir.path(), 95_000).finds(is_digits).unwrap());
    }
}
