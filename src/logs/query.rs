use std::collections::BTreeSet;
use std::io;
use std::ops::ControlFlow;
use std::path::PathBuf;

use super::merge::{Interest, Merge, Span};
use super::outlet::Outlet;
use super::pattern::Pattern;
use super::piece::{PieceBegin, PieceEnd};
use super::place::Place;
use super::reader::From;
use super::run_ends::RunEnds;
use super::times::KNOWN_TO_MS;
use super::wanted::Wanted;
use crate::spec::service::Service;
use crate::vocab::line_count::LineCount;
use crate::vocab::mark::Mark;
use crate::vocab::name::ServiceName;
use crate::vocab::stream::Stream;

/// Which lines are wanted.
#[derive(Debug, Clone)]
pub struct Query {
    /// From these streams.
    pub sources: Vec<Source>,
    /// Where time indexes lie.
    pub times: PathBuf,
    /// How many of the last of all that fit otherwise.
    pub last: LineCount,
    /// Only those that arrived at or after this time, in milliseconds since 1970 UTC, or may have by what is known of that.
    pub since_ms: Option<u64>,
    /// Only those that arrived before this time, in milliseconds since 1970 UTC.
    pub until_ms: Option<u64>,
    /// Only those that match.
    pub pattern: Option<Pattern>,
    /// As long as somebody waits for them.
    pub wanted: Wanted,
}

/// So many lines are wanted when nothing narrows them.
pub const USUAL_LINES: usize = 100;

/// One stream's files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The service.
    pub service: ServiceName,
    /// Its stream.
    pub stream: Stream,
    /// Its current log file.
    pub file: PathBuf,
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The service that wrote it.
    pub service: ServiceName,
    /// Where to.
    pub stream: Stream,
    /// When it arrived, in milliseconds since 1970 UTC: to a second when lines are few, to 100 or 20 ms when they
    /// are many.
    pub unix_ms: u64,
    /// Its bytes without the newline: all of them, or a piece of a line that is very long. Pieces of a line follow each other.
    pub bytes: Vec<u8>,
    /// What stands before them.
    pub begin: PieceBegin,
    /// What follows them.
    pub end: PieceEnd,
}

/// What a log has for its reader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// A line.
    Line(Line),
    /// Where a run ended or began. It is in no file.
    Mark(Mark),
    /// What the reader has to know of what it is given. It is in no file.
    Note(Note),
}

/// What a reader has to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Of which service.
    pub service: ServiceName,
    /// When, in milliseconds since 1970 UTC.
    pub unix_ms: u64,
    /// What it is.
    pub told: Told,
}

/// What notes tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// Lines are missing here: the service wrote so much that rotation dropped them before they were read.
    Missing {
        /// Of which stream.
        stream: Stream,
        /// So many bytes.
        bytes: u64,
    },
    /// Lines may be missing here: the rest of a file cannot be read. Those of other files are all there.
    Unreadable {
        /// Of which stream.
        stream: Stream,
        /// Which file, by the name that it had.
        file: PathBuf,
        /// Why.
        why: String,
    },
    /// The service has ended, and is no more: a config or a count of replicas is without it.
    Removed,
}

/// Which streams of services are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Streams {
    /// Both.
    Both,
    /// Standard output alone.
    Stdout,
    /// Standard error alone.
    Stderr,
}

/// The log files of services, each once: of services that share one it is the first's. Of two streams that go to one file, either
/// one means that.
pub fn sources<'a>(services: impl IntoIterator<Item = &'a Service>, streams: Streams) -> Vec<Source> {
    let (mut found, mut seen) = (Vec::new(), BTreeSet::new());
    for service in services {
        let files = service.logs.files().filter(|(stream, _)| match (streams, stream) {
            (Streams::Both, _) | (Streams::Stdout, Stream::Stdout) | (Streams::Stderr, Stream::Stderr) => {
                true
            }
            (Streams::Stdout, Stream::Stderr) => false,
            (Streams::Stderr, Stream::Stdout) => service.logs.are_joined(),
        });
        let files = files.filter(|(_, file)| seen.insert(*file));
        found.extend(files.map(|(stream, file)| Source {
            service: service.name.clone(),
            stream,
            file: file.to_owned(),
        }));
    }
    found
}

/// Hands over every line that is wanted and lies before `ends`, in the order of their times; lines of one stream keep
/// the order of their file, and lines of the same time come by the order of the sources. Of the marks, which are in the order
/// of their times, those of the wanted time stand between the lines, also where the last line of a run has no end and the
/// first one of the next shares it in the file: none before the first line, unless there is no line, and then the last of
/// them. Who searches for lines, or wants none, gets no marks.
///
/// # Errors
/// A file that is there cannot be opened, or nobody waits for the rest. Files that are not there are empty; of one that cannot be
/// read to its end, a note tells.
pub fn read(
    query: &Query,
    ends: &[Option<Place>],
    marks: Vec<Mark>,
    sink: impl FnMut(Item) -> ControlFlow<()>,
) -> io::Result<()> {
    if query.last == LineCount::Last(0) {
        return Ok(());
    }
    let spans = query.sources.iter().zip(ends).filter_map(|(source, end)| {
        let (source, to) = (source.clone(), end.clone()?);
        Some(Span { source, from: From::Since(query.since_ms), to })
    });
    let run_ends = RunEnds::of_marks(&marks);
    let mut merge = Merge::open(spans.collect(), &query.interest(&run_ends), query.last_of_all())?;
    let mut marks = marks.into_iter().peekable();
    let mut outlet = Outlet::new(query.last_found(), sink);
    loop {
        let goes_on = merge.is_in_midst_of_line();
        let Some(item) = merge.next()? else { break };
        let unix_ms = item.unix_ms();
        // Lines come in the order of their times.
        if query.until_ms.is_some_and(|until| unix_ms >= until) {
            break;
        }
        while let Some(mark) = marks.next_if(|mark| !goes_on && mark.turn.stands_before(unix_ms)) {
            if query.pass_mark(mark, &mut outlet).is_break() {
                return Ok(());
            }
        }
        if outlet.pass(item).is_break() {
            return Ok(());
        }
    }
    if marks.try_for_each(|mark| query.pass_mark(mark, &mut outlet)).is_continue() {
        let _ = outlet.finish();
    }
    Ok(())
}

