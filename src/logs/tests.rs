use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::pattern::Pattern;
use super::place::ends;
use super::pump::{Attachment, Destination, Pump, StreamKey};
use super::query::{self, Item, Query, Source};
use super::series::Series;
use super::tap::Heard;
use super::transits::Transits;
use super::wanted::Wanted;
use super::{files, times};
use crate::spec::log::Rotation;
use crate::sys::pipe::{self, Waiting};
use crate::sys::stash::Stash;
use crate::vocab::line_count::LineCount;
use crate::vocab::mark::{Mark, Turn};
use crate::vocab::name::ServiceName;
use crate::vocab::stream::Stream;

mod compressed;
mod events;
mod follow;
mod long;
mod making;
mod marks;
mod moving;
mod open_lines;
mod rotated;
mod sharing;
mod streams;
mod targets;
mod transits;
mod unreadable;
mod wanted;

fn name(text: &str) -> ServiceName {
    ServiceName::parse(text).unwrap()
}

fn wait_until(mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < deadline);
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn rotation(size_max: u64, keep: u32) -> Rotation {
    Rotation { size_max, keep, ..Rotation::default() }
}

fn series(file: &Path, rotation: Rotation, times: PathBuf) -> Series {
    Series::new(Destination::file(file.to_owned(), rotation), times)
}

struct Rig {
    dir: tempfile::TempDir,
    pump: Pump,
    /// What is told of streams.
    heard: Hearing,
    stash: Stash,
}

type Hearing = tokio::sync::mpsc::Receiver<Heard>;

/// A pump that keeps its own files there.
fn pump(dir: &Path, stash: &Stash) -> (Pump, Hearing) {
    let transits = Transits::new(dir.join("transits"), stash.clone());
    Pump::start(dir.join("times"), transits, crate::sys::clock::unix_ms).unwrap()
}

impl Rig {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("times")).unwrap();
        let stash = Stash::new().unwrap();
        let (pump, heard) = pump(dir.path(), &stash);
        Self { dir, pump, heard, stash }
    }

    fn path(&self, file: &str) -> PathBuf {
        self.dir.path().join(file)
    }

    /// A stream whose log is `logs/NAME`; what is written to the file that comes back goes through the pump.
    fn stream(&self, service: &str, rotation: Rotation) -> File {
        self.attach(service, self.path("logs").join(service), rotation);
        self.writer(service)
    }

    fn fifo(&self, service: &str) -> PathBuf {
        self.path(&format!("{service}.fifo"))
    }

    /// Hands the stream to the pump, for the first time or again, as a reload does.
    fn attach(&self, service: &str, file: PathBuf, rotation: Rotation) {
        self.attach_to(service, Destination::file(file, rotation));
    }

    fn attach_to(&self, service: &str, destination: Destination) {
        pipe::make_fifo(&self.fifo(service)).unwrap();
        let pipe = pipe::open_read_write(&self.fifo(service), Waiting::Never).unwrap();
        let key = StreamKey { service: name(service), stream: Stream::Stdout };
        self.pump.attach(key, Attachment { pipe, destination });
    }

    /// The writing end of a stream that was handed to the pump.
    fn writer(&self, service: &str) -> File {
        pipe::open_read_write(&self.fifo(service), Waiting::Allowed).unwrap().into()
    }

    fn drain(&self, service: &str) {
        self.pump.drain(name(service)).blocking_recv().unwrap();
    }

    /// A run of the service ends; says when.
    fn end_run(&self, service: &str) -> u64 {
        self.pump.end_run(name(service)).blocking_recv().unwrap().unix_ms
    }
}

/// All files of a series, oldest first, as one text.
fn whole(path: &Path) -> String {
    super::files::all(path).iter().filter_map(|path| fs::read_to_string(path).ok()).collect()
}

#[test]
fn the_pump_brings_every_byte_of_many_streams_into_its_file() {
    let rig = Rig::new();
    let rotation = rotation(10_000, 1000);
    let mut writers: BTreeMap<String, File> = (0..8)
        .map(|number| format!("s{number}"))
        .map(|service| (service.clone(), rig.stream(&service, rotation)))
        .collect();
    let threads: Vec<_> = std::mem::take(&mut writers)
        .into_iter()
        .map(|(service, mut writer)| {
            std::thread::spawn(move || {
                let text: String = (0..5000).map(|line| format!("{service} line {line}\n")).collect();
                writer.write_all(text.as_bytes()).unwrap();
                (service, text, writer)
            })
        })
        .collect();
    for thread in threads {
        let (service, text, _writer) = thread.join().unwrap();
        rig.drain(&service);
        assert_eq!(whole(&rig.path("logs").join(&service)), text, "{service}");
    }
}

