use std::collections::BTreeMap;
use std::path::Path;

use super::follow::Fresh;
use super::query::{Item, Line};
use super::times::{self, Entry};
use crate::vocab::mark::Mark;
use crate::vocab::name::ServiceName;
use crate::vocab::stream::Stream;

/// New lines with the marks between them. Where there are marks, the time indexes in this directory tell which lines came
/// before; lines of one stream keep their order.
pub(super) fn weave(fresh: Vec<Fresh>, marks: Vec<Mark>, times: &Path) -> Vec<Item> {
    if marks.is_empty() {
        return fresh.into_iter().map(|fresh| Item::Line(fresh.line)).collect();
    }
    let mut indexes: BTreeMap<u64, Vec<Entry>> = BTreeMap::new();
    let mut latest: BTreeMap<(ServiceName, Stream), u64> = BTreeMap::new();
    let mut lines: Vec<Line> = Vec::with_capacity(fresh.len());
    for Fresh { mut line, inode, offset } in fresh {
        let index = indexes.entry(inode).or_insert_with(|| times::read(times, inode));
        let latest = latest.entry((line.service.clone(), line.stream)).or_default();
        *latest = times::at(index, offset).unwrap_or(line.unix_ms).max(*latest);
        line.unix_ms = *latest;
        lines.push(line);
    }
    lines.sort_by_key(|line| line.unix_ms);
    between(lines, marks)
}

/// Both in the order of their times.
fn between(lines: Vec<Line>, marks: Vec<Mark>) -> Vec<Item> {
    let mut marks = marks.into_iter().peekable();
    let mut items = Vec::with_capacity(lines.len() + marks.len());
    for line in lines {
        while let Some(mark) = marks.next_if(|mark| mark.turn.stands_before(line.unix_ms)) {
            items.push(Item::Mark(mark));
        }
        items.push(Item::Line(line));
    }
    items.extend(marks.map(Item::Mark));
    items
}
