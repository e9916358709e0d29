use std::io::{self, Read};
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::content::Content;
use super::last;
use super::pattern::Pattern;
use super::piece::PieceEnd;
use super::place::Place;
use super::plan::{Plan, of_file};
use super::tap::whole_characters;
use super::times::{self, Entry};
use crate::sys::thread;

/// The lines of one stream, through all its files, as those were when it was made.
pub(super) struct Reader {
    plan: Plan,
    /// Which of them comes next.
    at: usize,
    /// Where it begins in that, at the beginning of a line or of a piece of one; none where that is looked for.
    start: Option<u64>,
    times_dir: PathBuf,
    open: Option<Open>,
    /// How many bytes of the stream came before what was read last, where that is known.
    reached: Option<u64>,
    scope: Scope,
}

/// Which lines of a stream are of interest at all. What lies outside need not be read.
#[derive(Debug, Clone)]
pub(super) struct Scope {
    /// Where they begin.
    pub(super) from: From,
    /// Only those before this end.
    pub(super) to: Place,
    /// Only those that arrived before this time count, in milliseconds since 1970 UTC; later ones may be given as well.
    pub(super) until_ms: Option<u64>,
    /// When runs ended, in their order. A line does not go on in the next run.
    pub(super) run_ends_ms: Vec<u64>,
    /// Only those that match.
    pub(super) pattern: Option<Pattern>,
}

/// Where reading begins.
#[derive(Debug, Clone)]
pub(super) enum From {
    /// With the oldest line that is kept, or the first that arrived at or after this time, in milliseconds since 1970 UTC.
    Since(Option<u64>),
    /// There, also in the midst of a line.
    Place(Place),
}

impl From {
    pub(super) fn place(&self) -> Option<&Place> {
        match self {
            Self::Since(_) => None,
            Self::Place(place) => Some(place),
        }
    }

    pub(super) fn since_ms(&self) -> Option<u64> {
        match self {
            Self::Since(since_ms) => *since_ms,
            Self::Place(_) => None,
        }
    }
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
    /// How a line ends there that goes on beyond it.
    line_end: PieceEnd,
    /// Where lines end that have no newline: their runs have ended.
    pub(super) cuts: Vec<u64>,
}

/// A file before it is read.
struct Opened {
    content: Content,
    stretch: Stretch,
    times: Vec<Entry>,
    modified_ms: u64,
    before: Option<u64>,
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
    /// How many bytes of the stream came before those of the file, where that is known.
    before: Option<u64>,
}

/// What a stream has.
pub(super) enum Passage {
    /// A line.
    Line(TimedLine),
    /// So many bytes are missing before what comes next: rotation dropped their file before they were read.
    Missing(u64),
}

/// A line with the time at which it arrived, or a piece of one.
pub(super) struct TimedLine {
    pub(super) unix_ms: u64,
    pub(super) bytes: Vec<u8>,
    pub(super) end: PieceEnd,
}

/// So many bytes are read at once.
const BLOCK_BYTES: u64 = 64 * 1024;

/// Longer lines are handed over in pieces of about this many bytes.
pub(super) const PIECE_BYTES: usize = 1 << 20;

