use std::io;
use std::path::PathBuf;

use super::current::{Current, LineEnd, Place, Portion};
use super::files::Shelf;
use crate::spec::log::Rotation;
use crate::sys::source::{SidePipe, Source};

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

/// What one step moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// So many bytes, and the pipe was empty then.
    All(usize),
    /// So many bytes, perhaps none; there may be more.
    Some(usize),
}

/// One step moves so many bytes at most: more than a pipe holds, so that one who gets less has emptied it.
const STEP_BYTES: usize = 2 << 20;

/// Nothing looks at bytes on their way into a file, until there is room for only so many more: then those that come next
/// are looked at, to find the line's end at which the file is set aside.
const LOOK_BYTES: usize = 64 * 1024;

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

    /// Moves a step's worth of bytes out of the pipe into the current file, or sets that aside at a line's end when it would
    /// grow too large. No line is cut by that: one that is larger than a file may be has a file
    /// of its own. A process that is killed anywhere in here leaves files that the next one goes on with.
    ///
    /// # Errors
    /// `WouldBlock` when the pipe is empty. Anything else is the disk's, and what is not in a file is still in the pipe.
    pub fn take(&mut self, source: &mut Source, side: &mut SidePipe, unix_ms: u64) -> io::Result<Taken> {
        if self.current.as_mut().is_some_and(|current| current.look_again(&self.path) == Place::Lost) {
            self.current = None;
        }
        if self.current.is_none() && source.waiting() == 0 {
            // No file is made for bytes that have not come.
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let of = |bytes_max| Portion { bytes_max, unix_ms };
        let (size_max, failed) = (self.rotation.size_max, self.failed);
        let current = self.current(unix_ms)?;
        let room = usize::try_from(size_max.saturating_sub(current.size())).unwrap_or(usize::MAX);
        let must_wait = failed.is_some_and(|failed| {
            let grown = current.size().saturating_sub(failed.size);
            // At least a byte, or a tiny file would be tried for ever within one call.
            grown < (size_max / 10).max(1) && unix_ms.abs_diff(failed.unix_ms) < AGAIN_MS
        });
        if must_wait {
            return current.take(source, side, of(STEP_BYTES)).map(Taken::All);
        }
        if room > LOOK_BYTES {
            let bytes_max = STEP_BYTES.min(room - LOOK_BYTES);
            let taken = current.take(source, side, of(bytes_max))?;
            return Ok(if taken < bytes_max { Taken::All(taken) } else { Taken::Some(taken) });
        }
        let next = source.look(2 * LOOK_BYTES, side)?;
        if next.len() <= room {
            return current.take(source, side, of(next.len())).map(Taken::Some);
        }
        let line_end = current.line_end()?;
        let cut = cut(&next, room, line_end, current.size());
        let taken = if cut == 0 { 0 } else { current.take(source, side, of(cut))? };
        let last = taken.checked_sub(1).map(|at| next[at]);
        if taken == cut && last.map_or(line_end == LineEnd::Whole, |byte| byte == b'\n') {
            let size = current.size();
            self.rotate(Failed { size, unix_ms });
        }
        Ok(Taken::Some(taken))
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

    /// Takes these bytes through a pipe.
    #[cfg(test)]
    pub(super) fn append(&mut self, mut bytes: &[u8], unix_ms: u64) -> io::Result<()> {
        use std::io::Write;
        let (pipe, mut writer) = io::pipe()?;
        nix::fcntl::fcntl(&pipe, nix::fcntl::FcntlArg::F_SETFL(nix::fcntl::OFlag::O_NONBLOCK))?;
        let (mut source, mut side) = (Source::new(pipe.into()), SidePipe::default());
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(4096));
            writer.write_all(now)?;
            while source.waiting() > 0 {
                self.take(&mut source, &mut side, unix_ms)?;
            }
            bytes = later;
        }
        Ok(())
    }

    fn shelf(&self) -> Shelf<'_> {
        Shelf { path: &self.path, keep: self.rotation.keep, times: &self.times }
    }
}

/// How many of the next bytes still go into a file that has no room for all of them, so that it ends with a line.
fn cut(next: &[u8], room: usize, line_end: LineEnd, size: u64) -> usize {
    let after_last_line_that_fits = next[..room].iter().rposition(|byte| *byte == b'\n').map(|at| at + 1);
    match (after_last_line_that_fits, line_end) {
        (Some(cut), _) => cut,
        (None, LineEnd::Whole) if size > 0 => 0,
        // A line that does not fit goes on where it is, and the file ends with it.
        (None, LineEnd::Whole | LineEnd::Open) => {
            next.iter().position(|byte| *byte == b'\n').map_or(next.len(), |at| at + 1)
        }
    }
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
