use std::fs;
use std::io::Write;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Mutex;

use super::{Rig, all_lines, items, name, series, wait_until, written};
use crate::logs::pattern::Pattern;
use crate::logs::query::{Item, Query, Source};
use crate::logs::series::Series;
use crate::logs::session::{Going, Listener, Session};
use crate::spec::log::Rotation;
use crate::vocab::cause::Record;
use crate::vocab::identity::Pid;
use crate::vocab::line_count::LineCount;
use crate::vocab::mark::{Began, Mark, Turn};
use crate::vocab::run::RunId;
use crate::vocab::stream::Stream;

pub(super) fn began(service: &str, run: u64, unix_ms: u64) -> Mark {
    let began = Began { v: 1, began: RunId(run), unix_ms, pid: Pid::new(4711).unwrap() };
    Mark { service: name(service), turn: Turn::Began(began) }
}

pub(super) fn ended(service: &str, run: u64, unix_ms: u64) -> Mark {
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
    check(Query { last: LineCount::Last(2), ..all.clone() }, "b5 c5 <end 9>");
    check(Query { last: LineCount::Last(14), ..all.clone() }, &text["a0 b0 c0 a1 <end 1> ".len()..]);
    check(Query { last: LineCount::Last(0), ..all.clone() }, "");
    check(Query { since_ms: Some(14_000), until_ms: Some(17_000), ..all.clone() }, "b1 c1 <3> a2");
    let pattern = Some(Pattern::parse("a[12]").unwrap());
    check(Query { pattern, ..all.clone() }, "a1 a2");
    check(Query { sources: Vec::new(), last: LineCount::Last(5), ..all.clone() }, "<end 9>");
    check(Query { sources: Vec::new(), ..all }, "<end 9>");
}

#[test]
fn what_the_next_run_writes_while_the_disk_is_stuck_came_after_the_end_of_the_run_before() {
    let rig = Rig::new();
    fs::write(rig.path("logs"), "").unwrap();
    let mut writer = rig.stream("a", Rotation::default());
    writer.write_all(b"one\n").unwrap();
    let ended_ms = rig.end_run("a");
    wait_until(|| crate::sys::clock::unix_ms() > ended_ms);
    writer.write_all(b"two\n").unwrap();
    fs::remove_file(rig.path("logs")).unwrap();
    let log = rig.path("logs").join("a");
    wait_until(|| fs::read_to_string(&log).is_ok_and(|text| text == "one\ntwo\n"));
    let source = Source { service: name("a"), stream: Stream::Stdout, file: log };
    let query = Query { since_ms: Some(ended_ms + 1), ..all_lines(vec![source], rig.path("times")) };
    assert_eq!(items(&query, vec![ended("a", 1, ended_ms)]), "two");
}

/// Ends at its first rest but one, and has by then what came.
struct Hears<'a> {
    heard: Vec<String>,
    at_rest: &'a mut (dyn FnMut(usize) + Send),
    rests: usize,
}

