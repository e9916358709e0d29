use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::content::Content;
use super::files;
use super::pattern::Pattern;
use super::piece::PieceEnd;
use super::query::End;
use super::tap::whole_characters;
use super::times::{self, Entry};

/// The lines of one stream, from its oldest file to its current one.
pub(super) struct Reader {
    files: std::vec::IntoIter<PathBuf>,
    /// Where it begins in the first of them.
    start: u64,
    times_dir: PathBuf,
    open: Option<Open>,
    scope: Scope,
}

/// Which lines of a stream are of interest at all. What lies outside need not be read.
#[derive(Debug, Clone, Default)]
pub(super) struct Scope {
    /// Only those before this end, or all.
    pub(super) end: Option<End>,
    /// Only those that arrived at or after this time, in milliseconds since 1970 UTC.
    pub(super) since_ms: Option<u64>,
    /// Only those that match.
    pub(super) pattern: Option<Pattern>,
}

struct Open {
    file: io::Take<Content>,
    /// Bytes that were read; those from `start` on have not been handed over, and those before `whole` are whole lines.
    block: Vec<u8>,
    start: usize,
    whole: usize,
    /// Where `start` lies in the file.
    offset: u64,
    times: Vec<Entry>,
    modified_ms: u64,
}

/// A line with the time at which it arrived, or a piece of one.
pub(super) struct TimedLine {
    pub(super) unix_ms: u64,
    pub(super) bytes: Vec<u8>,
    pub(super) end: PieceEnd,
}

/// So many bytes are read at once.
const BLOCK_BYTES: u64 = 256 * 1024;

/// Longer lines are handed over in pieces of at least this many bytes.
pub(super) const PIECE_BYTES: usize = 1 << 20;

impl Reader {
    /// All lines.
    pub(super) fn all(path: &Path, times_dir: &Path, scope: Scope) -> Self {
        Self::of(files::all(path), times_dir, scope)
    }

    /// At least the last `count` lines, if there are so many, without reading what lies before them.
    pub(super) fn last(path: &Path, times_dir: &Path, scope: Scope, count: usize) -> io::Result<Self> {
        let mut wanted = count;
        let mut needed = Vec::new();
        let mut start = 0;
        for path in files::all(path).into_iter().rev() {
            let Some(file) = if_there(File::open(&path)).map_err(|error| of_file(&path, &error))? else {
                continue;
            };
            let limit = limit(&file, scope.end)?;
            let (found_at, found) = match Content::of(&path, file) {
                Content::Plain(file) => start_of_last_lines(file, limit, wanted)?,
                Content::Pressed(decoder) => start_of_last_lines_behind(decoder, wanted)?,
            };
            needed.push(path);
            start = found_at;
            wanted = wanted.saturating_sub(found);
            if wanted == 0 {
                break;
            }
        }
        needed.reverse();
        Ok(Self { start, ..Self::of(needed, times_dir, scope) })
    }

    fn of(files: Vec<PathBuf>, times_dir: &Path, scope: Scope) -> Self {
        Self { files: files.into_iter(), start: 0, times_dir: times_dir.to_owned(), open: None, scope }
    }

    /// Whether it gives every line, and not those alone that match.
    pub(super) fn reads_all(&self) -> bool {
        self.scope.pattern.is_none()
    }

    /// The next line; none at the end.
    pub(super) fn next(&mut self) -> io::Result<Option<TimedLine>> {
        let pattern = self.scope.pattern.as_ref();
        loop {
            if let Some(line) = self.open.as_mut().map_or(Ok(None), |open| open.next(pattern))? {
                return Ok(Some(line));
            }
            let Some(path) = self.files.next() else { return Ok(None) };
            let offset = std::mem::take(&mut self.start);
            // Files may be compressed, moved on or dropped while others are read, and the current one may not be there.
            self.open = match self.open(&path, offset)? {
                None if files::is_set_aside(&path) => self.open(&files::pressed_form(&path), offset)?,
                opened => opened,
            };
        }
    }

    fn open(&self, path: &Path, offset: u64) -> io::Result<Option<Open>> {
        let opened = if_there(Open::at(path, &self.times_dir, &self.scope, offset));
        opened.map_err(|error| of_file(path, &error))
    }
}

fn if_there<T>(found: io::Result<T>) -> io::Result<Option<T>> {
    match found {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        found => found.map(Some),
    }
}

