use std::fs;
use std::io::Write;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::rotated::compress_all;
use super::{all_lines, name, rotation, series, written};
use crate::logs::envelope::OpenLines;
use crate::logs::follow::{Follower, Fresh};
use crate::logs::pattern::Pattern;
use crate::logs::piece::{PieceBegin, PieceEnd};
use crate::logs::place::ends;
use crate::logs::query::{Item, Query, Source};
use crate::logs::session::{Going, Listener, Session};
use crate::logs::{files, times};
use crate::vocab::stream::Stream;

/// What a follower says in three looks at a line that begins before the first and ends before the last of them, a second and more later.
fn told(open_lines: OpenLines) -> Vec<Vec<(u64, String)>> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a.log");
    fs::write(&file, "").unwrap();
    let sources = vec![Source { service: name("a"), stream: Stream::Stdout, file: file.clone() }];
    let times = dir.path().join("times");
    fs::create_dir(&times).unwrap();
    let _index = times::Recorder::open(&times, files::inode(&file).unwrap(), 0, 0);
    let ends = ends(&sources, &times).unwrap();
    let mut follower = Follower::new(sources, ends, open_lines, times);
    let writes = [(1_000, "con"), (2_000, ""), (2_500, "nected\n")];
    let looks = writes.iter().map(|(unix_ms, text)| {
        let so_far = fs::read_to_string(&file).unwrap();
        fs::write(&file, so_far + text).unwrap();
        let lines = follower.look(*unix_ms).unwrap().into_iter();
        lines.map(|Fresh { line, .. }| (line.unix_ms, String::from_utf8(line.bytes).unwrap())).collect()
    });
    looks.collect()
}

#[test]
fn a_line_whose_end_is_late_is_shown_as_it_comes_and_searched_as_a_whole() {
    let line = |unix_ms: u64, text: &str| vec![(unix_ms, text.to_owned())];
    assert_eq!(told(OpenLines::Flushed), [vec![], line(1_000, "con"), line(2_500, "nected")]);
    assert_eq!(told(OpenLines::Awaited), [vec![], vec![], line(2_500, "connected")]);
}

#[test]
fn a_search_that_follows_takes_no_cut_for_the_begin_or_the_end_of_a_line() {
    // Each step brings more than a look does, or less.
    for step in [500_000, 60_000] {
        assert_eq!(found_in_steps("^x|xx$", step), []);
        assert_eq!(found_in_steps("^0", step)[0], (PieceBegin::Line, PieceEnd::GoesOn));
        assert_eq!(found_in_steps("END$", step).last(), Some(&(PieceBegin::Midst, PieceEnd::Line)));
    }
}

/// What of a long line is found that comes in steps of so many bytes.
fn found_in_steps(pattern: &str, step: usize) -> Vec<(PieceBegin, PieceEnd)> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a.log");
    fs::write(&file, "").unwrap();
    let query = Query {
        pattern: Some(Pattern::parse(&format!("{pattern}|^last$")).unwrap()),
        ..all_lines(
            vec![Source { service: name("a"), stream: Stream::Stdout, file: file.clone() }],
            dir.path().join("times"),
        )
    };
    // More than a piece and what a look adds to it, which is shown as a whole when it ends.
    let text = [b"0".as_slice(), &vec![b'x'; 1_250_000], b"yEND\nlast\n"].concat();
    let chunks = text.rchunks(step).map(<[u8]>::to_vec).collect();
    let mut found = HearsPieces::of(&query, file, chunks);
    assert_eq!(found.pop(), Some((PieceBegin::Line, PieceEnd::Line)), "the last line");
    found
}

/// Hears pieces until the last line comes, and writes more whenever there is none.
struct HearsPieces {
    file: PathBuf,
    /// What is to be written, the last first.
    chunks: Vec<Vec<u8>>,
    /// What stands before each piece, and what follows it.
    heard: Vec<(PieceBegin, PieceEnd)>,
    is_over: bool,
    deadline: Instant,
}

impl HearsPieces {
    fn of(query: &Query, file: PathBuf, chunks: Vec<Vec<u8>>) -> Vec<(PieceBegin, PieceEnd)> {
        let deadline = Instant::now() + Duration::from_secs(60);
        let mut hears = Self { file, chunks, heard: Vec::new(), is_over: false, deadline };
        let mut marks = Vec::new;
        let session = Session { query, going: Going::On, unix_ms: || 7, feed: &mut marks };
        session.run(&mut hears).unwrap();
        hears.heard
    }
}

impl Listener for HearsPieces {
    fn hear(&mut self, item: Item) -> ControlFlow<()> {
        let Item::Line(line) = item else { panic!("{item:?}") };
        self.is_over = line.bytes == b"last";
        self.heard.push((line.begin, line.end));
        ControlFlow::Continue(())
    }

    fn rest(&mut self) -> ControlFlow<()> {
        if self.is_over || Instant::now() > self.deadline {
            return ControlFlow::Break(());
        }
        if let Some(chunk) = self.chunks.pop() {
            fs::OpenOptions::new().append(true).open(&self.file).unwrap().write_all(&chunk).unwrap();
        }
        ControlFlow::Continue(())
    }
}

/// Hears lines until it has so many, or a minute is over.
struct HearsLines {
    heard: Vec<String>,
    /// What happens when it has heard what was there at first.
    at_rest: Option<Box<dyn FnOnce() + Send>>,
    enough: usize,
    deadline: Instant,
}