/// What has come since somebody read.
pub(super) struct Fresh<'a> {
    /// Where it lies.
    pub(super) spans: Vec<Span>,
    /// The marks that were not handed over.
    pub(super) marks: &'a mut Vec<Mark>,
    /// When runs ended.
    pub(super) run_ends: &'a RunEnds,
}

/// Hands over what has come in the same order, for whoever has read what was there before; the marks behind the last line
/// are left.
///
/// # Errors
/// As with [`read`].
pub(super) fn read_on(
    query: &Query,
    fresh: Fresh<'_>,
    mut sink: impl FnMut(Item) -> ControlFlow<()>,
) -> io::Result<ControlFlow<()>> {
    let Fresh { spans, marks, run_ends } = fresh;
    let mut merge = Merge::open(spans, &query.interest(run_ends), None)?;
    let mut waiting = std::mem::take(marks).into_iter().peekable();
    loop {
        let goes_on = merge.is_in_midst_of_line();
        let Some(item) = merge.next()? else { break };
        let unix_ms = item.unix_ms();
        while let Some(mark) = waiting.next_if(|mark| !goes_on && mark.turn.stands_before(unix_ms)) {
            if query.wants(&mark) && sink(Item::Mark(mark)).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        let is_early = matches!(&item, Item::Line(line) if query.is_early(line));
        if !is_early && sink(item).is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
    marks.extend(waiting);
    Ok(ControlFlow::Continue(()))
}

impl Item {
    /// When it was, in milliseconds since 1970 UTC.
    pub(super) fn unix_ms(&self) -> u64 {
        match self {
            Self::Line(line) => line.unix_ms,
            Self::Mark(mark) => mark.turn.unix_ms(),
            Self::Note(note) => note.unix_ms,
        }
    }
}

impl Query {
    /// The same for so many lines; where nobody says how many, all when something else narrows it.
    pub fn with_lines(self, asked: Option<LineCount>) -> Self {
        let is_narrow = self.since_ms.is_some() || self.until_ms.is_some() || self.pattern.is_some();
        let usual = if is_narrow { LineCount::All } else { LineCount::Last(USUAL_LINES) };
        Self { last: asked.unwrap_or(usual), ..self }
    }

    /// Whether no time is wanted at all.
    pub fn is_void(&self) -> bool {
        self.since_ms.zip(self.until_ms).is_some_and(|(since, until)| until <= since)
    }

    fn interest<'a>(&'a self, run_ends: &'a RunEnds) -> Interest<'a> {
        let (until_ms, pattern) = (self.until_ms, self.pattern.as_ref());
        Interest { times: &self.times, until_ms, pattern, run_ends, wanted: &self.wanted }
    }

    /// How many of the last lines are wanted, where each line counts: those are found from the end.
    pub(super) fn last_of_all(&self) -> Option<usize> {
        match (self.last, &self.pattern) {
            (LineCount::Last(count), None) => Some(count),
            (LineCount::Last(_) | LineCount::All, _) => None,
        }
    }

    /// How many of the last lines are wanted, where which lines count is known only when each was looked at.
    fn last_found(&self) -> Option<usize> {
        match (self.last, &self.pattern) {
            (LineCount::Last(count), Some(_)) => Some(count),
            (LineCount::Last(_) | LineCount::All, _) => None,
        }
    }

    fn pass_mark<S>(&self, mark: Mark, outlet: &mut Outlet<S>) -> ControlFlow<()>
    where
        S: FnMut(Item) -> ControlFlow<()>,
    {
        if self.wants(&mark) {
            return outlet.pass(Item::Mark(mark));
        }
        outlet.pass_over(mark.service);
        ControlFlow::Continue(())
    }

    /// Whether a line that has come arrived before the wanted time, also if it did as late as may be.
    pub(super) fn is_early(&self, line: &Line) -> bool {
        self.since_ms.is_some_and(|since| line.unix_ms.saturating_add(KNOWN_TO_MS) <= since)
    }

    /// Whether a mark stands between lines that are wanted.
    pub(super) fn wants(&self, mark: &Mark) -> bool {
        let unix_ms = mark.turn.unix_ms();
        self.pattern.is_none()
            && self.since_ms.is_none_or(|since| unix_ms >= since)
            && self.until_ms.is_none_or(|until| unix_ms < until)
    }
}
