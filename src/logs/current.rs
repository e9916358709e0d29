use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use super::times::{self, Entry, Recorder};
use crate::sys::source::{SidePipe, Source, Target};
use crate::sys::space;

/// The file of a series that bytes go to.
#[derive(Debug)]
pub(super) struct Current {
    file: File,
    inode: u64,
    size: u64,
    /// How many bytes of the stream came before those of this file, where that is known.
    before: Option<u64>,
    ahead: Ahead,
    recorder: Recorder,
}

/// What it has on the disk beyond its end.
#[derive(Debug, Clone, Copy)]
struct Ahead {
    /// Up to there its place is its own.
    to: u64,
    /// When that is given back, if no more is reserved by then, in milliseconds since 1970 UTC.
    until_ms: Option<u64>,
}

/// What is taken at once, and when.
#[derive(Debug, Clone, Copy)]
pub(super) struct Portion {
    /// So many bytes at most.
    pub(super) bytes_max: usize,
    /// The wall clock.
    pub(super) unix_ms: u64,
}

/// Whether a file ends with a whole line; an empty one does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LineEnd {
    Whole,
    Open,
}

/// Whether a file is still the one that its path names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Kept,
    Lost,
}

impl Ahead {
    const NOTHING: Self = Self { to: 0, until_ms: None };
}

/// How much is reserved ahead of a stream that brings much, and how long it may take for the half of that.
const RESERVE_BYTES: u64 = 8 << 20;
const RESERVE_MS: u64 = 1000;

/// A disk gives out blocks, and notes them in others.
const SLACK_BYTES: u64 = 64 << 10;

impl Current {
    /// Opens the file, making it in this mode, and its directory, where they are not there. One that is empty comes after so many
    /// bytes of its stream.
    pub(super) fn open(path: &Path, mode: u32, times: &Path, before: u64) -> io::Result<Self> {
        let file = make(path, mode)?;
        let found = file.metadata()?;
        if !found.is_file() {
            return Err(io::Error::other(format!("{} is not a file", path.display())));
        }
        let (inode, size) = (found.ino(), found.len());
        let recorder = Recorder::open(times, inode, size, before);
        if found.blocks() * 512 > found.len() + SLACK_BYTES {
            // A supervisor that was killed had reserved it. It is room for further lines, if not for those of others.
            let _ = space::give_back(&file);
        }
        let before = if size == 0 { Some(before) } else { times::before(times, inode) };
        Ok(Self { file, inode, size, before, ahead: Ahead::NOTHING, recorder })
    }

    /// How many bytes of the stream there are by its end, as far as that is known, whatever somebody else did with the file.
    pub(super) fn reached(&self) -> u64 {
        let size = self.file.metadata().map_or(self.size, |found| found.len());
        self.before.unwrap_or(0).saturating_add(size)
    }

    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// Notices that somebody renamed, removed, truncated or extended the file: what comes next goes behind its end,
    /// wherever that is.
    pub(super) fn look_again(&mut self, path: &Path) -> Place {
        match fs::metadata(path) {
            Ok(found) if found.ino() == self.inode => {
                if found.len() < self.size {
                    self.ahead = Ahead::NOTHING;
                }
                self.size = found.len();
                Place::Kept
            }
            Ok(_) | Err(_) => Place::Lost,
        }
    }

    /// Moves a portion behind the end of the file; says how many bytes it was, at least one.
    pub(super) fn take(
        &mut self,
        source: &mut Source,
        side: &mut SidePipe,
        portion: Portion,
    ) -> io::Result<usize> {
        let Portion { bytes_max, unix_ms } = portion;
        let taken = source.move_into(Target { file: &self.file, offset: self.size, bytes_max }, side)?;
        self.recorder.note(Entry { offset: self.size, unix_ms });
        self.size += u64::try_from(taken).unwrap_or_default();
        Ok(taken)
    }

    /// What comes next is of another run than what has arrived by this time.
    pub(super) fn end_run(&mut self, unix_ms: u64) {
        self.recorder.end_run(unix_ms);
    }

    /// Writes bytes behind the end of the file; says how many it took, at least one.
    pub(super) fn write(&mut self, bytes: &[u8], unix_ms: u64) -> io::Result<usize> {
        let written = self.file.write_at(bytes, self.size)?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.recorder.note(Entry { offset: self.size, unix_ms });
        self.size += u64::try_from(written).unwrap_or_default();
        Ok(written)
    }

    /// Makes room ahead on the disk, for no more than so many further bytes. A disk that has none to spare is asked again after
    /// as many bytes as it was asked for.
    pub(super) fn reserve(&mut self, bytes_max: u64, unix_ms: u64) {
        let ahead = |bytes: u64| self.size.saturating_add(bytes.min(bytes_max));
        if self.ahead.to >= ahead(RESERVE_BYTES / 2) {
            return;
        }
        let (from, to) = (self.size.max(self.ahead.to), ahead(RESERVE_BYTES));
        match space::reserve(&self.file, from, to - from) {
            Ok(()) => self.ahead = Ahead { to, until_ms: Some(unix_ms.saturating_add(RESERVE_MS)) },
            Err(error) => {
                if error.kind() != io::ErrorKind::Unsupported {
                    // A disk that is nearly full has given what it has left.
                    let _ = space::give_back(&self.file);
                }
                self.ahead = Ahead { to, until_ms: None };
            }
        }
    }

    /// When to [`Self::rest`].
    pub(super) fn alarm(&self) -> Option<u64> {
        self.ahead.until_ms
    }

    /// A stream that has not filled in time what was reserved for it is not busy: that is of more use to others.
    pub(super) fn rest(&mut self, unix_ms: u64) {
        if self.ahead.until_ms.is_some_and(|until_ms| until_ms <= unix_ms) {
            self.give_back();
        }
    }

    fn give_back(&mut self) {
        if self.ahead.until_ms.is_some() {
            // It is room for further lines, if not for those of others.
            let _ = space::give_back(&self.file);
        }
        self.ahead = Ahead::NOTHING;
    }

    pub(super) fn line_end(&self) -> io::Result<LineEnd> {
        let Some(at) = self.size.checked_sub(1) else { return Ok(LineEnd::Whole) };
        let mut last = [0];
        self.file.read_exact_at(&mut last, at)?;
        Ok(if last == *b"\n" { LineEnd::Whole } else { LineEnd::Open })
    }
}

/// Opens a log file, making it in this mode, and its directory, where they are not there.
pub(super) fn make(path: &Path, mode: u32) -> io::Result<File> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    // Not with O_APPEND: splice(2) refuses such files.
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(mode).open(path)
}

/// How many of the next bytes still go into a file that has no room for all of them, so that it ends with a line.
pub(super) fn cut(next: &[u8], room: usize, line_end: LineEnd, size: u64) -> usize {
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

impl Drop for Current {
    fn drop(&mut self) {
        self.give_back();
    }
}