impl HearsLines {
    fn of(query: &Query, enough: usize, at_rest: impl FnOnce() + Send + 'static) -> Vec<String> {
        let deadline = Instant::now() + Duration::from_secs(60);
        let mut hears = Self { heard: Vec::new(), at_rest: Some(Box::new(at_rest)), enough, deadline };
        let mut marks = Vec::new;
        let session = Session { query, going: Going::On, unix_ms: || 7, feed: &mut marks };
        session.run(&mut hears).unwrap();
        hears.heard
    }
}

impl Listener for HearsLines {
    fn hear(&mut self, item: Item) -> ControlFlow<()> {
        let Item::Line(line) = item else { panic!("{item:?}") };
        self.heard.push(String::from_utf8(line.bytes).unwrap());
        self.next()
    }

    fn rest(&mut self) -> ControlFlow<()> {
        if let Some(at_rest) = self.at_rest.take() {
            at_rest();
        }
        self.next()
    }
}

impl HearsLines {
    fn next(&self) -> ControlFlow<()> {
        let is_over = self.heard.len() >= self.enough || Instant::now() > self.deadline;
        if is_over { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

#[test]
fn a_follower_sees_every_line_once_through_rotations() {
    const LINES: usize = 3000;
    let dir = tempfile::tempdir().unwrap();
    let query = written(dir.path());
    let query = Query { sources: vec![query.sources[0].clone()], ..query };
    let (file, times) = (query.sources[0].file.clone(), query.times.clone());
    let writer = std::thread::spawn(move || {
        let mut series = series(&file, rotation(200, 10_000), times);
        for number in 0..LINES {
            series.append(format!("line {number}").as_bytes(), 20_000).unwrap();
            series.append(b"\n", 20_000).unwrap();
        }
    });
    let heard = HearsLines::of(&query, 6 + LINES, || ());
    writer.join().unwrap();
    let expected: Vec<String> = (0..LINES).map(|number| format!("line {number}")).collect();
    assert_eq!(heard[6..], expected);
}

#[test]
fn a_follower_that_is_far_behind_hears_of_several_streams_in_the_order_of_their_times() {
    const LINES: u64 = 2000;
    let dir = tempfile::tempdir().unwrap();
    let query = written(dir.path());
    let mut writers: Vec<_> = query
        .sources
        .iter()
        .map(|source| series(&source.file, rotation(100_000, 50), query.times.clone()))
        .collect();
    let write = move || {
        for number in 0..LINES {
            for (at, series) in (0..).zip(&mut writers) {
                let line = format!("{:08} {}\n", 3 * number + at, "x".repeat(100));
                // Each line has a time of its own.
                series.append(line.as_bytes(), 100_000 + 1000 * (3 * number + at)).unwrap();
            }
        }
    };
    let heard = HearsLines::of(&query, 18 + 3 * LINES as usize, write);
    let numbers: Vec<u64> = heard[18..].iter().map(|line| line[..8].parse().unwrap()).collect();
    assert_eq!(numbers, (0..3 * LINES).collect::<Vec<_>>());
}

/// What a follower hears of a quiet stream, which writes `last` and whose file is then set aside and compressed, and of a busy one
/// that writes into a file which it had not.
fn heard_of_quiet_and_busy(last: &str, is_index_kept: bool) -> Vec<String> {
    let dir = tempfile::tempdir().unwrap();
    let query = written(dir.path());
    let query = Query { sources: vec![query.sources[0].clone()], ..query };
    let quiet = query.sources[0].file.clone();
    let busy = Source { service: name("busy"), stream: Stream::Stdout, file: dir.path().join("logs/busy") };
    let lines = 6 + last.lines().count() + 1;
    let (last, times_dir) = (last.to_owned(), query.times.clone());
    let sources = vec![query.sources[0].clone(), busy.clone()];
    let happens = move || {
        let writer = |file| series(file, rotation(100_000, 50), times_dir.clone());
        let mut writes = writer(&quiet);
        writes.append(last.as_bytes(), 90_000).unwrap();
        writes.set_aside_now(90_000);
        compress_all(&quiet, &times_dir);
        assert!(!quiet.exists() && files::pressed_path(&quiet, 1).exists());
        if !is_index_kept {
            let inode = files::inode(&files::pressed_path(&quiet, 1)).unwrap();
            fs::remove_file(times::path(&times_dir, inode)).unwrap();
        }
        writer(&busy.file).append(b"news\n", 100_000).unwrap();
    };
    HearsLines::of(&Query { sources, ..query }, lines, happens).split_off(6)
}

#[test]
fn what_a_follower_has_read_comes_no_second_time_when_its_file_is_compressed() {
    assert_eq!(heard_of_quiet_and_busy("", true), ["news"]);
    assert_eq!(heard_of_quiet_and_busy("", false), ["news"], "compressed by somebody else");
    assert_eq!(heard_of_quiet_and_busy("late\nlast\n", true), ["late", "last", "news"]);
    assert_eq!(heard_of_quiet_and_busy("late\nlast\n", false), ["late", "last", "news"]);
}

#[test]
fn a_follower_is_not_behind_for_a_file_that_holds_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let query = written(dir.path());
    let source = query.sources[0].clone();
    let mut place = ends(std::slice::from_ref(&source), &query.times).unwrap();
    fs::rename(&source.file, files::set_aside_path(&source.file, 1)).unwrap();
    for place in [None, place.pop().unwrap()] {
        fs::write(&source.file, "").unwrap();
        let mut follower =
            Follower::new(vec![source.clone()], vec![place], OpenLines::Flushed, query.times.clone());
        assert!(!follower.is_behind().unwrap());
        fs::write(&source.file, "x").unwrap();
        assert!(follower.is_behind().unwrap());
    }
}
