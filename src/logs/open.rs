use std::io::{self, Read};
use std::ops::Range;

use super::content::Content;
use super::pattern::Pattern;
use super::piece::PieceEnd;
use super::reader::{PIECE_BYTES, Scope, TimedLine};
use super::tap::whole_characters;
use super::times::{self, Entry};
use super::wanted::Wanted;
use crate::sys::thread;

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
    pub(super) line_end: PieceEnd,
    /// Where lines end that have no newline: their runs have ended.
    pub(super) cuts: Vec<u64>,
}

/// A file before it is read.
pub(super) struct Opened {
    pub(super) content: Content,
    pub(super) stretch: Stretch,
    pub(super) times: Vec<Entry>,
    pub(super) modified_ms: u64,
    /// How many bytes of the stream came before those of the file, where that is known.
    pub(super) before: Option<u64>,
    /// As long as somebody waits for it.
    pub(super) wanted: Wanted,
}

/// A file that is read.
pub(super) struct Open {
    file: io::Take<Content>,
    /// Bytes that were read; those from `start` on have not been handed over, and those before `whole` are whole lines.
    block: Vec<u8>,
    start: usize,
    whole: usize,
    /// Where `start` lies in the file.
    pub(super) offset: u64,
    /// Where the file is read to at first: its end, or that of a run.
    section_end: u64,
    stretch: Stretch,
    times: Vec<Entry>,
    modified_ms: u64,
    /// How many bytes of the stream came before those of the file, where that is known.
    pub(super) before: Option<u64>,
    /// Why no more of it can be read.
    pub(super) failure: Option<io::Error>,
    wanted: Wanted,
}

/// So many bytes are read at once.
const BLOCK_BYTES: u64 = 64 * 1024;

impl Stretch {
    /// None where nothing is.
    pub(super) fn new(scope: &Scope, times: &[Entry], limit: u64, modified_ms: u64) -> Option<Self> {
        let first_since = |unix_ms: u64| times::first_since(times, unix_ms, modified_ms);
        let noted = |unix_ms: u64| times::noted_since(times, &scope.run_ends_ms, unix_ms, modified_ms);
        let from =
            scope.from.since_ms().map(noted).map_or(Some(0), first_since).filter(|from| *from <= limit)?;
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
    pub(super) fn at(start: Option<u64>, opened: Opened) -> Self {
        let Opened { content, stretch, times, modified_ms, before, wanted } = opened;
        let (block, file, from) = (Vec::new(), content.take(0), stretch.from);
        let (start, whole, offset, section_end) = (start.filter(|at| *at <= stretch.limit), 0, 0, 0);
        let mut open = Self {
            file,
            block,
            start: 0,
            whole,
            offset,
            section_end,
            stretch,
            times,
            modified_ms,
            before,
            failure: None,
            wanted,
        };
        match start {
            Some(start) => open.go_to(start),
            None => open.skip_to(from),
        }
        open
    }

    /// Goes to an offset, or behind the line that it lies in the midst of.
    fn skip_to(&mut self, offset: u64) {
        self.go_to(offset.saturating_sub(1));
        if offset > 0 {
            while self.next(None).is_some_and(|piece| piece.end == PieceEnd::GoesOn) {}
        }
    }

    fn go_to(&mut self, offset: u64) {
        let skipped = self.file.get_mut().skip_to(offset);
        self.offset = offset;
        self.begin_section();
        if let Err(error) = skipped {
            self.give_up(error);
        }
    }

    /// No more of the file can be read.
    fn give_up(&mut self, error: io::Error) {
        self.file.set_limit(0);
        self.failure = Some(error);
    }

    /// What was read is handed over, and what follows is of another run, if anything is; says whether it is.
    fn begin_section(&mut self) -> bool {
        self.section_end = self.stretch.section_end(self.offset);
        self.file.set_limit(self.section_end.saturating_sub(self.offset));
        self.section_end > self.offset
    }

    /// The next line that matches, or the next piece of one.
    pub(super) fn next(&mut self, pattern: Option<&Pattern>) -> Option<TimedLine> {
        loop {
            let lines = &self.block[self.start..self.whole];
            let found = match pattern {
                Some(pattern) => pattern.find_line(lines),
                None => memchr::memchr(b'\n', lines).map(|end| 0..end),
            };
            if let Some(found) = found {
                return Some(self.take(found, PieceEnd::Line));
            }
            self.pass(lines.len());
            let (length, end) = match self.fill() {
                Filled::Lines => continue,
                // There is more of this line: that much is not all that was read.
                Filled::Piece => (whole_characters(&self.block[..PIECE_BYTES]).len(), PieceEnd::GoesOn),
                Filled::Rest => (self.block.len(), self.rest_end()),
            };
            if length == 0 {
                // A file that somebody cut short ends before its section does.
                let is_whole = self.offset == self.section_end && self.failure.is_none();
                if is_whole && self.begin_section() {
                    continue;
                }
                return None;
            }
            if pattern.is_none_or(|pattern| pattern.is_match(&self.block[..length])) {
                return Some(self.take(0..length, end));
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
    fn fill(&mut self) -> Filled {
        thread::give_way();
        self.block.drain(..self.start);
        self.start = 0;
        self.whole = 0;
        if self.wanted.is_over() {
            self.block.clear();
            return Filled::Rest;
        }
        loop {
            let known = self.block.len();
            if known > PIECE_BYTES {
                return Filled::Piece;
            }
            // What was read before an error counts.
            if let Err(error) = self.file.by_ref().take(BLOCK_BYTES).read_to_end(&mut self.block) {
                self.give_up(error);
            }
            if self.block.len() == known {
                return Filled::Rest;
            }
            if let Some(newline) = memchr::memrchr(b'\n', &self.block[known..]) {
                self.whole = known + newline + 1;
                return Filled::Lines;
            }
        }
    }

    /// When the byte at the offset arrived: by the index, else by when the file was last written.
    pub(super) fn time(&self) -> u64 {
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
