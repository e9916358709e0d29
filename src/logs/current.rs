use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use super::times::{Entry, Recorder};
use crate::sys::source::{SidePipe, Source, Target};

/// The file of a series that bytes go to.
#[derive(Debug)]
pub(super) struct Current {
    file: File,
    inode: u64,
    size: u64,
    recorder: Recorder,
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

impl Current {
    /// Opens the file, making it and its directory (mode 0640) where they are not there.
    pub(super) fn open(path: &Path, times: &Path) -> io::Result<Self> {
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory)?;
        }
        // Not with O_APPEND: splice(2) refuses such files.
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(false).mode(0o640).open(path)?;
        let found = file.metadata()?;
        if !found.is_file() {
            return Err(io::Error::other(format!("{} is not a file", path.display())));
        }
        let recorder = Recorder::open(times, found.ino(), found.len());
        Ok(Self { file, inode: found.ino(), size: found.len(), recorder })
    }

    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// Notices that somebody renamed, removed, truncated or extended the file: what comes next goes behind its end,
    /// wherever that is.
    pub(super) fn look_again(&mut self, path: &Path) -> Place {
        match fs::metadata(path) {
            Ok(found) if found.ino() == self.inode => {
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

    pub(super) fn line_end(&self) -> io::Result<LineEnd> {
        let Some(at) = self.size.checked_sub(1) else { return Ok(LineEnd::Whole) };
        let mut last = [0];
        self.file.read_exact_at(&mut last, at)?;
        Ok(if last == *b"\n" { LineEnd::Whole } else { LineEnd::Open })
    }
}
