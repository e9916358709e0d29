use std::io;

use super::end::End;
use super::piece::PieceEnd;
use super::query::{Line, Query, Source};
use super::reader::{Reader, Scope, TimedLine};
use super::run_ends::RunEnds;
use crate::vocab::mark::Mark;

/// The next line of each stream; the earliest of them is the next of all.
pub(super) struct Merge<'a> {
    lanes: Vec<Lane<'a>>,
    /// Whose line goes on.
    unfinished: Option<usize>,
}

struct Lane<'a> {
    source: &'a Source,
    reader: Reader,
    next: Option<TimedLine>,
    /// Times of one stream never go back, whatever the wall clock did, or its lines would not keep their order.
    latest_ms: u64,
}

impl<'a> Merge<'a> {
    /// Of the lines that are wanted; where only the last of them are, and each counts, of those alone.
    pub(super) fn open(query: &'a Query, ends: &[Option<End>], marks: &[Mark]) -> io::Result<Self> {
        let run_ends = RunEnds::of_marks(marks);
        let mut lanes = Vec::with_capacity(query.sources.len());
        let mut lines = 0_usize;
        for (source, end) in query.sources.iter().zip(ends) {
            let scope = Scope {
                end: *end,
                since_ms: query.since_ms,
                until_ms: query.until_ms,
                run_ends_ms: run_ends.of(&source.service).to_vec(),
                pattern: query.pattern.clone(),
            };
            let mut reader = Reader::new(&source.file, &query.times, scope)?;
            if let Some(count) = query.last_of_all() {
                lines = lines.saturating_add(reader.skip_to_last(count)?);
            }
            let mut lane = Lane { source, reader, next: None, latest_ms: query.since_ms.unwrap_or(0) };
            lane.advance()?;
            lanes.push(lane);
        }
        let mut merge = Self { lanes, unfinished: None };
        // Each stream has its own last lines; which of them are the last of all tell their times.
        merge.pass_over(query.last_of_all().map_or(0, |count| lines.saturating_sub(count)))?;
        Ok(merge)
    }

    /// Whether what comes next goes on with the line of what came before.
    pub(super) fn is_in_midst_of_line(&self) -> bool {
        self.unfinished.is_some()
    }

    /// The next line, or the next piece of one that is long.
    pub(super) fn next(&mut self) -> io::Result<Option<Line>> {
        let times =
            self.lanes.iter().enumerate().filter_map(|(at, lane)| Some((lane.next.as_ref()?.unix_ms, at)));
        let earliest = times.min().map(|(_, at)| at);
        let Some(at) = self.unfinished.or(earliest) else { return Ok(None) };
        let lane = &mut self.lanes[at];
        let Some(line) = lane.next.take() else { return Ok(None) };
        lane.advance()?;
        // Where lines are searched for, the pieces that match need not follow each other. A file that somebody cut short
        // meanwhile has no more of its line.
        let goes_on = line.end == PieceEnd::GoesOn && lane.next.is_some() && lane.reader.reads_all();
        self.unfinished = goes_on.then_some(at);
        let Source { service, stream, .. } = lane.source;
        let TimedLine { unix_ms, bytes, end } = line;
        Ok(Some(Line { service: service.clone(), stream: *stream, unix_ms, bytes, end }))
    }

    fn pass_over(&mut self, lines: usize) -> io::Result<()> {
        for _ in 0..lines {
            while self.next()?.is_some() && self.is_in_midst_of_line() {}
        }
        Ok(())
    }
}

impl Lane<'_> {
    fn advance(&mut self) -> io::Result<()> {
        self.next = self.reader.next()?;
        if let Some(next) = &mut self.next {
            self.latest_ms = self.latest_ms.max(next.unix_ms);
            next.unix_ms = self.latest_ms;
        }
        Ok(())
    }
}
