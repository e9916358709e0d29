use std::collections::VecDeque;
use std::io;
use std::path::Path;

use super::pattern::Pattern;
use super::piece::{PieceBegin, PieceEnd};
use super::place::Place;
use super::query::{Item, Line, Note, Source, Told};
use super::reader::{From, Passage, Reader, Scope, TimedLine, Unreadable};
use super::run_ends::RunEnds;
use super::wanted::Wanted;

/// The next line of each stream; the earliest of them is the next of all.
pub(super) struct Merge {
    lanes: Vec<Lane>,
    /// Whose line goes on.
    unfinished: Option<usize>,
    /// What is to be known of lines that were passed over.
    notes: VecDeque<Note>,
}

/// What of a stream is read.
#[derive(Debug, Clone)]
pub(super) struct Span {
    pub(super) source: Source,
    pub(super) from: From,
    pub(super) to: Place,
}

/// What of all streams is of interest.
pub(super) struct Interest<'a> {
    /// Where time indexes lie.
    pub(super) times: &'a Path,
    /// Only lines that arrived before this time count, in milliseconds since 1970 UTC; later ones may be given as well.
    pub(super) until_ms: Option<u64>,
    /// Only lines that match.
    pub(super) pattern: Option<&'a Pattern>,
    /// When runs ended.
    pub(super) run_ends: &'a RunEnds,
    /// As long as somebody waits for it.
    pub(super) wanted: &'a Wanted,
}

struct Lane {
    source: Source,
    reader: Reader,
    next: Option<Next>,
    /// Times of one stream never go back, whatever the wall clock did, or its lines would not keep their order.
    latest_ms: u64,
}

struct Next {
    unix_ms: u64,
    passage: Passage,
}

impl Merge {
    /// Of all lines of these spans, or of the last ones alone, each of which counts then.
    pub(super) fn open(spans: Vec<Span>, interest: &Interest<'_>, last: Option<usize>) -> io::Result<Self> {
        let mut lanes = Vec::with_capacity(spans.len());
        let mut lines = 0_usize;
        for Span { source, from, to } in spans {
            let latest_ms = from.since_ms().unwrap_or(0);
            let scope = Scope {
                from,
                to,
                until_ms: interest.until_ms,
                run_ends_ms: interest.run_ends.of(&source.service).to_vec(),
                pattern: interest.pattern.cloned(),
                wanted: interest.wanted.clone(),
            };
            let mut reader = Reader::new(&source.file, interest.times, scope);
            if let Some(count) = last {
                lines = lines.saturating_add(reader.skip_to_last(count)?);
            }
            let mut lane = Lane { source, reader, next: None, latest_ms };
            lane.advance()?;
            lanes.push(lane);
        }
        let mut merge = Self { lanes, unfinished: None, notes: VecDeque::new() };
        // Each stream has its own last lines; which of them are the last of all tell their times.
        merge.notes = merge.pass_over(last.map_or(0, |count| lines.saturating_sub(count)))?;
        Ok(merge)
    }

    /// Whether what comes next goes on with the line of what came before.
    pub(super) fn is_in_midst_of_line(&self) -> bool {
        self.unfinished.is_some()
    }

    /// The next line, or the next piece of one that is long, or that some are missing.
    pub(super) fn next(&mut self) -> io::Result<Option<Item>> {
        if let Some(note) = self.notes.pop_front() {
            return Ok(Some(Item::Note(note)));
        }
        let times =
            self.lanes.iter().enumerate().filter_map(|(at, lane)| Some((lane.next.as_ref()?.unix_ms, at)));
        let earliest = times.min().map(|(_, at)| at);
        let Some(at) = self.unfinished.or(earliest) else { return Ok(None) };
        let lane = &mut self.lanes[at];
        let Some(Next { unix_ms, passage }) = lane.next.take() else { return Ok(None) };
        lane.advance()?;
        let Source { service, stream, .. } = &lane.source;
        let (service, stream) = (service.clone(), *stream);
        let mut tell = |told| {
            self.unfinished = None;
            Ok(Some(Item::Note(Note { service: service.clone(), unix_ms, told })))
        };
        let TimedLine { bytes, begin, end, .. } = match passage {
            Passage::Line(line) => line,
            Passage::Missing(bytes) => return tell(Told::Missing { stream, bytes }),
            Passage::Unreadable(Unreadable { file, why, .. }) => {
                return tell(Told::Unreadable { stream, file, why });
            }
        };
        // A file that somebody cut short meanwhile has no more of its line.
        let goes_on = end == PieceEnd::GoesOn && lane.is_in_midst_of_line();
        self.unfinished = goes_on.then_some(at);
        Ok(Some(Item::Line(Line { service, stream, unix_ms, bytes, begin, end })))
    }

    fn pass_over(&mut self, lines: usize) -> io::Result<VecDeque<Note>> {
        let mut notes = VecDeque::new();
        for _ in 0..lines {
            while let Some(item) = self.next()? {
                match item {
                    Item::Line(_) if !self.is_in_midst_of_line() => break,
                    Item::Note(note) => notes.push_back(note),
                    Item::Line(_) | Item::Mark(_) => (),
                }
            }
        }
        Ok(notes)
    }
}

impl Lane {
    /// Whether what comes next is no other line.
    fn is_in_midst_of_line(&self) -> bool {
        self.next.as_ref().is_some_and(|next| match &next.passage {
            Passage::Line(line) => line.begin == PieceBegin::Midst,
            Passage::Missing(_) | Passage::Unreadable(_) => true,
        })
    }

    fn advance(&mut self) -> io::Result<()> {
        let Some(passage) = self.reader.next()? else { return Ok(()) };
        let unix_ms = match &passage {
            Passage::Line(line) => line.unix_ms,
            Passage::Missing(_) => self.reader.next_ms().unwrap_or(0),
            Passage::Unreadable(unreadable) => unreadable.unix_ms,
        };
        self.latest_ms = self.latest_ms.max(unix_ms);
        self.next = Some(Next { unix_ms: self.latest_ms, passage });
        Ok(())
    }
}
