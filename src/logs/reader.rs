use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use super::files;
use super::query::End;
use super::times::{self, Entry};

/// The lines of one stream, from its oldest file to its current one.
pub(super) struct Reader {
    files: std::vec::IntoIter<PathBuf>,
    times_dir: PathBuf,
    open: Option<Open>,
    end: Option<End>,
}

struct Open {
    file: io::Take<BufReader<File>>,
    offset: u64,
    times: Vec<Entry>,
    modified_ms: u64,
}

/// A line with the time at which it arrived.
pub(super) struct TimedLine {
    pub(super) unix_ms: u64,
    pub(super) bytes: Vec<u8>,
}

/// Longer lines are handed over in pieces of this many bytes.
const PIECE_BYTES: u64 = 1 << 20;

impl Reader {
    /// All lines up to `end`, or to the end of the current file.
    pub(super) fn all(path: &Path, times_dir: &Path, end: Option<End>) -> Self {
        Self { files: files::all(path).into_iter(), times_dir: times_dir.to_owned(), open: None, end }
    }

    /// At least the last `count` lines, if there are so many, without reading what lies before them.
    pub(super) fn last(path: &Path, times_dir: &Path, end: Option<End>, count: usize) -> io::Result<Self> {
        let mut wanted = count;
        let mut needed = Vec::new();
        let mut start = 0;
        for path in files::all(path).into_iter().rev() {
            let Ok(file) = File::open(&path) else { continue };
            let limit = limit(&file, end)?;
            let (found_at, found) = start_of_last_lines(file, limit, wanted)?;
            needed.push(path);
            start = found_at;
            wanted = wanted.saturating_sub(found);
            if wanted == 0 {
                break;
            }
        }
        needed.reverse();
        let mut reader = Self { files: needed.into_iter(), times_dir: times_dir.to_owned(), open: None, end };
        if let Some(first) = reader.files.next() {
            reader.open = Some(Open::at(&first, &reader.times_dir, end, start)?);
        }
        Ok(reader)
    }

    /// The next line; none at the end.
    pub(super) fn next(&mut self) -> io::Result<Option<TimedLine>> {
        loop {
            if let Some(line) = self.open.as_mut().map_or(Ok(None), Open::next)? {
                return Ok(Some(line));
            }
            let Some(path) = self.files.next() else { return Ok(None) };
            self.open = match Open::at(&path, &self.times_dir, self.end, 0) {
                // A file may be set aside or dropped while others are read.
                Err(error) if error.kind() == io::ErrorKind::NotFound => None,
                opened => Some(opened?),
            };
        }
    }
}

impl Open {
    fn at(path: &Path, times_dir: &Path, end: Option<End>, offset: u64) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let found = file.metadata()?;
        let limit = limit(&file, end)?;
        file.seek(SeekFrom::Start(offset))?;
        let modified = found.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
        Ok(Self {
            file: BufReader::with_capacity(64 * 1024, file).take(limit.saturating_sub(offset)),
            offset,
            times: times::read(times_dir, found.ino()),
            modified_ms: u64::try_from(modified.as_millis()).unwrap_or(u64::MAX),
        })
    }

    fn next(&mut self) -> io::Result<Option<TimedLine>> {
        let mut bytes = Vec::new();
        let rest = self.file.limit();
        self.file.by_ref().take(PIECE_BYTES).read_until(b'\n', &mut bytes)?;
        if bytes.is_empty() {
            return Ok(None);
        }
        let unix_ms = self.time();
        let read = u64::try_from(bytes.len()).unwrap_or_default();
        self.file.set_limit(rest - read);
        self.offset += read;
        if bytes.ends_with(b"\n") {
            bytes.pop();
        }
        Ok(Some(TimedLine { unix_ms, bytes }))
    }

    /// When the byte at the offset arrived: by the index, else by when the file was last written.
    fn time(&self) -> u64 {
        let behind = self.times.partition_point(|entry| entry.offset <= self.offset);
        let entry = behind.checked_sub(1).and_then(|at| self.times.get(at));
        entry.map_or(self.modified_ms, |entry| entry.unix_ms)
    }
}

/// How many bytes of a file count: all, or those before the end if it lies in this file.
fn limit(file: &File, end: Option<End>) -> io::Result<u64> {
    let found = file.metadata()?;
    Ok(end.filter(|end| end.inode == found.ino()).map_or(found.len(), |end| end.offset.min(found.len())))
}

/// Where the last `count` lines before `limit` begin, and how many there are; reads backwards, block by block.
fn start_of_last_lines(mut file: File, limit: u64, count: usize) -> io::Result<(u64, usize)> {
    const BLOCK: u64 = 64 * 1024;
    let mut found = 0;
    let mut block_end = limit;
    let mut block = Vec::new();
    while block_end > 0 {
        let block_start = block_end.saturating_sub(BLOCK);
        file.seek(SeekFrom::Start(block_start))?;
        block.clear();
        (&mut file).take(block_end - block_start).read_to_end(&mut block)?;
        for (at, _) in block.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n') {
            let offset = block_start + u64::try_from(at).unwrap_or_default();
            // The newline at the very end closes the last line and begins none.
            if offset + 1 == limit {
                continue;
            }
            found += 1;
            if found == count {
                return Ok((offset + 1, count));
            }
        }
        block_end = block_start;
    }
    Ok((0, if limit > 0 { found + 1 } else { 0 }))
}

/// The end of a file as it is: up to its last whole line.
pub(super) fn end_of(path: &Path) -> Option<End> {
    let file = File::open(path).ok()?;
    let found = file.metadata().ok()?;
    let size = found.len();
    let mut last = vec![0; usize::try_from(size.min(PIECE_BYTES)).unwrap_or_default()];
    let start = size - u64::try_from(last.len()).unwrap_or_default();
    std::os::unix::fs::FileExt::read_exact_at(&file, &mut last, start).ok()?;
    let whole = last.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    Some(End { inode: found.ino(), offset: start + u64::try_from(whole).unwrap_or_default() })
}