#[test]
fn a_disk_that_fails_holds_up_only_its_stream_and_loses_nothing() {
    let rig = Rig::new();
    // A file where the log directory should be: nothing can be written there.
    fs::write(rig.path("logs"), "").unwrap();
    let mut writer = rig.stream("a", Rotation::default());
    writer.write_all(b"one\n").unwrap();
    rig.drain("a");
    writer.write_all(b"two\n").unwrap();
    fs::remove_file(rig.path("logs")).unwrap();
    let log = rig.path("logs").join("a");
    wait_until(|| fs::read_to_string(&log).is_ok_and(|text| text == "one\ntwo\n"));
}

#[test]
fn a_stream_whose_bytes_come_while_its_disk_is_stuck_recovers_by_itself() {
    let rig = Rig::new();
    let log = rig.path("logs").join("a");
    let mut writer = rig.stream("a", Rotation::default());
    writer.write_all(b"zero\n").unwrap();
    rig.drain("a");
    fs::remove_file(&log).unwrap();
    fs::create_dir(&log).unwrap();
    let text: String = (0..30_000).map(|number| format!("line {number}\n")).collect();
    let expected = text.clone();
    let writes = std::thread::spawn(move || writer.write_all(text.as_bytes()).map(|()| writer));
    let look = pipe::open_read_write(&rig.fifo("a"), Waiting::Never).unwrap();
    wait_until(|| pipe::bytes_waiting(&look).unwrap() >= 60_000);
    rig.drain("a");
    fs::remove_dir(&log).unwrap();
    // Nobody asks for it.
    wait_until(|| fs::read_to_string(&log).is_ok_and(|text| text == expected));
    writes.join().unwrap().unwrap();
}

#[test]
fn a_stream_that_is_attached_again_keeps_what_a_stuck_disk_has_not_taken() {
    let rig = Rig::new();
    fs::write(rig.path("logs"), "").unwrap();
    let mut writer = rig.stream("a", Rotation::default());
    writer.write_all(b"one\n").unwrap();
    rig.drain("a");
    for _ in 0..3 {
        rig.attach("a", rig.path("logs").join("a"), Rotation::default());
    }
    writer.write_all(b"two\n").unwrap();
    // Another pipe takes the place of the one that still holds a line.
    fs::remove_file(rig.fifo("a")).unwrap();
    let mut other = rig.stream("a", Rotation::default());
    rig.drain("a");
    other.write_all(b"three\n").unwrap();
    fs::remove_file(rig.path("logs")).unwrap();
    let log = rig.path("logs").join("a");
    wait_until(|| fs::read_to_string(&log).is_ok_and(|text| text == "one\ntwo\nthree\n"));
}

#[test]
fn another_file_takes_what_comes_after_it_was_named() {
    let rig = Rig::new();
    let mut writer = rig.stream("a", Rotation::default());
    writer.write_all(b"one\n").unwrap();
    rig.attach("a", rig.path("logs").join("other"), rotation(8, 3));
    rig.drain("a");
    writer.write_all(b"two\nthree\nfour\n").unwrap();
    rig.drain("a");
    assert_eq!(whole(&rig.path("logs").join("a")), "one\n");
    assert_eq!(whole(&rig.path("logs").join("other")), "two\nthree\nfour\n");
    assert!(rig.path("logs").join("other.1").exists(), "the rotation is the new one");
}

#[test]
fn a_detached_stream_is_emptied_and_a_closed_pump_has_written_all() {
    let rig = Rig::new();
    let (mut one, mut two) = (rig.stream("a", Rotation::default()), rig.stream("b", Rotation::default()));
    one.write_all(b"one\n").unwrap();
    rig.pump.detach(StreamKey { service: name("a"), stream: Stream::Stdout });
    two.write_all(b"two\n").unwrap();
    rig.pump.clone().close();
    assert_eq!(whole(&rig.path("logs").join("a")), "one\n");
    assert_eq!(whole(&rig.path("logs").join("b")), "two\n");
}

/// All lines of these streams.
fn all_lines(sources: Vec<Source>, times: PathBuf) -> Query {
    let wanted = Wanted::default();
    Query { sources, times, last: LineCount::All, since_ms: None, until_ms: None, pattern: None, wanted }
}

/// Three streams whose lines arrived at known times, with rotated files among them.
fn written(dir: &Path) -> Query {
    fs::create_dir_all(dir.join("times")).unwrap();
    let sources = ["a", "b", "c"].map(|service| Source {
        service: name(service),
        stream: Stream::Stdout,
        file: dir.join("logs").join(service),
    });
    for (at, source) in sources.iter().enumerate() {
        let rotation = rotation(20, 50);
        let mut series = series(&source.file, rotation, dir.join("times"));
        for step in 0..6_u64 {
            let time = 10_000 + step * 3000 + u64::try_from(at).unwrap() * 1000;
            series.append(format!("{}{step}\n", source.service).as_bytes(), time).unwrap();
        }
    }
    all_lines(sources.to_vec(), dir.join("times"))
}

