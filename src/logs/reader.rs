use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::content::Content;
use super::last;
use super::open::{Open, Opened, Stretch};
use super::pattern::Pattern;
use super::piece::{PieceBegin, PieceEnd};
use super::place::Place;
use super::plan::{Plan, of_file};
use super::times;
use super::wanted::Wanted;

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
    /// As long as somebody waits for them.
    pub(super) wanted: Wanted,
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

/// What a stream has.
pub(super) enum Passage {
    /// A line.
    Line(TimedLine),
    /// So many bytes are missing before what comes next: rotation dropped their file before they were read.
    Missing(u64),
    /// What follows in a file cannot be read.
    Unreadable(Unreadable),
}

/// A file that cannot be read to its end.
pub(super) struct Unreadable {
    pub(super) file: PathBuf,
    pub(super) why: String,
    /// When that arrived which cannot be read.
    pub(super) unix_ms: u64,
}

/// A line with the time at which it arrived, or a piece of one.
pub(super) struct TimedLine {
    pub(super) unix_ms: u64,
    pub(super) bytes: Vec<u8>,
    pub(super) begin: PieceBegin,
    pub(super) end: PieceEnd,
}

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

    /// Passes over all but the last `count` lines, without reading what lies before them; says how many it found. Those are
    /// more where they begin in a file that cannot be read to its end.
    pub(super) fn skip_to_last(&mut self, count: usize) -> io::Result<usize> {
        let mut found = 0;
        for at in (0..self.plan.count()).rev() {
            self.scope.wanted.check()?;
            let Some(Opened { content, stretch, .. }) = self.opened(at)? else { continue };
            let (start, lines) = match last::lines(content, &stretch, count - found, &self.scope.wanted) {
                Ok((start, lines)) => (Some(start), lines),
                Err(_) => {
                    // That nobody wants them is no damage.
                    self.scope.wanted.check()?;
                    (None, self.readable_lines(at)?)
                }
            };
            found += lines;
            if found >= count {
                (self.at, self.start) = (at, start);
                break;
            }
        }
        Ok(found)
    }

    /// How many lines a file has up to where it cannot be read.
    fn readable_lines(&self, at: usize) -> io::Result<usize> {
        let Some(opened) = self.opened(at)? else { return Ok(0) };
        let to = opened.stretch.to;
        let mut open = Open::at(None, opened);
        let mut lines = 0;
        while open.offset < to
            && let Some(piece) = open.next(None)
        {
            lines += usize::from(piece.end != PieceEnd::GoesOn);
        }
        Ok(lines)
    }

    /// What comes next; none at the end.
    pub(super) fn next(&mut self) -> io::Result<Option<Passage>> {
        loop {
            if let Some(open) = &mut self.open
                && let Some(line) = open.next(self.scope.pattern.as_ref())
            {
                return Ok(Some(Passage::Line(line)));
            }
            // What nobody waits for is not read to its end.
            self.scope.wanted.check()?;
            if let Some(unreadable) = self.open.take().and_then(|open| self.leave(open)) {
                return Ok(Some(Passage::Unreadable(unreadable)));
            }
            if self.at == self.plan.count() {
                return Ok(None);
            }
            let start = self.start.take();
            let opened = self.opened(self.at)?;
            let before = opened.as_ref().and_then(|opened| opened.before).filter(|_| start.is_none());
            self.open = opened.map(|opened| Open::at(start, opened));
            self.at += 1;
            let missing = before.zip(self.reached).map_or(0, |(to, from)| to.saturating_sub(from));
            if missing > 0 {
                return Ok(Some(Passage::Missing(missing)));
            }
        }
    }

    /// What was open has no more; tells what of it could not be read.
    fn leave(&mut self, open: Open) -> Option<Unreadable> {
        let unix_ms = open.time();
        // How much of a stream cannot be read is not known, and none of that was dropped.
        self.reached = open.before.map(|before| before + open.offset).filter(|_| open.failure.is_none());
        let why = open.failure?.to_string();
        // What is open comes before what is next.
        let file = self.plan.path(self.at.saturating_sub(1)).to_owned();
        Some(Unreadable { file, why, unix_ms })
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
        let Some(mut stretch) = Stretch::new(&self.scope, &times, limit, modified_ms) else {
            return Ok(None);
        };
        stretch.line_end = to.map_or(PieceEnd::Open, |to| to.line_end);
        let wanted = self.scope.wanted.clone();
        Ok(Some(Opened { content, stretch, times, modified_ms, before, wanted }))
    }
}
