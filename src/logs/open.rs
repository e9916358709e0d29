use std::io::{self, Read};
use std::ops::Range;

use super::content::Content;
use super::pattern::Pattern;
use super::piece::{PieceBegin, PieceEnd};
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
    /// How far the line is that lies at `start`.
    line: Course,
    /// The pieces of that line that were passed over before one of them was found to match.
    earlier: Option<Box<Self>>,
    /// What those were read from.
    behind: Option<Content>,
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

/// How far a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Course {
    /// It begins.
    Begins,
    /// What lies before and from there on was not found to match.
    PassedOver { from: u64 },
    /// Its beginning was handed over, and so is the rest.
    HandedOver,
}

/// So much of a piece that did not match is searched once more with the next one: a match of that length lies in one of them
/// or in this.
const OVERLAP_BYTES: usize = 64 * 1024;

/// The longest character: what it is tells whether a word begins behind it.
const CHARACTER_BYTES: usize = 4;

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
            line: Course::Begins,
            earlier: None,
            behind: None,
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
            Some(start) => {
                open.go_to(start);
                open.line = open.course_at(start);
            }
            None => open.skip_to(from),
        }
        open
    }

    /// How far the line is that lies at an offset, if what is before that is not read.
    fn course_at(&self, offset: u64) -> Course {
        let is_cut = self.stretch.cuts.contains(&offset);
        match !is_cut && self.file.get_ref().is_in_midst_of_line(offset) {
            true => Course::PassedOver { from: offset },
            false => Course::Begins,
        }
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
        self.line = Course::Begins;
        self.section_end = self.stretch.section_end(self.offset);
        self.file.set_limit(self.section_end.saturating_sub(self.offset));
        self.section_end > self.offset
    }

    /// The next line that matches, or the next piece of one. All pieces of a line are handed over when one of them matches.
    pub(super) fn next(&mut self, pattern: Option<&Pattern>) -> Option<TimedLine> {
        loop {
            if let Some(piece) = self.next_earlier() {
                return Some(piece);
            }
            let lines = &self.block[self.start..self.whole];
            let found = match pattern {
                Some(pattern) if self.line == Course::Begins => pattern.find_line(lines),
                Some(_) | None => memchr::memchr(b'\n', lines).map(|end| 0..end),
            };
            let is_found = found.is_some() && self.line == Course::Begins;
            let (found, end) = match found {
                Some(found) => (found, PieceEnd::Line),
                None => {
                    self.pass(lines.len());
                    let (length, end) = match self.fill() {
                        Filled::Lines => continue,
                        // There is more of this line: that much is not all that was read.
                        Filled::Piece => (self.piece_length(), PieceEnd::GoesOn),
                        Filled::Rest => (self.block.len() - self.start, self.rest_end()),
                    };
                    (0..length, end)
                }
            };
            if found.is_empty() && end != PieceEnd::Line {
                // A file that somebody cut short ends before its section does.
                let is_whole = self.offset == self.section_end && self.failure.is_none();
                if is_whole && self.begin_section() {
                    continue;
                }
                return None;
            }
            if !is_found && pattern.is_some_and(|pattern| !self.is_wanted(pattern, found.len(), end)) {
                self.pass_over(found.len(), end);
            } else if !self.look_back() {
                return Some(self.take(found, end));
            }
        }
    }

    /// Whether the next piece matches, or its line did.
    fn is_wanted(&self, pattern: &Pattern, length: usize, end: PieceEnd) -> bool {
        let piece_end = self.start + length;
        let (from, begin, before) = match self.line {
            Course::HandedOver => return true,
            Course::Begins => (self.start, PieceBegin::Line, 0),
            // What lies before it was kept of the piece before, if that was read.
            Course::PassedOver { .. } => (0, PieceBegin::Midst, CHARACTER_BYTES.min(self.start)),
        };
        let to = match end {
            PieceEnd::GoesOn => self.block.len(),
            PieceEnd::Line | PieceEnd::Open => piece_end,
        };
        let is_known_before = begin == PieceBegin::Line || before > 0;
        let is_known_behind = end != PieceEnd::GoesOn || to > piece_end;
        if is_known_before && is_known_behind {
            return pattern.is_match_within(&self.block[from..to], before..piece_end - from);
        }
        pattern.is_match_alone(&self.block[from..piece_end], begin, end)
    }

    /// Passes a piece that does not match.
    fn pass_over(&mut self, length: usize, end: PieceEnd) {
        let from = match self.line {
            Course::Begins | Course::HandedOver => self.offset,
            Course::PassedOver { from } => from,
        };
        self.line = match end {
            PieceEnd::GoesOn => Course::PassedOver { from },
            PieceEnd::Line | PieceEnd::Open => Course::Begins,
        };
        self.pass(length + usize::from(end == PieceEnd::Line));
    }

    /// Pieces that were passed over come first; says whether there are any.
    fn look_back(&mut self) -> bool {
        let Course::PassedOver { from } = self.line else { return false };
        self.line = Course::HandedOver;
        if from == self.offset {
            return false;
        }
        let content = self.behind.take().unwrap_or_else(|| self.file.get_ref().again());
        let (limit, cuts) = (self.offset, self.stretch.cuts.clone());
        let opened = Opened {
            content,
            stretch: Stretch { from, to: limit, limit, line_end: PieceEnd::GoesOn, cuts },
            times: self.times.clone(),
            modified_ms: self.modified_ms,
            before: self.before,
            wanted: self.wanted.clone(),
        };
        self.earlier = Some(Box::new(Self::at(Some(from), opened)));
        true
    }

    /// The next of those.
    fn next_earlier(&mut self) -> Option<TimedLine> {
        let mut earlier = self.earlier.take()?;
        let piece = earlier.next(None);
        if piece.is_some() {
            self.earlier = Some(earlier);
            return piece;
        }
        if let Some(error) = earlier.failure {
            self.give_up(error);
        }
        self.behind = Some(earlier.file.into_inner());
        None
    }

    /// How long the next piece of a line is that goes on.
    fn piece_length(&self) -> usize {
        whole_characters(&self.block[self.start..self.start + PIECE_BYTES]).len()
    }

    /// How what was read ends that has no newline.
    fn rest_end(&self) -> PieceEnd {
        let end = self.offset + u64::try_from(self.block.len() - self.start).unwrap_or_default();
        if end == self.stretch.limit { self.stretch.line_end } else { PieceEnd::Open }
    }

    /// Hands over a line that `found` tells from what was not handed over, and passes it and its newline.
    fn take(&mut self, found: Range<usize>, end: PieceEnd) -> TimedLine {
        self.pass(found.start);
        let line = self.start..self.start + found.len();
        let begin = match self.line {
            Course::Begins => PieceBegin::Line,
            Course::PassedOver { .. } | Course::HandedOver => PieceBegin::Midst,
        };
        let taken = TimedLine { unix_ms: self.time(), bytes: self.block[line].to_vec(), begin, end };
        self.line = match end {
            PieceEnd::GoesOn => Course::HandedOver,
            PieceEnd::Line | PieceEnd::Open => Course::Begins,
        };
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
        let kept = match self.line {
            Course::Begins => 0,
            Course::PassedOver { .. } | Course::HandedOver => self.start.min(OVERLAP_BYTES),
        };
        self.block.drain(..self.start - kept);
        self.start = kept;
        self.whole = kept;
        if self.wanted.is_over() {
            self.block.truncate(kept);
            return Filled::Rest;
        }
        loop {
            let known = self.block.len();
            if known - self.start > PIECE_BYTES {
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
