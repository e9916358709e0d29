use std::io::{self, Read};
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::content::Content;
use super::end::End;
use super::last;
use super::pattern::Pattern;
use super::piece::PieceEnd;
use super::plan::{Plan, of_file};
use super::tap::whole_characters;
use super::times::{self, Entry};

/// The lines of one stream, from its oldest file to its current one, as those were when it was made.
pub(super) struct Reader {
    plan: Plan,
    /// Which of them comes next.
    at: usize,
    /// Where it begins in that.
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
    /// Only those that arrived before this time count, in milliseconds since 1970 UTC; later ones may be given as well.
    pub(super) until_ms: Option<u64>,
    /// When runs ended, in their order. A line does not go on in the next run.
    pub(super) run_ends_ms: Vec<u64>,
    /// Only those that match.
    pub(super) pattern: Option<Pattern>,
}

/// What of a file is of interest.
#[derive(Debug)]
pub(super) struct Stretch {
    /// Lines from there on; all when it lies in the midst of one, that one is left out.
    pub(super) from: u64,
    /// Lines that begin before this count.
    pub(super) to: u64,
    /// No more is read than that.
    limit: u64,
    /// Where lines end that have no newline: their runs have ended.
    pub(super) cuts: Vec<u64>,
}

/// A file before it is read.
struct Opened {
    content: Content,
    stretch: Stretch,
    times: Vec<Entry>,
    modified_ms: u64,
}

struct Open {
    file: io::Take<Content>,
    /// Bytes that were read; those from `start` on have not been handed over, and those before `whole` are whole lines.
    block: Vec<u8>,
    start: usize,
    whole: usize,
    /// Where `start` lies in the file.
    offset: u64,
    /// Where the file is read to at first: its end, or that of a run.
    section_end: u64,
    stretch: Stretch,
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

/// Longer lines are handed over in pieces of about this many bytes.
pub(super) const PIECE_BYTES: usize = 1 << 20;

impl Reader {
    /// # Errors
    /// The current file is there and cannot be opened.
    pub(super) fn new(path: &Path, times_dir: &Path, scope: Scope) -> io::Result<Self> {
        let plan = Plan::new(path, scope.end)?;
        Ok(Self { plan, at: 0, start: 0, times_dir: times_dir.to_owned(), open: None, scope })
    }

    /// Passes over all but the last `count` lines, without reading what lies before them; says how many it found.
    pub(super) fn skip_to_last(&mut self, count: usize) -> io::Result<usize> {
        let mut found = 0;
        for at in (0..self.plan.count()).rev() {
            let Some(Opened { content, stretch, .. }) = self.opened(at)? else { continue };
            let lines = last::lines(content, &stretch, count - found);
            let (start, lines) = lines.map_err(|error| of_file(self.plan.path(at), &error))?;
            found += lines;
            if found == count {
                (self.at, self.start) = (at, start);
                break;
            }
        }
        Ok(found)
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
            if self.at == self.plan.count() {
                return Ok(None);
            }
            let start = std::mem::take(&mut self.start);
            let opened = self.opened(self.at)?.map(|opened| Open::at(start, opened)).transpose();
            self.open = opened.map_err(|error| of_file(self.plan.path(self.at), &error))?;
            self.at += 1;
        }
    }

    /// A file, if it is there and has something of interest.
    fn opened(&self, at: usize) -> io::Result<Option<Opened>> {
        let opened = self.plan.open(at).map_err(|error| of_file(self.plan.path(at), &error))?;
        let Some((content, found)) = opened else { return Ok(None) };
        let times = times::read(&self.times_dir, found.ino());
        let modified_ms = times::modified_ms(&found).unwrap_or(u64::MAX);
        let length = match content {
            Content::Plain(_) => found.len(),
            Content::Pressed(_) => u64::MAX,
        };
        // All bytes of a file count, or those before the end if it lies in this one.
        let end = self.scope.end.filter(|end| self.plan.inode(at) == Some(end.inode));
        let limit = end.map_or(length, |end| end.offset.min(length));
        let stretch = Stretch::new(&self.scope, &times, limit, modified_ms);
        Ok(stretch.map(|stretch| Opened { content, stretch, times, modified_ms }))
    }
}