fn lines(query: &Query) -> String {
    items(query, Vec::new())
}

fn items(query: &Query, marks: Vec<Mark>) -> String {
    let mut found = Vec::new();
    query::read(query, &ends(&query.sources, &query.times).unwrap(), marks, |item| {
        found.push(match item {
            Item::Line(line) => String::from_utf8(line.bytes).unwrap(),
            Item::Mark(Mark { turn: Turn::Began(began), .. }) => format!("<{}>", began.began),
            Item::Mark(Mark { turn: Turn::Ended(end), .. }) => format!("<end {}>", end.run),
            Item::Note(note) => panic!("{note:?}"),
        });
        ControlFlow::Continue(())
    })
    .unwrap();
    found.join(" ")
}

#[test]
fn lines_of_many_streams_are_merged_by_time_and_narrowed() {
    let dir = tempfile::tempdir().unwrap();
    let all = written(dir.path());
    let text = "a0 b0 c0 a1 b1 c1 a2 b2 c2 a3 b3 c3 a4 b4 c4 a5 b5 c5";
    assert_eq!(lines(&all), text);
    assert_eq!(lines(&Query { last: LineCount::Last(4), ..all.clone() }), "c4 a5 b5 c5");
    assert_eq!(lines(&Query { last: LineCount::Last(100), ..all.clone() }), text);
    assert_eq!(lines(&Query { last: LineCount::Last(0), ..all.clone() }), "");
    assert_eq!(lines(&Query { since_ms: Some(10_000 + 5 * 3000), ..all.clone() }), "a5 b5 c5");
    assert_eq!(lines(&Query { until_ms: Some(10_000 + 3000), ..all.clone() }), "a0 b0 c0");
    let pattern = Some(Pattern::parse("[ac][24]").unwrap());
    assert_eq!(lines(&Query { pattern: pattern.clone(), ..all.clone() }), "a2 c2 a4 c4");
    assert_eq!(lines(&Query { pattern, last: LineCount::Last(1), ..all.clone() }), "c4");
    fs::remove_dir_all(dir.path().join("times")).unwrap();
    assert_eq!(lines(&all).split(' ').count(), 18, "without an index the lines are still all there");
}

#[test]
fn only_lines_that_begin_in_the_wanted_time_are_read() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join("times")).unwrap();
    let file = dir.path().join("a");
    let mut series = series(&file, Rotation::default(), dir.path().join("times"));
    // The index has an entry in the midst of the second line.
    for (text, unix_ms) in [("one\ntw", 10_000), ("o\nthree\n", 20_000), ("four\n", 30_000)] {
        series.append(text.as_bytes(), unix_ms).unwrap();
    }
    let source = Source { service: name("a"), stream: Stream::Stdout, file };
    let check = |since_ms, until_ms, expected: &str| {
        let (times, sources) = (dir.path().join("times"), vec![source.clone()]);
        let query = Query { since_ms, until_ms, ..all_lines(sources, times) };
        assert_eq!(lines(&query), expected, "{since_ms:?} {until_ms:?}");
    };
    check(None, None, "one two three four");
    check(Some(10_000), None, "one two three four");
    check(Some(11_000), None, "three four");
    check(Some(21_000), Some(30_000), "");
    check(Some(30_000), None, "four");
    check(Some(31_000), None, "");
    check(None, Some(20_000), "one two");
}

#[test]
fn a_line_that_may_have_arrived_in_the_wanted_time_is_not_left_out() {
    let dir = tempfile::tempdir().unwrap();
    let times = dir.path().join("times");
    fs::create_dir_all(&times).unwrap();
    let file = dir.path().join("a");
    let mut series = series(&file, Rotation::default(), times.clone());
    // The index has an entry for the first and the last of them.
    for (text, unix_ms) in [("one\n", 10_000), ("two\n", 10_999), ("three\n", 12_000)] {
        series.append(text.as_bytes(), unix_ms).unwrap();
    }
    assert_eq!(times::read(&times, files::inode(&file).unwrap()).len(), 2);
    let query =
        all_lines(vec![Source { service: name("a"), stream: Stream::Stdout, file: file.clone() }], times);
    let check = |since_ms, expected: &str| {
        assert_eq!(lines(&Query { since_ms: Some(since_ms), ..query.clone() }), expected, "{since_ms}");
    };
    check(10_500, "one two three");
    check(10_999, "one two three");
    check(11_000, "three");
    check(12_999, "three");
    check(13_000, "");
    let written = std::time::UNIX_EPOCH + Duration::from_millis(12_000);
    File::options().write(true).open(&file).unwrap().set_modified(written).unwrap();
    check(12_999, "");
}
