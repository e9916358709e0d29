//! Lines whose end has not come when somebody begins to follow.

use std::fs;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{all_lines, name, series};
use crate::logs::pattern::Pattern;
use crate::logs::piece::PieceEnd::{self, GoesOn, Line as Whole};
use crate::logs::query::{Item, Query, Source};
use crate::logs::session::{Feed, Going, Listener, Roster, Session};
use crate::spec::log::Rotation;
use crate::vocab::line_count::LineCount;
use crate::vocab::mark::Mark;
use crate::vocab::stream::Stream;

/// A clock that is a second later each time that somebody looks at it.
fn unix_ms() -> u64 {
    static NOW_MS: AtomicU64 = AtomicU64::new(100_000);
    NOW_MS.fetch_add(1000, Ordering::Relaxed)
}

/// Which streams are followed is told once, or was known from the beginning.
struct Streams(Option<Roster>);

impl Feed for Streams {
    fn marks(&mut self) -> Vec<Mark> {
        Vec::new()
    }

    fn roster(&mut self) -> Option<Roster> {
        self.0.take()
    }
}

/// What it heard by its first rests, and what then, when the end of the line had come.
struct Hears<W> {
    heard: [Vec<(u64, String, PieceEnd)>; 2],
    write_rest: W,
    rests: usize,
}

const RESTS: usize = 4;

impl<W: FnMut()> Listener for Hears<W> {
    fn hear(&mut self, item: Item) -> ControlFlow<()> {
        let Item::Line(line) = item else { panic!("{item:?}") };
        let line = (line.unix_ms, String::from_utf8(line.bytes).unwrap(), line.end);
        self.heard[usize::from(self.rests > RESTS)].push(line);
        ControlFlow::Continue(())
    }

    fn rest(&mut self) -> ControlFlow<()> {
        self.rests += 1;
        if self.rests == RESTS + 1 {
            (self.write_rest)();
        }
        if self.rests > 2 * RESTS { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

/// Who is heard of.
enum From {
    Start,
    /// From this time on.
    Roster(u64),
}

/// What its follower hears of a file with a line, and the beginning of one that is a minute old, until and when its rest comes.
fn heard(
    from: From,
    clock: fn() -> u64,
    narrow: impl FnOnce(Query) -> Query,
) -> [Vec<(u64, String, PieceEnd)>; 2] {
    let dir = tempfile::tempdir().unwrap();
    let (times, file) = (dir.path().join("times"), dir.path().join("a"));
    fs::create_dir(&times).unwrap();
    let mut writer = series(&file, Rotation::default(), times.clone());
    writer.append(b"one\n", 10_000).unwrap();
    writer.append(b"no newline", 40_000).unwrap();
    let sources = vec![Source { service: name("a"), stream: Stream::Stdout, file }];
    let (sources, roster) = match from {
        From::Start => (sources, None),
        From::Roster(since_ms) => (Vec::new(), Some(Roster { sources, since_ms })),
    };
    let query = narrow(all_lines(sources, times));
    let write_rest = || writer.append(b" at end\ntwo\n", 1_000_000).unwrap();
    let mut hears = Hears { heard: Default::default(), write_rest, rests: 0 };
    let session = Session { query: &query, going: Going::On, unix_ms: clock, feed: &mut Streams(roster) };
    session.run(&mut hears).unwrap();
    hears.heard
}

#[test]
fn an_old_line_without_an_end_is_one_of_those_that_were_there_when_somebody_begins_to_follow() {
    let (one, open) = ((10_000, "one".to_owned(), Whole), (40_000, "no newline".to_owned(), GoesOn));
    let check = |narrow: fn(Query) -> Query, expected: &[_]| {
        let [before, after] = heard(From::Start, unix_ms, narrow);
        assert_eq!(before, expected);
        let after: Vec<(&str, PieceEnd)> = after.iter().map(|(_, text, end)| (text.as_str(), *end)).collect();
        assert_eq!(after, [(" at end", Whole), ("two", Whole)]);
    };
    check(|query| query, &[one.clone(), open.clone()]);
    check(|query| Query { last: LineCount::Last(2), ..query }, &[one, open.clone()]);
    check(|query| Query { last: LineCount::Last(1), ..query }, std::slice::from_ref(&open));
    check(|query| Query { last: LineCount::Last(0), ..query }, &[]);
    check(|query| Query { since_ms: Some(30_000), ..query }, &[open]);
    check(|query| Query { since_ms: Some(50_000), ..query }, &[]);
}

/// The texts of what is heard before the end comes, and then.
fn texts(heard: [Vec<(u64, String, PieceEnd)>; 2]) -> [Vec<String>; 2] {
    heard.map(|lines| lines.into_iter().map(|(_, text, _)| text).collect())
}

#[test]
fn a_line_that_began_just_before_somebody_follows_is_heard_whole_when_its_end_comes() {
    let [before, after] = texts(heard(From::Start, || 40_500, |query| query));
    assert_eq!(before, ["one"]);
    assert_eq!(after, ["no newline at end", "two"]);
}

#[test]
fn an_old_line_without_an_end_is_searched_as_a_whole() {
    let pattern = || Some(Pattern::parse("newline at").unwrap());
    let [before, after] = texts(heard(From::Start, unix_ms, |query| Query { pattern: pattern(), ..query }));
    assert_eq!(before, [""; 0]);
    assert_eq!(after, ["no newline at end"]);
}

#[test]
fn of_a_stream_that_joins_a_line_without_an_end_is_heard_if_it_began_since() {
    let [before, after] = texts(heard(From::Roster(50_000), unix_ms, |query| query));
    assert_eq!(before, [""; 0]);
    assert_eq!(after, [" at end", "two"]);
    let [before, after] = texts(heard(From::Roster(30_000), unix_ms, |query| query));
    assert_eq!(before, ["no newline"]);
    assert_eq!(after, [" at end", "two"]);
}
