use std::io;
use std::ops::ControlFlow;
use std::path::PathBuf;

use super::outlet::Outlet;
use super::pattern::Pattern;
use super::piece::PieceEnd;
use super::reader::{self, Reader, Scope, TimedLine};
use crate::spec::service::Service;
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
    /// Only the last so many of all that fit otherwise.
    pub last: Option<usize>,
    /// Only those that arrived at or after this time, in milliseconds since 1970 UTC.
    pub since_ms: Option<u64>,
    /// Only those that arrived before this time, in milliseconds since 1970 UTC.
    pub until_ms: Option<u64>,
    /// Only those that match.
    pub pattern: Option<Pattern>,
}

/// How many lines: a number, or `all`.
///
/// # Errors
/// It is neither; the error says what is.
pub fn parse_count(text: &str) -> Result<usize, String> {
    match text {
        "all" => Ok(usize::MAX),
        _ => text.parse().map_err(|_| format!("`{text}` is no number of lines: write \"20\" or \"all\"")),
    }
}

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

/// Where one stream's current file ended at some moment: what lies behind is for a follower.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct End {
    pub(super) inode: u64,
    pub(super) offset: u64,
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The service that wrote it.
    pub service: ServiceName,
    /// Where to.
    pub stream: Stream,
    /// When it arrived, in milliseconds since 1970 UTC: to a second when lines are few, to 100 ms when they are many.
    pub unix_ms: u64,
    /// Its bytes without the newline: all of them, or a piece of a line that is very long. Pieces of a line follow each other.
    pub bytes: Vec<u8>,
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

/// The log files of services. Of two streams that go to one file, either one means that.
pub fn sources<'a>(services: impl IntoIterator<Item = &'a Service>, streams: Streams) -> Vec<Source> {
    let mut found = Vec::new();
    for service in services {
        let files = service.logs.files().filter(|(stream, _)| match (streams, stream) {
            (Streams::Both, _) | (Streams::Stdout, Stream::Stdout) | (Streams::Stderr, Stream::Stderr) => {
                true
            }
            (Streams::Stdout, Stream::Stderr) => false,
            (Streams::Stderr, Stream::Stdout) => service.logs.are_joined(),
        });
        found.extend(files.map(|(stream, file)| Source {
            service: service.name.clone(),
            stream,
            file: file.to_owned(),
        }));
    }
    found
}

/// Where each source ends at this moment.
pub fn ends(sources: &[Source]) -> Vec<Option<End>> {
    sources.iter().map(|source| reader::end_of(&source.file)).collect()
}

/// Where the last whole line of each source ends at this moment: a follower goes on from there.
pub fn line_ends(sources: &[Source]) -> Vec<Option<End>> {
    sources.iter().map(|source| reader::line_end_of(&source.file)).collect()
}

/// Hands over every line that is wanted and lies before `ends`, in the order of their times; lines of one stream keep
/// the order of their file, and lines of the same time come by the order of the sources. Of the marks, which are in the order
/// of their times, those of the wanted time stand between the lines: none before the first line, unless there is no line, and
/// then the last of them. Who searches for lines, or wants none, gets no marks.
///
/// # Errors
/// A file that is there cannot be read. Files that are not there are empty.
pub fn read(
    query: &Query,
    ends: &[Option<End>],
    marks: Vec<Mark>,
    sink: impl FnMut(Item) -> ControlFlow<()>,
) -> io::Result<()> {
    if query.last == Some(0) {
        return Ok(());
    }
    let passed_over = query.lines_before_the_last(ends)?;
    let last = query.last.filter(|_| !query.counts_every_line());
    let mut merge = Merge::open(query, ends)?;
    let (mut lines, mut end) = (0, PieceEnd::Line);
    let mut marks = marks.into_iter().peekable();
    let mut outlet = Outlet::new(last, sink);
    while let Some(line) = merge.next()? {
        // Lines come in the order of their times.
        if query.until_ms.is_some_and(|until| line.unix_ms >= until) {
            break;
        }
        if query.since_ms.is_some_and(|since| line.unix_ms < since) {
            continue;
        }
        let is_begun = std::mem::replace(&mut end, line.end) == PieceEnd::GoesOn;
        lines += usize::from(!is_begun);
        if lines <= passed_over {
            continue;
        }
        while let Some(mark) = marks.next_if(|mark| !is_begun && mark.turn.stands_before(line.unix_ms)) {
            if query.pass_mark(mark, &mut outlet).is_break() {
                return Ok(());
            }
        }
        if outlet.pass(Item::Line(line)).is_break() {
            return Ok(());
        }
    }
    if marks.try_for_each(|mark| query.pass_mark(mark, &mut outlet)).is_continue() {
        let _ = outlet.finish();
    }
    Ok(())
}