impl Listener for Hears<'_> {
    fn hear(&mut self, item: Item) -> ControlFlow<()> {
        self.heard.push(match item {
            Item::Line(line) => String::from_utf8(line.bytes).unwrap(),
            Item::Mark(Mark { turn: Turn::Began(_), .. }) => "<began>".to_owned(),
            Item::Mark(Mark { turn: Turn::Ended(_), .. }) => "<ended>".to_owned(),
            Item::Note(note) => panic!("{note:?}"),
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
    let query = all_lines(vec![source], times.clone());
    let mut writer = series(Path::new(&file), Rotation::default(), times);
    writer.append(b"one\n", 10_000).unwrap();
    let told = Mutex::new(vec![ended("a", 1, 10_000)]);
    let mut at_rest = |rests: usize| match rests {
        0 => {
            writer.append(b"two\nthr", 20_000).unwrap();
            writer.append(b"ee\n", 20_001).unwrap();
            // All within a millisecond.
            writer.end_run(20_002);
            writer.append(b"four\n", 20_002).unwrap();
            told.lock().unwrap().extend([ended("a", 2, 20_002), began("a", 3, 20_003)]);
        }
        _ => writer.append(b"five\n", 30_000).unwrap(),
    };
    let mut hears = Hears { heard: Vec::new(), at_rest: &mut at_rest, rests: 0 };
    let mut marks = || told.lock().unwrap().drain(..).collect();
    let session = Session { query: &query, going: Going::On, unix_ms: || 40_000, feed: &mut marks };
    session.run(&mut hears).unwrap();
    let expected = ["one", "<ended>", "two", "three", "<ended>", "<began>", "four", "five", "five"];
    assert_eq!(hears.heard, expected);
}

/// Two runs whose last lines have no end, the next run's first bytes behind them, and their marks.
fn runs_without_newlines(dir: &Path) -> (Query, Series, Vec<Mark>) {
    let times = dir.join("times");
    fs::create_dir_all(&times).unwrap();
    let source = Source { service: name("a"), stream: Stream::Stdout, file: dir.join("a") };
    let mut writer = series(&source.file, Rotation::default(), times.clone());
    for (run, text) in [(1, "one\nab"), (2, "cd"), (3, "ef\ngh")] {
        writer.append(text.as_bytes(), run * 10_000).unwrap();
        writer.end_run(run * 10_000 + 5);
    }
    let marks =
        vec![ended("a", 1, 10_005), began("a", 2, 10_006), ended("a", 2, 20_005), ended("a", 3, 30_005)];
    (all_lines(vec![source], times), writer, marks)
}

#[test]
fn a_line_ends_with_its_run_for_who_reads_it() {
    let dir = tempfile::tempdir().unwrap();
    let (all, mut writer, marks) = runs_without_newlines(dir.path());
    let check = |query: Query, expected: &str| assert_eq!(items(&query, marks.clone()), expected);
    let text = "one ab <end 1> <2> cd <end 2> ef gh <end 3>";
    check(all.clone(), text);
    for (count, from) in [(1, "gh"), (2, "ef"), (3, "cd"), (4, "ab"), (5, "one"), (6, "one")] {
        let last = Query { last: LineCount::Last(count), ..all.clone() };
        check(last, &text[text.find(from).unwrap()..]);
    }
    let found = |text: &str| Query { pattern: Some(Pattern::parse(text).unwrap()), ..all.clone() };
    check(found("^cd$"), "cd");
    check(found("abc"), "");
    check(Query { since_ms: Some(20_000), ..all.clone() }, "cd <end 2> ef gh <end 3>");
    check(Query { until_ms: Some(20_000), last: LineCount::Last(1), ..all.clone() }, "ab <end 1> <2>");
    assert_eq!(fs::read_to_string(&all.sources[0].file).unwrap(), "one\nabcdef\ngh", "the file is as it was");
    writer.append(b"ij\n", 40_000).unwrap();
    check(all, "one ab <end 1> <2> cd <end 2> ef gh <end 3> ij");
}

#[test]
fn a_line_of_a_run_goes_on_when_the_one_that_it_replaces_ends() {
    let dir = tempfile::tempdir().unwrap();
    let (mut all, mut writer, _) = runs_without_newlines(dir.path());
    writer.append(b"\nof the ", 40_000).unwrap();
    writer.end_run(40_005);
    writer.append(b"second\nab", 40_010).unwrap();
    writer.end_run(40_015);
    writer.append(b"c", 50_000).unwrap();
    all.since_ms = Some(40_000);
    let marks =
        vec![began("a", 4, 39_000), began("a", 5, 39_500), ended("a", 4, 40_005), ended("a", 5, 40_015)];
    assert_eq!(items(&all, marks), "of the second <end 4> ab <end 5> c");
}

#[test]
fn a_line_ends_with_its_run_for_who_follows() {
    let dir = tempfile::tempdir().unwrap();
    let (query, mut writer, mut first) = runs_without_newlines(dir.path());
    let told = Mutex::new(first.split_off(2));
    let mut rounds = 0;
    let mut marks = || {
        rounds += 1;
        if rounds == 1 { std::mem::take(&mut first) } else { told.lock().unwrap().drain(..).collect() }
    };
    let mut at_rest = |rests: usize| match rests {
        0 => {
            writer.append(b"ij", 40_000).unwrap();
            writer.end_run(40_005);
            writer.append(b"kl", 40_005).unwrap();
            told.lock().unwrap().extend([ended("a", 4, 40_005), began("a", 5, 40_006)]);
        }
        1 => {
            writer.end_run(50_000);
            told.lock().unwrap().push(ended("a", 5, 50_000));
        }
        _ => writer.append(b"mn\n", 60_000).unwrap(),
    };
    let mut hears = Hears { heard: Vec::new(), at_rest: &mut at_rest, rests: 0 };
    Session { query: &query, going: Going::On, unix_ms: || 70_000, feed: &mut marks }
        .run(&mut hears)
        .unwrap();
    let before = ["one", "ab", "<ended>", "<began>", "cd", "<ended>", "ef", "gh", "<ended>"];
    let after = ["ij", "<ended>", "<began>", "kl", "<ended>", "mn"];
    assert_eq!(hears.heard, [before.as_slice(), &after].concat());
}

/// What a follower hears that begins behind the runs of [`runs_without_newlines`] with the runs 4 and 5 under way, when all that
/// is written and told at its first rests.
fn heard_by_follower(at_rest: impl Fn(usize, &mut Series) -> Vec<Mark> + Sync) -> Vec<String> {
    let dir = tempfile::tempdir().unwrap();
    let (query, mut writer, first) = runs_without_newlines(dir.path());
    let told = Mutex::new([first, vec![began("a", 4, 39_000), began("a", 5, 39_500)]].concat());
    let mut marks = || told.lock().unwrap().drain(..).collect();
    let mut at_rest = |rests: usize| told.lock().unwrap().extend(at_rest(rests, &mut writer));
    let mut hears = Hears { heard: Vec::new(), at_rest: &mut at_rest, rests: 0 };
    let session = Session { query: &query, going: Going::On, unix_ms: || 70_000, feed: &mut marks };
    session.run(&mut hears).unwrap();
    let begin = hears.heard.iter().rposition(|item| item == "<began>").unwrap();
    hears.heard.split_off(begin + 1)
}

#[test]
fn a_line_goes_on_for_who_follows_when_the_run_that_its_writer_replaces_ends() {
    let heard = heard_by_follower(|rests, writer| {
        writer.append([b"of the ".as_slice(), b"second\n", b""][rests.min(2)], 40_000).unwrap();
        if rests > 0 {
            return Vec::new();
        }
        writer.end_run(40_005);
        vec![ended("a", 4, 40_005)]
    });
    assert_eq!(heard, ["<ended>", "of the second"]);
}

#[test]
fn the_last_line_of_a_run_that_wrote_more_than_one_look_brings_is_whole() {
    const LINES: usize = 30_000;
    let line = "x".repeat(99);
    let text = format!("{line}\n").repeat(LINES) + "last";
    let heard = heard_by_follower(|rests, writer| {
        if rests > 0 {
            return Vec::new();
        }
        writer.append(text.as_bytes(), 40_000).unwrap();
        writer.end_run(40_005);
        vec![ended("a", 5, 40_005)]
    });
    assert_eq!(heard.len(), LINES + 2);
    assert!(heard[..LINES].iter().all(|it| *it == line));
    assert_eq!(heard[LINES..], ["last", "<ended>"]);
}

#[test]
fn the_times_of_what_somebody_cut_off_are_forgotten() {
    let dir = tempfile::tempdir().unwrap();
    let (query, mut writer, marks) = runs_without_newlines(dir.path());
    let file = fs::File::options().write(true).open(&query.sources[0].file).unwrap();
    file.set_len(0).unwrap();
    writer.append(b"after this line comes no other one\n", 30_500).unwrap();
    assert_eq!(items(&query, marks), "after this line comes no other one");
    assert_eq!(items(&Query { since_ms: Some(31_500), ..query }, Vec::new()), "");
}
