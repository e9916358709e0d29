use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

use super::{items, name, series, written};
use crate::logs::pattern::Pattern;
use crate::logs::query::{Item, Query, Source};
use crate::logs::session::{Going, Listener, Session};
use crate::spec::log::Rotation;
use crate::vocab::cause::Record;
use crate::vocab::identity::Pid;
use crate::vocab::mark::{Began, Mark, Turn};
use crate::vocab::run::RunId;
use crate::vocab::stream::Stream;

fn began(service: &str, run: u64, unix_ms: u64) -> Mark {
    let began = Began { v: 1, began: RunId(run), unix_ms, pid: Pid::new(4711).unwrap() };
    Mark { service: name(service), turn: Turn::Began(began) }
}

fn ended(service: &str, run: u64, unix_ms: u64) -> Mark {
    let record = Record::blank(RunId(run), unix_ms);
    Mark { service: name(service), turn: Turn::Ended(Box::new(record)) }
}

#[test]
fn marks_stand_between_the_lines_that_are_wanted() {
    let dir = tempfile::tempdir().unwrap();
    let all = written(dir.path());
    let marks = vec![
        began("a", 1, 9_000),
        began("b", 2, 9_500),
        ended("a", 1, 13_000),
        began("a", 3, 15_999),
        ended("c", 9, 99_000),
    ];
    let check = |query: Query, expected: &str| assert_eq!(items(&query, marks.clone()), expected);
    let text = "a0 b0 c0 a1 <end 1> b1 c1 <3> a2 b2 c2 a3 b3 c3 a4 b4 c4 a5 b5 c5 <end 9>";
    check(all.clone(), text);
    check(Query { last: Some(2), ..all.clone() }, "b5 c5 <end 9>");
    check(Query { last: Some(14), ..all.clone() }, &text["a0 b0 c0 a1 <end 1> ".len()..]);
    check(Query { last: Some(0), ..all.clone() }, "");
    check(Query { since_ms: Some(13_001), until_ms: Some(17_000), ..all.clone() }, "b1 c1 <3> a2");
    let pattern = Some(Pattern::parse("a[12]").unwrap());
    check(Query { pattern, ..all.clone() }, "a1 a2");
    check(Query { sources: Vec::new(), last: Some(5), ..all.clone() }, "<end 9>");
    check(Query { sources: Vec::new(), ..all }, "<end 9>");
}

/// Ends at its first rest but one, and has by then what came.
struct Hears<'a> {
    heard: Vec<String>,
    at_rest: &'a mut dyn FnMut(usize),
    rests: usize,
}

impl Listener for Hears<'_> {
    fn hear(&mut self, item: Item) -> ControlFlow<()> {
        self.heard.push(match item {
            Item::Line(line) => String::from_utf8(line.bytes).unwrap(),
            Item::Mark(Mark { turn: Turn::Began(_), .. }) => "<began>".to_owned(),
            Item::Mark(Mark { turn: Turn::Ended(_), .. }) => "<ended>".to_owned(),
        });
        ControlFlow::Continue(())
    }

    fn rest(&mut self) -> ControlFlow<()> {
        (self.at_rest)(self.rests);
        self.rests += 1;
        if self.rests > 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

#[test]
fn a_follower_sees_marks_between_the_lines_that_came_since_its_last_look() {
    let dir = tempfile::tempdir().unwrap();
    let times = dir.path().join("times");
    fs::create_dir_all(&times).unwrap();
    let file = dir.path().join("a");
    let source = Source { service: name("a"), stream: Stream::Stdout, file: file.clone() };
    let query = Query {
        sources: vec![source],
        times: times.clone(),
        last: None,
        since_ms: None,
        until_ms: None,
        pattern: None,
    };
    let mut writer = series(Path::new(&file), Rotation::default(), times);
    writer.append(b"one\n", 10_000).unwrap();
    let told = std::cell::RefCell::new(vec![ended("a", 1, 10_000)]);
    let mut at_rest = |rests: usize| match rests {
        0 => {
            writer.append(b"two\nthr", 20_000).unwrap();
            writer.append(b"ee\n", 20_001).unwrap();
            // All within a millisecond.
            writer.end_run(20_002);
            writer.append(b"four\n", 20_002).unwrap();
            told.borrow_mut().extend([ended("a", 2, 20_002), began("a", 3, 20_003)]);
        }
        _ => writer.append(b"five\n", 30_000).unwrap(),
    };
    let mut hears = Hears { heard: Vec::new(), at_rest: &mut at_rest, rests: 0 };
    let mut marks = || told.borrow_mut().drain(..).collect();
    let session = Session { query: &query, going: Going::On, unix_ms: || 40_000, marks: &mut marks };
    session.run(&mut hears).unwrap();
    let expected = ["one", "<ended>", "two", "three", "<ended>", "<began>", "four", "five", "five"];
    assert_eq!(hears.heard, expected);
}

#[test]
fn who_searches_looks_for_no_marks_and_who_follows_does_once_a_turn() {
    let dir = tempfile::tempdir().unwrap();
    let looks = |pattern: Option<Pattern>| {
        let query = Query { pattern, ..written(dir.path()) };
        let mut looks = 0;
        let mut marks = || {
            looks += 1;
            Vec::new()
        };
        let mut hears = Hears { heard: Vec::new(), at_rest: &mut |_| (), rests: 0 };
        let session = Session { query: &query, going: Going::On, unix_ms: || 40_000, marks: &mut marks };
        session.run(&mut hears).unwrap();
        looks
    };
    assert_eq!(looks(Some(Pattern::parse("a").unwrap())), 0);
    // Twice at the beginning, and in three turns.
    assert_eq!(looks(None), 2 + 3);
}
