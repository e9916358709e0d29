use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::files::Shelf;
use super::times::{Entry, Recorder};
use crate::spec::log::Rotation;

/// One stream's files: `FILE` is the current one, `FILE.1` the newest of those set aside, up to `FILE.keep`.
#[derive(Debug)]
pub struct Series {
    path: PathBuf,
    rotation: Rotation,
    times: PathBuf,
    current: Option<Current>,
    failed: Option<Failed>,
}

/// A rotation that failed. The current file grows on, and before the next attempt it grows by a tenth of its largest
/// size, or some time passes.
#[derive(Debug, Clone, Copy)]
struct Failed {
    size: u64,
    unix_ms: u64,
}

/// A rotation that failed is tried again after this many milliseconds.
const AGAIN_MS: u64 = 5000;

#[derive(Debug)]
struct Current {
    file: File,
    inode: u64,
    size: u64,
    ends_with: LineEnd,
    recorder: Recorder,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LineEnd {
    Whole,
    Open,
}

/// How much of some bytes was written before an error.
#[derive(Debug)]
pub struct Stopped {
    /// So many bytes are in the files.
    pub written: usize,
    /// Why not more.
    pub error: io::Error,
}

impl Series {
    /// The series of a file; nothing is opened yet. Time indexes lie in the directory `times`.
    pub fn new(path: PathBuf, rotation: Rotation, times: PathBuf) -> Self {
        Self { path, rotation, times, current: None, failed: None }
    }

    /// Takes over another path or rotation for all further bytes.
    pub fn configure(&mut self, path: PathBuf, rotation: Rotation) {
        if path != self.path {
            self.current = None;
            self.failed = None;
        }
        self.path = path;
        self.rotation = rotation;
    }

    /// Notices that somebody renamed, removed or truncated the current file. Called once for each batch of bytes.
    pub fn look_again(&mut self) {
        let Some(current) = &mut self.current else { return };
        match fs::metadata(&self.path) {
            Ok(found) if found.ino() == current.inode && found.len() == current.size => (),
            Ok(found) if found.ino() == current.inode => {
                current.size = found.len();
                let _ = current.file.seek(SeekFrom::End(0));
            }
            Ok(_) | Err(_) => self.current = None,
        }
    }

    /// Appends bytes, setting the file aside at a line's end when it would grow too large. No line is cut by that: one
    /// that is larger than a file may be has a file of its own.
    pub fn append(&mut self, bytes: &[u8], unix_ms: u64) -> Result<(), Stopped> {
        let mut written = 0;
        while written < bytes.len() {
            let step = self.append_some(&bytes[written..], unix_ms);
            written += step.map_err(|error| Stopped { written, error })?;
        }
        Ok(())
    }

    /// Appends as much as fits into the current file, or sets it aside; says how much was appended.
    fn append_some(&mut self, bytes: &[u8], unix_ms: u64) -> io::Result<usize> {
        let (size_max, failed) = (self.rotation.size_max, self.failed);
        let current = self.current(unix_ms)?;
        let room = usize::try_from(size_max.saturating_sub(current.size)).unwrap_or(usize::MAX);
        let must_wait = failed.is_some_and(|failed| {
            let grown = current.size.saturating_sub(failed.size);
            // At least a byte, or a tiny file would be tried for ever within one call.
            grown < (size_max / 10).max(1) && unix_ms.abs_diff(failed.unix_ms) < AGAIN_MS
        });
        if bytes.len() <= room || must_wait {
            return current.write(bytes, unix_ms);
        }
        let after_last_line_that_fits =
            bytes[..room].iter().rposition(|byte| *byte == b'\n').map(|at| at + 1);
        let cut = match (after_last_line_that_fits, current.ends_with) {
            (Some(cut), _) => cut,
            (None, LineEnd::Whole) if current.size > 0 => 0,
            // A line that does not fit goes on where it is, and the file ends with it.
            (None, LineEnd::Whole | LineEnd::Open) => {
                bytes.iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |at| at + 1)
            }
        };
        let written = if cut == 0 { 0 } else { current.write(&bytes[..cut], unix_ms)? };
        if current.ends_with == LineEnd::Whole && written == cut {
            let size = current.size;
            self.rotate(Failed { size, unix_ms });
        }
        Ok(written)
    }

    fn current(&mut self, unix_ms: u64) -> io::Result<&mut Current> {
        if self.current.is_none() {
            if let (Err(error), None) = (self.shelf().finish(), self.failed) {
                self.fail(&error, Failed { size: 0, unix_ms });
            }
            self.current = Some(Current::open(&self.path, &self.times)?);
        }
        self.current.as_mut().ok_or_else(|| io::Error::other("the log file was just opened"))
    }

    /// Sets the current file aside. Where that fails it stays the current one: bytes that are written are written,
    /// whatever becomes of the file's name.
    fn rotate(&mut self, attempt: Failed) {
        match self.shelf().set_aside() {
            Ok(()) => {
                self.current = None;
                if self.failed.take().is_some() {
                    tracing::info!(file = %self.path.display(), "a full log file can be set aside again");
                }
            }
            Err(error) => self.fail(&error, attempt),
        }
    }

