use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::{name, series};
use crate::logs::place::{Place, ends};
use crate::logs::query::Source;
use crate::logs::reader::{From, Passage, Reader, Scope};
use crate::logs::series::Series;
use crate::logs::times::Recorder;
use crate::logs::wanted::Wanted;
use crate::logs::{files, press};
use crate::spec::log::{Compression, Rotation};
use crate::vocab::stream::Stream;

/// Ten bytes of lines a file.
const SMALL: Rotation =
    Rotation { size_max: 10, keep: 20, every: None, total_max: None, compression: Compression::None };

fn rest(reader: &mut Reader) -> String {
    let next = || match reader.next().unwrap()? {
        Passage::Line(line) => Some(String::from_utf8(line.bytes).unwrap()),
        Passage::Missing(bytes) => Some(format!("<{bytes} missing>")),
        Passage::Unreadable(unreadable) => panic!("{}", unreadable.why),
    };
    std::iter::from_fn(next).collect::<Vec<_>>().join(" ")
}

/// A log that is written and rotated, and read from wherever somebody is.
struct Log {
    _dir: tempfile::TempDir,
    source: Source,
    times: PathBuf,
    writer: Series,
}

impl Log {
    fn new(rotation: Rotation) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (file, times) = (dir.path().join("a"), dir.path().join("times"));
        fs::create_dir(&times).unwrap();
        let writer = series(&file, rotation, times.clone());
        let source = Source { service: name("a"), stream: Stream::Stdout, file };
        Self { _dir: dir, source, times, writer }
    }

    fn write(&mut self, numbers: std::ops::Range<u32>) {
        for number in numbers {
            self.writer.append(format!("{number:04}\n").as_bytes(), u64::from(number)).unwrap();
        }
    }

    fn end(&self) -> Place {
        ends(std::slice::from_ref(&self.source), &self.times).unwrap().pop().flatten().unwrap()
    }

    fn reader(&self, from: From, to: Place) -> Reader {
        let scope = Scope {
            from,
            to,
            until_ms: None,
            run_ends_ms: Vec::new(),
            pattern: None,
            wanted: Wanted::default(),
        };
        Reader::new(&self.source.file, &self.times, scope)
    }

    /// All that has come since.
    fn since(&self, place: Place) -> String {
        rest(&mut self.reader(From::Place(place), self.end()))
    }
}

fn numbers(range: std::ops::Range<u32>) -> String {
    range.map(|number| format!("{number:04}")).collect::<Vec<_>>().join(" ")
}

#[test]
fn who_reads_slowly_misses_nothing_that_rotation_moves_or_compresses_and_nothing_comes_twice() {
    let mut log = Log::new(SMALL);
    log.write(0..11);
    let late = log.end();
    let mut before = log.reader(From::Since(None), late.clone());
    assert!(matches!(before.next().unwrap(), Some(Passage::Line(line)) if line.bytes == b"0000"));
    log.write(11..17);
    let mut after = log.reader(From::Since(None), late.clone());
    compress_all(&log.source.file, &log.times);
    assert_eq!(rest(&mut before), numbers(1..11));
    assert_eq!(rest(&mut after), numbers(0..11), "what is younger is for a follower");
    assert_eq!(log.since(late), numbers(11..17));
}

#[test]
fn who_goes_on_when_files_were_dropped_is_told_how_many_bytes_are_missing() {
    for is_compressed in [false, true] {
        let mut log = Log::new(Rotation { keep: 2, ..SMALL });
        log.write(0..3);
        let place = log.end();
        log.write(3..11);
        if is_compressed {
            compress_all(&log.source.file, &log.times);
        }
        // The file of the place is held open, and of those behind it one was dropped.
        assert_eq!(log.since(place), format!("0003 <10 missing> {}", numbers(6..11)), "{is_compressed}");
    }
}

#[test]
fn who_goes_on_to_a_file_that_holds_nothing_yet_is_told_what_was_dropped_before_it() {
    let mut log = Log::new(Rotation { keep: 0, ..SMALL });
    log.write(0..1);
    let place = log.end();
    log.write(1..5);
    fs::File::options().write(true).open(&log.source.file).unwrap().set_len(0).unwrap();
    assert_eq!(log.since(place), "0001 <10 missing>");
}

#[test]
fn a_stream_does_not_end_in_a_file_of_which_it_is_not_known_yet_what_came_before() {
    let mut log = Log::new(SMALL);
    log.write(0..3);
    log.writer.set_aside_now(3);
    fs::write(&log.source.file, "").unwrap();
    assert_eq!(log.end().reached(), Some(15));
    let inode = files::inode(&log.source.file).unwrap();
    assert_ne!(log.end().inode, inode);
    let _index = Recorder::open(&log.times, inode, 0, 15);
    assert_eq!((log.end().inode, log.end().reached()), (inode, Some(15)));
}

#[test]
fn files_that_are_dropped_while_they_are_read_are_told_of() {
    let mut log = Log::new(Rotation { keep: 3, ..SMALL });
    log.write(0..9);
    let mut reader = log.reader(From::Since(None), log.end());
    assert!(matches!(reader.next().unwrap(), Some(Passage::Line(line)) if line.bytes == b"0002"));
    log.write(9..13);
    assert_eq!(rest(&mut reader), "0003 <10 missing> 0006 0007 0008");
}

#[test]
fn who_goes_on_reads_on_when_somebody_moved_the_file_or_keeps_none() {
    let mut log = Log::new(Rotation { keep: 0, ..SMALL });
    log.write(0..1);
    let place = log.end();
    log.write(1..3);
    assert_eq!(log.since(place), "0001 0002");
    let place = log.end();
    let mut file = fs::OpenOptions::new().append(true).open(&log.source.file).unwrap();
    file.write_all(b"more\n").unwrap();
    fs::rename(&log.source.file, log.source.file.with_extension("old")).unwrap();
    log.write(3..4);
    assert_eq!(log.since(place), "more 0003");
}

#[test]
fn a_file_that_was_cut_short_is_read_from_its_beginning() {
    let mut log = Log::new(Rotation { size_max: 1000, ..SMALL });
    log.write(0..4);
    let place = log.end();
    fs::File::options().write(true).open(&log.source.file).unwrap().set_len(0).unwrap();
    log.write(4..6);
    assert_eq!(log.since(place), "0004 0005");
}

/// As the pump does it.
pub(super) fn compress_all(file: &Path, times: &Path) {
    while let Some(job) = press::next(file, times) {
        let aside = fs::File::open(&job.path).unwrap();
        press::press(&aside, &job).unwrap();
        fs::rename(&job.made, files::pressed_form(&job.path)).unwrap();
        fs::remove_file(&job.path).unwrap();
    }
}
