use std::fs;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Mutex;

use super::marks::{began, ended};
use super::{all_lines, name, series};
use crate::logs::query::{Item, Note, Query, Source, Told};
use crate::logs::series::Series;
use crate::logs::session::{Feed, Going, Listener, Roster, Session};
use crate::spec::log::Rotation;
use crate::vocab::mark::{Mark, Turn};
use crate::vocab::stream::Stream;

/// What is told of services besides their lines.
#[derive(Default)]
struct News {
    marks: Vec<Mark>,
    roster: Option<Roster>,
}

impl Feed for &Mutex<News> {
    fn marks(&mut self) -> Vec<Mark> {
        std::mem::take(&mut self.lock().unwrap().marks)
    }

    fn roster(&mut self) -> Option<Roster> {
        self.lock().unwrap().roster.take()
    }
}

/// Hears what comes of so many steps that it takes at its rests.
struct Hears<'a> {
    heard: Vec<String>,
    step: &'a mut (dyn FnMut(usize) + Send),
    steps: std::ops::Range<usize>,
}

impl Listener for Hears<'_> {
    fn hear(&mut self, item: Item) -> ControlFlow<()> {
        self.heard.push(match item {
            Item::Line(line) => {
                format!("{} {:?}: {}", line.service, line.stream, String::from_utf8(line.bytes).unwrap())
            }
            Item::Mark(Mark { service, turn: Turn::Began(_) }) => format!("{service} began"),
            Item::Mark(Mark { service, turn: Turn::Ended(_) }) => format!("{service} ended"),
            Item::Note(Note { service, told: Told::Removed, .. }) => format!("{service} removed"),
            Item::Note(note) => panic!("{note:?}"),
        });
        ControlFlow::Continue(())
    }

    fn rest(&mut self) -> ControlFlow<()> {
        let Some(step) = self.steps.next() else { return ControlFlow::Break(()) };
        (self.step)(step);
        ControlFlow::Continue(())
    }
}

/// What its follower hears of a log file which holds a line that was written before, when more is written and told at its rests.
fn heard(
    (service, stream): (&str, Stream),
    since_ms: Option<u64>,
    mut step: impl FnMut(usize, &mut Series, &mut News) + Send,
) -> Vec<String> {
    let dir = tempfile::tempdir().unwrap();
    let (times, file) = (dir.path().join("times"), dir.path().join("a"));
    fs::create_dir(&times).unwrap();
    let mut writer = series(&file, Rotation::default(), times.clone());
    writer.append(b"one\n", 10_000).unwrap();
    let sources = vec![Source { service: name(service), stream, file: file.clone() }];
    let query = Query { since_ms, ..all_lines(sources, times) };
    let told = &Mutex::new(News { marks: vec![began("api", 1, 10_000)], roster: None });
    let mut step = |number| {
        let mut news = told.lock().unwrap();
        step(number, &mut writer, &mut news);
        for source in news.roster.iter_mut().flat_map(|roster| &mut roster.sources) {
            source.file.clone_from(&file);
        }
    };
    let mut feed = told;
    let mut hears = Hears { heard: Vec::new(), step: &mut step, steps: 0..3 };
    Session { query: &query, going: Going::On, unix_ms: || 40_000, feed: &mut feed }.run(&mut hears).unwrap();
    hears.heard
}

/// One stream, by the file that it has in the end.
fn roster(service: &str, stream: Stream) -> Option<Roster> {
    let source = Source { service: name(service), stream, file: PathBuf::new() };
    Some(Roster { sources: vec![source], since_ms: 15_000 })
}

#[test]
fn a_service_that_gets_the_log_file_of_another_is_heard_of_when_all_of_that_was() {
    let heard = heard(("api", Stream::Stdout), None, |step, writer, news| match step {
        0 => {
            news.roster = roster("web", Stream::Stdout);
            writer.append(b"two\n", 20_000).unwrap();
        }
        1 => news.marks = vec![ended("api", 1, 25_000), began("web", 2, 25_001)],
        _ => writer.append(b"three\n", 30_000).unwrap(),
    });
    let expected =
        ["api Stdout: one", "api Stdout: two", "api ended", "web began", "api removed", "web Stdout: three"];
    assert_eq!(heard, expected);
}

#[test]
fn a_service_that_gets_its_log_file_back_was_never_away() {
    let heard = heard(("api", Stream::Stdout), None, |step, writer, news| {
        let lines = ["two\n", "three\n", "four\n"];
        writer.append(lines[step].as_bytes(), 20_000).unwrap();
        news.roster = roster(["web", "api", "api"][step], Stream::Stdout);
    });
    let lines = ["one", "two", "three", "four"].map(|line| format!("api Stdout: {line}"));
    assert_eq!(heard, lines);
}

#[test]
fn a_log_file_that_another_stream_of_its_service_goes_to_is_heard_once() {
    let heard = heard(("api", Stream::Stderr), None, |step, writer, news| match step {
        0 => {
            news.roster = roster("api", Stream::Stdout);
            writer.append(b"two\n", 20_000).unwrap();
        }
        1 => writer.append(b"three\n", 30_000).unwrap(),
        _ => (),
    });
    assert_eq!(heard, ["api Stderr: one", "api Stdout: two", "api Stdout: three"]);
}

#[test]
fn who_follows_from_a_time_to_come_hears_no_line_before_it() {
    let check = |since_ms, expected: &[&str]| {
        let heard = heard(("api", Stream::Stdout), Some(since_ms), |step, writer, news| match step {
            0 => writer.append(b"two\n", 40_000).unwrap(),
            1 => news.marks = vec![ended("api", 1, 40_001)],
            _ => (),
        });
        assert_eq!(heard, expected, "{since_ms}");
    };
    check(40_000, &["api Stdout: two", "api ended"]);
    check(41_000, &[]);
}

#[test]
fn who_follows_from_a_time_to_come_and_is_far_behind_hears_no_line_before_it() {
    let early = format!("{}\n", "x".repeat(99)).repeat(1000);
    let check = |since_ms, expected: usize| {
        let heard = heard(("api", Stream::Stdout), Some(since_ms), |step, writer, _| {
            if step == 0 {
                writer.append(early.as_bytes(), 40_000).unwrap();
                writer.append(b"last\n", 42_000).unwrap();
            }
        });
        assert_eq!(heard.len(), expected, "{since_ms}");
        assert_eq!(heard.last().unwrap(), "api Stdout: last");
    };
    check(40_000, 1001);
    check(41_000, 1);
}