    fn fail(&mut self, error: &io::Error, attempt: Failed) {
        if self.failed.is_none() {
            tracing::warn!(file = %self.path.display(), %error, "cannot set a full log file aside; it grows on");
        }
        self.failed = Some(attempt);
    }

    fn shelf(&self) -> Shelf<'_> {
        Shelf { path: &self.path, keep: self.rotation.keep, times: &self.times }
    }
}

impl Current {
    fn open(path: &Path, times: &Path) -> io::Result<Self> {
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory)?;
        }
        // Not with O_APPEND: splice(2) refuses such files.
        let mut options = OpenOptions::new();
        let mut file = options.read(true).write(true).create(true).truncate(false).mode(0o640).open(path)?;
        let found = file.metadata()?;
        if !found.is_file() {
            return Err(io::Error::other(format!("{} is not a file", path.display())));
        }
        let ends_with = line_end(&mut file, found.len())?;
        file.seek(SeekFrom::End(0))?;
        let recorder = Recorder::open(times, found.ino(), found.len());
        Ok(Self { file, inode: found.ino(), size: found.len(), ends_with, recorder })
    }

    /// Writes what the disk takes; at least one byte, or an error.
    fn write(&mut self, bytes: &[u8], unix_ms: u64) -> io::Result<usize> {
        self.recorder.note(Entry { offset: self.size, unix_ms });
        let written = loop {
            match self.file.write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => (),
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                result => break result?,
            }
        };
        self.size += u64::try_from(written).unwrap_or_default();
        self.ends_with = if bytes[..written].ends_with(b"\n") { LineEnd::Whole } else { LineEnd::Open };
        Ok(written)
    }
}

fn line_end(file: &mut File, size: u64) -> io::Result<LineEnd> {
    if size == 0 {
        return Ok(LineEnd::Whole);
    }
    let mut last = [0];
    file.seek(SeekFrom::Start(size - 1))?;
    file.read_exact(&mut last)?;
    Ok(if last == *b"\n" { LineEnd::Whole } else { LineEnd::Open })
}

#[cfg(test)]
mod tests {
    use super::Series;
    use crate::logs::files::{all, set_aside_path};
    use crate::spec::log::Rotation;
    use proptest::prelude::*;
    use std::fs;
    use std::path::{Path, PathBuf};

    fn series(dir: &Path, size_max: u64, keep: u32) -> (Series, PathBuf) {
        let path = dir.join("logs/a.out.log");
        fs::create_dir_all(dir.join("times")).unwrap();
        (Series::new(path.clone(), Rotation { size_max, keep }, dir.join("times")), path)
    }

    /// The files of a series, oldest first.
    fn files(path: &Path) -> Vec<Vec<u8>> {
        let aside = (1..1000).map(|number| set_aside_path(path, number)).take_while(|path| path.exists());
        let mut files: Vec<PathBuf> = aside.collect();
        files.reverse();
        files.push(path.to_owned());
        files.iter().filter_map(|path| fs::read(path).ok()).collect()
    }

    proptest! {
        #[test]
        fn rotation_loses_nothing_doubles_nothing_and_cuts_no_line(
            lines in proptest::collection::vec(0_usize..60, 1..60),
            chunk in 1_usize..50,
            size_max in 1_u64..120,
        ) {
            let dir = tempfile::tempdir().unwrap();
            let (mut series, path) = series(dir.path(), size_max, 900);
            let text: Vec<u8> = lines
                .iter()
                .enumerate()
                .flat_map(|(number, length)| [vec![b'a' + u8::try_from(number % 26).unwrap(); *length], vec![b'\n']].concat())
                .collect();
            for chunk in text.chunks(chunk) {
                series.look_again();
                series.append(chunk, 1).unwrap();
            }
            let files = files(&path);
            prop_assert_eq!(files.concat(), text);
            for file in &files[..files.len() - 1] {
                prop_assert!(file.ends_with(b"\n"));
                let lines = file.iter().filter(|byte| **byte == b'\n').count();
                prop_assert!(file.len() as u64 <= size_max || lines == 1 || file[..file.len() - 1].contains(&b'\n'));
            }
        }
    }

    #[test]
    fn only_so_many_files_are_kept_and_their_indexes_go_with_them() {
        let dir = tempfile::tempdir().unwrap();
        let (mut series, path) = series(dir.path(), 10, 2);
        for number in 0..9 {
            series.append(format!("line {number}\n").as_bytes(), 1).unwrap();
        }
        assert_eq!(files(&path).concat(), b"line 6\nline 7\nline 8\n");
        assert_eq!(fs::read_dir(dir.path().join("times")).unwrap().count(), 3);
    }

