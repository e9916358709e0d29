use std::collections::BTreeMap;
use std::path::Path;

use super::follow::Fresh;
use super::piece::{PieceBegin, PieceEnd};
use super::query::{Item, Line};
use super::run_ends::RunEnds;
use super::times;
use crate::vocab::mark::Mark;
use crate::vocab::name::ServiceName;
use crate::vocab::stream::Stream;

/// New lines with the marks that stand before one of them; the marks behind the last one are left. Where there are marks, the
/// time indexes in this directory tell which lines came before, and which of them end with their run; lines of one stream keep
/// their order.
pub(super) fn weave(fresh: Vec<Fresh>, marks: &mut Vec<Mark>, run_ends: &RunEnds, times: &Path) -> Vec<Item> {
    if marks.is_empty() {
        return fresh.into_iter().map(|fresh| Item::Line(fresh.line)).collect();
    }
    let mut indexes = BTreeMap::new();
    let mut latest: BTreeMap<(ServiceName, Stream), u64> = BTreeMap::new();
    let mut lines: Vec<Line> = Vec::with_capacity(fresh.len());
    for fresh in fresh {
        let (index, cuts) = indexes.entry(fresh.inode).or_insert_with(|| {
            let index = times::read(times, fresh.inode);
            let cuts = times::cuts(&index, run_ends.of(&fresh.line.service), u64::MAX);
            (index, cuts)
        });
        for mut line in cut(fresh, index, cuts) {
            let latest = latest.entry((line.service.clone(), line.stream)).or_default();
            *latest = line.unix_ms.max(*latest);
            line.unix_ms = *latest;
            lines.push(line);
        }
    }
    lines.sort_by_key(|line| line.unix_ms);
    between(lines, marks)
}

/// A line, or its parts where runs ended in its midst, with the times at which they arrived.
fn cut(fresh: Fresh, index: &[times::Entry], cuts: &[u64]) -> Vec<Line> {
    let Fresh { line: Line { service, stream, unix_ms, bytes, begin: mut line_begin, end }, offset, .. } =
        fresh;
    let behind = offset + bytes.len() as u64;
    let is_run_over = index.is_empty() || cuts.last() == Some(&u64::MAX);
    let later = cuts[cuts.partition_point(|cut| *cut <= offset)..].iter().copied();
    let cuts = later.take_while(|cut| *cut < behind || *cut == behind && end == PieceEnd::Line);
    let last_end = match end {
        // The next run has begun to write already.
        PieceEnd::Open if !is_run_over => PieceEnd::GoesOn,
        PieceEnd::Open | PieceEnd::GoesOn | PieceEnd::Line => end,
    };
    let mut begin = offset;
    let ends = cuts.map(|cut| (cut, PieceEnd::Open)).chain([(behind, last_end)]);
    let part = |(to, end): (u64, PieceEnd)| {
        let from = std::mem::replace(&mut begin, to);
        let at = |place: u64| usize::try_from(place - offset).unwrap_or(bytes.len());
        let unix_ms = times::at(index, from).unwrap_or(unix_ms);
        let begin = std::mem::replace(&mut line_begin, PieceBegin::Line);
        let bytes = bytes[at(from)..at(to)].to_vec();
        Line { service: service.clone(), stream, unix_ms, bytes, begin, end }
    };
    ends.map(part).collect()
}

/// Both in the order of their times.
fn between(lines: Vec<Line>, marks: &mut Vec<Mark>) -> Vec<Item> {
    let mut waiting = std::mem::take(marks).into_iter().peekable();
    let mut items = Vec::with_capacity(lines.len() + waiting.len());
    for line in lines {
        while let Some(mark) = waiting.next_if(|mark| mark.turn.stands_before(line.unix_ms)) {
            items.push(Item::Mark(mark));
        }
        items.push(Item::Line(line));
    }
    marks.extend(waiting);
    items
}