impl Stretch {
    /// None where nothing is.
    fn new(scope: &Scope, times: &[Entry], limit: u64, modified_ms: u64) -> Option<Self> {
        let first_since = |unix_ms: u64| times::first_since(times, unix_ms, modified_ms);
        let from = scope.since_ms.map_or(Some(0), first_since).filter(|from| *from < limit)?;
        let to = scope.until_ms.and_then(first_since).map_or(limit, |to| to.min(limit));
        let cuts = times::cuts(times, &scope.run_ends_ms, limit);
        Some(Self { from, to, limit, cuts })
    }

    /// Where what lies at an offset ends at the latest.
    fn section_end(&self, offset: u64) -> u64 {
        let behind = self.cuts.partition_point(|cut| *cut <= offset);
        self.cuts.get(behind).map_or(self.limit, |cut| self.limit.min(*cut))
    }
}

impl Open {
    /// From the line that begins at this offset.
    fn at(start: u64, opened: Opened) -> io::Result<Self> {
        let Opened { content, stretch, times, modified_ms } = opened;
        let offset = start.max(stretch.from);
        let (block, file) = (Vec::new(), content.take(0));
        let mut open =
            Self { file, block, start: 0, whole: 0, offset, section_end: 0, stretch, times, modified_ms };
        open.skip_to(offset)?;
        Ok(open)
    }

    /// Goes to an offset, or behind the line that it lies in the midst of.
    fn skip_to(&mut self, offset: u64) -> io::Result<()> {
        let before = offset.saturating_sub(1);
        self.file.get_mut().skip_to(before)?;
        self.offset = before;
        self.begin_section();
        if offset > 0 {
            while self.next(None)?.is_some_and(|piece| piece.end == PieceEnd::GoesOn) {}
        }
        Ok(())
    }

    /// What was read is handed over, and what follows is of another run, if anything is; says whether it is.
    fn begin_section(&mut self) -> bool {
        self.section_end = self.stretch.section_end(self.offset);
        self.file.set_limit(self.section_end.saturating_sub(self.offset));
        self.section_end > self.offset
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
            let (length, end) = match self.fill()? {
                Filled::Lines => continue,
                // There is more of this line: that much is not all that was read.
                Filled::Piece => (whole_characters(&self.block[..PIECE_BYTES]).len(), PieceEnd::GoesOn),
                Filled::Rest => (self.block.len(), PieceEnd::Open),
            };
            if length == 0 {
                // A file that somebody cut short ends before its section does.
                let is_whole = self.offset == self.section_end;
                if is_whole && self.begin_section() {
                    continue;
                }
                return Ok(None);
            }
            if pattern.is_none_or(|pattern| pattern.is_match(&self.block[..length])) {
                return Ok(Some(self.take(0..length, end)));
            }
            self.pass(length);
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

    /// Reads on until there is a whole line, more than a piece, or no more.
    fn fill(&mut self) -> io::Result<Filled> {
        self.block.drain(..self.start);
        self.start = 0;
        self.whole = 0;
        loop {
            let known = self.block.len();
            if known > PIECE_BYTES {
                return Ok(Filled::Piece);
            }
            if self.file.by_ref().take(BLOCK_BYTES).read_to_end(&mut self.block)? == 0 {
                return Ok(Filled::Rest);
            }
            if let Some(newline) = memchr::memrchr(b'\n', &self.block[known..]) {
                self.whole = known + newline + 1;
                return Ok(Filled::Lines);
            }
        }
    }

    /// When the byte at the offset arrived: by the index, else by when the file was last written.
    fn time(&self) -> u64 {
        times::at(&self.times, self.offset).unwrap_or(self.modified_ms)
    }
}

/// What was read that was not handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Filled {
    /// Whole lines first.
    Lines,
    /// More than a piece of one line.
    Piece,
    /// All that is left.
    Rest,
}