impl Query {
    /// Whether no time is wanted at all.
    pub fn is_void(&self) -> bool {
        self.since_ms.zip(self.until_ms).is_some_and(|(since, until)| until <= since)
    }

    /// Whether what lies before the last lines can be passed over without a look at times and texts.
    fn counts_every_line(&self) -> bool {
        self.pattern.is_none() && self.until_ms.is_none()
    }

    /// How many lines come before the last ones that are wanted, of those that a merge gives: lines may be longer than what
    /// can be kept of them until the last one is known.
    fn lines_before_the_last(&self, ends: &[Option<End>]) -> io::Result<usize> {
        let Some(last) = self.last.filter(|_| self.counts_every_line()) else { return Ok(0) };
        let mut merge = Merge::open(self, ends)?;
        let (mut lines, mut end) = (0_usize, PieceEnd::Line);
        while let Some(line) = merge.next()? {
            if self.since_ms.is_none_or(|since| line.unix_ms >= since) {
                lines += usize::from(std::mem::replace(&mut end, line.end) != PieceEnd::GoesOn);
            }
        }
        Ok(lines.saturating_sub(last))
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

    /// Whether a mark stands between lines that are wanted.
    pub(super) fn wants(&self, mark: &Mark) -> bool {
        let unix_ms = mark.turn.unix_ms();
        self.pattern.is_none()
            && self.since_ms.is_none_or(|since| unix_ms >= since)
            && self.until_ms.is_none_or(|until| unix_ms < until)
    }
}

/// The next line of each stream; the earliest of them is the next of all.
struct Merge<'a> {
    lanes: Vec<Lane<'a>>,
    /// Whose line goes on.
    unfinished: Option<usize>,
}

struct Lane<'a> {
    source: &'a Source,
    reader: Reader,
    next: Option<TimedLine>,
}

impl<'a> Merge<'a> {
    fn open(query: &'a Query, ends: &[Option<End>]) -> io::Result<Self> {
        // Only where every line counts can what lies before the last lines be skipped.
        let last = query.last.filter(|_| query.counts_every_line());
        let mut lanes = Vec::with_capacity(query.sources.len());
        for (source, end) in query.sources.iter().zip(ends) {
            let scope = Scope { end: *end, since_ms: query.since_ms, pattern: query.pattern.clone() };
            let mut reader = match last {
                Some(count) => Reader::last(&source.file, &query.times, scope, count)?,
                None => Reader::all(&source.file, &query.times, scope),
            };
            let next = reader.next()?;
            lanes.push(Lane { source, reader, next });
        }
        Ok(Self { lanes, unfinished: None })
    }

    fn next(&mut self) -> io::Result<Option<Line>> {
        let times =
            self.lanes.iter().enumerate().filter_map(|(at, lane)| Some((lane.next.as_ref()?.unix_ms, at)));
        let earliest = times.min().map(|(_, at)| at);
        let Some(at) = self.unfinished.or(earliest) else { return Ok(None) };
        let lane = &mut self.lanes[at];
        let Some(line) = lane.next.take() else { return Ok(None) };
        lane.next = lane.reader.next()?;
        // Times of one stream never go back, whatever the wall clock did, or its lines would not keep their order.
        if let Some(next) = &mut lane.next {
            next.unix_ms = next.unix_ms.max(line.unix_ms);
        }
        // Where lines are searched for, the pieces that match need not follow each other.
        let goes_on = line.end == PieceEnd::GoesOn && lane.next.is_some() && lane.reader.reads_all();
        self.unfinished = goes_on.then_some(at);
        let Source { service, stream, .. } = lane.source;
        let TimedLine { unix_ms, bytes, end } = line;
        Ok(Some(Line { service: service.clone(), stream: *stream, unix_ms, bytes, end }))
    }
}