impl Reader {
    pub(super) fn new(path: &Path, times_dir: &Path, scope: Scope) -> Self {
        let from = scope.from.place();
        let plan = Plan::new(path, times_dir, from, &scope.to);
        // Nothing more is written to a compressed file, and it is not read again.
        let from = from.filter(|from| !from.is_pressed());
        let (start, reached) = (from.map(|from| from.offset), from.and_then(Place::reached));
        Self { plan, at: 0, start, times_dir: times_dir.to_owned(), open: None, reached, scope }
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
                (self.at, self.start) = (at, Some(start));
                break;
            }
        }
        Ok(found)
    }

    /// Whether it gives every line, and not those alone that match.
    pub(super) fn reads_all(&self) -> bool {
        self.scope.pattern.is_none()
    }

    /// What comes next; none at the end.
    pub(super) fn next(&mut self) -> io::Result<Option<Passage>> {
        let pattern = self.scope.pattern.as_ref();
        loop {
            if let Some(open) = &mut self.open {
                if let Some(line) = open.next(pattern)? {
                    return Ok(Some(Passage::Line(line)));
                }
                self.reached = open.before.map(|before| before + open.offset);
                self.open = None;
            }
            if self.at == self.plan.count() {
                return Ok(None);
            }
            let start = self.start.take();
            let opened = self.opened(self.at)?;
            let before = opened.as_ref().and_then(|opened| opened.before).filter(|_| start.is_none());
            let open = opened.map(|opened| Open::at(start, opened)).transpose();
            self.open = open.map_err(|error| of_file(self.plan.path(self.at), &error))?;
            self.at += 1;
            let missing = before.zip(self.reached).map_or(0, |(to, from)| to.saturating_sub(from));
            if missing > 0 {
                return Ok(Some(Passage::Missing(missing)));
            }
        }
    }

    /// When that arrived which comes next, as far as that is known before it is read.
    pub(super) fn next_ms(&self) -> Option<u64> {
        self.open.as_ref().map(Open::time)
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
        // All bytes of a file count, or those before the end if it is the last one.
        let to = Some(&self.scope.to).filter(|_| at + 1 == self.plan.count());
        let limit = to.map_or(length, |to| to.offset.min(length));
        let held = [self.scope.from.place(), Some(&self.scope.to)].into_iter().flatten();
        let held = held.into_iter().find(|place| place.inode == found.ino());
        let before = held.map_or_else(|| times::before(&self.times_dir, found.ino()), |place| place.before);
        let stretch = Stretch::new(&self.scope, &times, limit, modified_ms);
        let line_end = to.map_or(PieceEnd::Open, |to| to.line_end);
        let stretch = stretch.map(|stretch| Stretch { line_end, ..stretch });
        Ok(stretch.map(|stretch| Opened { content, stretch, times, modified_ms, before }))
    }
}

impl Stretch {
    /// None where nothing is.
    fn new(scope: &Scope, times: &[Entry], limit: u64, modified_ms: u64) -> Option<Self> {
        let first_since = |unix_ms: u64| times::first_since(times, unix_ms, modified_ms);
        let from = scope.from.since_ms().map_or(Some(0), first_since).filter(|from| *from < limit)?;
        let to = scope.until_ms.and_then(first_since).map_or(limit, |to| to.min(limit));
        let cuts = times::cuts(times, &scope.run_ends_ms, limit);
        Some(Self { from, to, limit, line_end: PieceEnd::Open, cuts })
    }

    /// Where what lies at an offset ends at the latest.
    fn section_end(&self, offset: u64) -> u64 {
        let behind = self.cuts.partition_point(|cut| *cut <= offset);
        self.cuts.get(behind).map_or(self.limit, |cut| self.limit.min(*cut))
    }
}

impl Open {
    /// From this offset, or from the first line of interest.
    fn at(start: Option<u64>, opened: Opened) -> io::Result<Self> {
        let Opened { content, stretch, times, modified_ms, before } = opened;
        let (block, file, from) = (Vec::new(), content.take(0), stretch.from);
        let (start, whole, offset, section_end) = (start.filter(|at| *at <= stretch.limit), 0, 0, 0);
        let mut open =
            Self { file, block, start: 0, whole, offset, section_end, stretch, times, modified_ms, before };
        match start {
            Some(start) => open.go_to(start)?,
            None => open.skip_to(from)?,
        }
        Ok(open)
    }

    /// Goes to an offset, or behind the line that it lies in the midst of.
    fn skip_to(&mut self, offset: u64) -> io::Result<()> {
        self.go_to(offset.saturating_sub(1))?;
        if offset > 0 {
            while self.next(None)?.is_some_and(|piece| piece.end == PieceEnd::GoesOn) {}
        }
        Ok(())
    }

    fn go_to(&mut self, offset: u64) -> io::Result<()> {
        self.file.get_mut().skip_to(offset)?;
        self.offset = offset;
        self.begin_section();
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
                Filled::Rest => (self.block.len(), self.rest_end()),
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

    /// How what was read ends that has no newline.
    fn rest_end(&self) -> PieceEnd {
        let end = self.offset + u64::try_from(self.block.len()).unwrap_or_default();
        if end == self.stretch.limit { self.stretch.line_end } else { PieceEnd::Open }
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
        thread::give_way();
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