    #[test]
    fn a_file_that_is_renamed_removed_or_truncated_from_outside_is_followed() {
        let dir = tempfile::tempdir().unwrap();
        let (mut series, path) = series(dir.path(), 1000, 2);
        let mut write = |text: &str| {
            series.look_again();
            series.append(text.as_bytes(), 1).unwrap();
        };
        write("one\n");
        fs::rename(&path, dir.path().join("moved")).unwrap();
        write("two\n");
        assert_eq!(fs::read_to_string(&path).unwrap(), "two\n");
        fs::write(&path, "").unwrap();
        write("three\n");
        assert_eq!(fs::read_to_string(&path).unwrap(), "three\n");
        fs::remove_dir_all(path.parent().unwrap()).unwrap();
        write("four\n");
        assert_eq!(fs::read_to_string(&path).unwrap(), "four\n");
    }

    #[test]
    fn an_open_line_of_an_earlier_life_is_not_cut() {
        let dir = tempfile::tempdir().unwrap();
        let (mut first, path) = series(dir.path(), 10, 2);
        first.append(b"12345678", 1).unwrap();
        let (mut second, _) = series(dir.path(), 10, 2);
        second.append(b"9abc\nnext\n", 1).unwrap();
        assert_eq!(files(&path), [b"123456789abc\n".to_vec(), b"next\n".to_vec()]);
    }

    fn is_quiet(dir: &Path) -> bool {
        !dir.join("logs/a.out.log.rotating").exists()
    }

    #[test]
    fn a_rotation_that_fails_doubles_nothing_holds_nothing_up_and_is_tried_again() {
        let dir = tempfile::tempdir().unwrap();
        let (mut series, path) = series(dir.path(), 10, 2);
        // No file can take the name of a directory that is not empty.
        let obstacle = set_aside_path(&path, 1);
        fs::create_dir_all(obstacle.join("x")).unwrap();
        fs::create_dir_all(set_aside_path(&path, 2).join("x")).unwrap();
        let mut text = Vec::new();
        for number in 0..20 {
            let line = format!("line {number}\n");
            series.look_again();
            series.append(line.as_bytes(), 1).unwrap();
            text.extend(line.into_bytes());
            assert_eq!(fs::read(&path).unwrap(), text);
            assert!(is_quiet(dir.path()));
        }
        fs::remove_dir_all(&obstacle).unwrap();
        fs::remove_dir_all(set_aside_path(&path, 2)).unwrap();
        series.append(b"last\n", 1).unwrap();
        assert_eq!(files(&path), [text, b"last\n".to_vec()]);
    }

    #[test]
    fn a_rotation_that_failed_waits_for_bytes_or_for_time() {
        let check = |bytes: usize, unix_ms: u64, is_tried: bool| {
            let dir = tempfile::tempdir().unwrap();
            let (mut series, path) = series(dir.path(), 100, 2);
            let obstacle = dir.path().join("logs/a.out.log.rotating");
            fs::create_dir_all(obstacle.join("x")).unwrap();
            series.append(&[[b'x'; 98].as_slice(), b"\nyy\n"].concat(), 1).unwrap();
            fs::remove_dir_all(&obstacle).unwrap();
            series.append(&[vec![b'z'; bytes - 1], b"\n".to_vec()].concat(), unix_ms).unwrap();
            series.append(b"end\n", unix_ms).unwrap();
            assert_eq!(set_aside_path(&path, 1).exists(), is_tried, "{bytes} {unix_ms}");
        };
        check(2, 2, false);
        check(8, 2, true);
        check(2, 5001, true);
    }

    #[test]
    fn a_rotation_that_always_fails_eats_no_history() {
        // The current file cannot be renamed, or those before it cannot be moved on.
        for stuck in ["a.out.log.rotating", "a.out.log.5"] {
            let dir = tempfile::tempdir().unwrap();
            let (mut series, path) = series(dir.path(), 10, 5);
            fs::create_dir_all(path.with_file_name(stuck).join("x")).unwrap();
            let old = |number| (set_aside_path(&path, number), format!("old {number}\n"));
            for (path, text) in (1..5).map(old) {
                fs::write(path, text).unwrap();
            }
            for number in 0..20_u64 {
                series.look_again();
                series.append(format!("line {number}\n").as_bytes(), number * 10_000).unwrap();
            }
            for (path, text) in (1..5).map(old) {
                assert_eq!(fs::read_to_string(path).unwrap(), text, "{stuck}");
            }
            assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 20, "{stuck}");
        }
    }

    #[test]
    fn a_rotation_that_a_death_cut_short_is_finished() {
        let dir = tempfile::tempdir().unwrap();
        let (mut series, path) = series(dir.path(), 100, 3);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path.with_file_name("a.out.log.rotating"), "two\n").unwrap();
        fs::write(set_aside_path(&path, 1), "one\n").unwrap();
        fs::write(set_aside_path(&path, 3), "zero\n").unwrap();
        assert_eq!(all(&path).len(), 4, "readers see every file of it");
        series.append(b"three\n", 1).unwrap();
        assert!(is_quiet(dir.path()));
        assert_eq!(files(&path).concat(), b"zero\none\ntwo\nthree\n");
    }
}