fn of_file(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

impl Open {
    fn at(path: &Path, times_dir: &Path, scope: &Scope, offset: u64) -> io::Result<Self> {
        let file = File::open(path)?;
        let found = file.metadata()?;
        let content = Content::of(path, file);
        let limit = match &content {
            Content::Plain(file) => limit(file, scope.end)?,
            Content::Pressed(_) => u64::MAX,
        };
        let modified_ms = times::modified_ms(&found).unwrap_or(u64::MAX);
        let times = times::read(times_dir, found.ino());
        let first =
            scope.since_ms.map_or(0, |since_ms| first_since(&times, since_ms, modified_ms).min(limit));
        let offset = offset.max(first);
        let mut open = Self {
            file: content.take(limit),
            block: Vec::new(),
            start: 0,
            whole: 0,
            offset,
            times,
            modified_ms,
        };
        open.skip_to(offset)?;
        Ok(open)
    }

    /// Goes to an offset, or behind the line that it lies in the midst of.
    fn skip_to(&mut self, offset: u64) -> io::Result<()> {
        let Some(before) = offset.checked_sub(1) else { return Ok(()) };
        self.file.get_mut().skip_to(before)?;
        self.file.set_limit(self.file.limit().saturating_sub(before));
        self.offset = before;
        self.next(None).map(|_| ())
    }

    fn next(&mut self, pattern: Option<&Pattern>) -> io::Result<Option<TimedLine>> {
        loop {
            let lines = &self.block[self.start..self.whole];
            let found = match pattern {
                Some(pattern) => pattern.find_line(lines),
                None => memchr::memchr(b'\n', lines).map(|end| 0..end),
            };
            if let Some(found) = found {
                return Ok(Some(self.take(found, PieceEnd::Line)));
            }
            self.pass(lines.len());
            if self.fill()? == Filled::Lines {
                continue;
            }
            // What is left is the open line at the end, or a piece of a line that is too long.
            let left = &self.block[self.start..];
            let (length, end) = match left.len() < PIECE_BYTES {
                true => (left.len(), PieceEnd::Open),
                false => (whole_characters(left).len(), PieceEnd::GoesOn),
            };
            let piece = 0..length;
            if piece.is_empty() {
                return Ok(None);
            }
            if pattern.is_none_or(|pattern| pattern.is_match(&self.block[self.start..])) {
                return Ok(Some(self.take(piece, end)));
            }
            self.pass(piece.end);
        }
    }

    /// Hands over a line that `found` tells from what was not handed over, and passes it and its newline.
    fn take(&mut self, found: Range<usize>, end: PieceEnd) -> TimedLine {
        self.pass(found.start);
        let line = self.start..self.start + found.len();
        let taken = TimedLine { unix_ms: self.time(), bytes: self.block[line].to_vec(), end };
        self.pass(found.len() + usize::from(end == PieceEnd::Line));
        taken
    }

    fn pass(&mut self, count: usize) {
        self.start += count;
        self.whole = self.whole.max(self.start);
        self.offset += u64::try_from(count).unwrap_or_default();
    }

    /// Reads on until there is a whole line, a piece, or no more.
    fn fill(&mut self) -> io::Result<Filled> {
        self.block.drain(..self.start);
        self.start = 0;
        self.whole = 0;
        while self.block.len() < PIECE_BYTES {
            let known = self.block.len();
            if self.file.by_ref().take(BLOCK_BYTES).read_to_end(&mut self.block)? == 0 {
                break;
            }
            if let Some(newline) = memchr::memrchr(b'\n', &self.block[known..]) {
                self.whole = known + newline + 1;
                return Ok(Filled::Lines);
            }
        }
        Ok(Filled::NoLine)
    }

    /// When the byte at the offset arrived: by the index, else by when the file was last written.
    fn time(&self) -> u64 {
        times::at(&self.times, self.offset).unwrap_or(self.modified_ms)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Filled {
    Lines,
    NoLine,
}

/// Where in a file the first byte lies that arrived at or after a time, by its index.
fn first_since(times: &[Entry], since_ms: u64, modified_ms: u64) -> u64 {
    let before_the_index = times.first().map_or(u64::MAX, |first| first.offset);
    if before_the_index > 0 && modified_ms >= since_ms {
        return 0;
    }
    times.iter().find(|entry| entry.unix_ms >= since_ms).map_or(u64::MAX, |entry| entry.offset)
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
        for at in memchr::memrchr_iter(b'\n', &block) {
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

/// The same for what can be read only from its beginning to its end.
fn start_of_last_lines_behind(mut content: impl Read, count: usize) -> io::Result<(u64, usize)> {
    let mut begins = VecDeque::from([0]);
    let mut block = vec![0; 64 * 1024];
    let mut offset = 0;
    loop {
        let length = content.read(&mut block)?;
        if length == 0 {
            break;
        }
        for at in memchr::memchr_iter(b'\n', &block[..length]) {
            begins.push_back(offset + u64::try_from(at).unwrap_or_default() + 1);
            if begins.len() > count.saturating_add(1) {
                begins.pop_front();
            }
        }
        offset += u64::try_from(length).unwrap_or_default();
    }
    // What would begin at the very end is no line.
    if begins.back() == Some(&offset) {
        begins.pop_back();
    }
    let found = begins.len().min(count);
    Ok((begins.get(begins.len() - found).copied().unwrap_or(offset), found))
}

/// So many bytes are looked at for the last whole line.
const END_BYTES: u64 = 1 << 20;

/// The end of a file as it is.
pub(super) fn end_of(path: &Path) -> Option<End> {
    let found = std::fs::metadata(path).ok()?;
    Some(End { inode: found.ino(), offset: found.len() })
}

/// The end of the last whole line of a file as it is.
pub(super) fn line_end_of(path: &Path) -> Option<End> {
    let file = File::open(path).ok()?;
    let found = file.metadata().ok()?;
    let size = found.len();
    let mut last = vec![0; usize::try_from(size.min(END_BYTES)).unwrap_or_default()];
    let start = size - u64::try_from(last.len()).unwrap_or_default();
    std::os::unix::fs::FileExt::read_exact_at(&file, &mut last, start).ok()?;
    let whole = last.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    Some(End { inode: found.ino(), offset: start + u64::try_from(whole).unwrap_or_default() })
}
