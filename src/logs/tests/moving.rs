use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::{name, rotation, series};
use crate::logs::disposal::Disposal;
use crate::logs::place::{Place, ends};
use crate::logs::plan::Plan;
use crate::logs::query::Source;
use crate::logs::series::Series;
use crate::logs::shelf::Shelf;
use crate::vocab::stream::Stream;

/// A log in a directory of its own, with some files of two lines each.
struct Log {
    _dir: tempfile::TempDir,
    source: Source,
    times: PathBuf,
    writer: Series,
}

const FILES: u64 = 40;

impl Log {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (file, times) = (dir.path().join("a"), dir.path().join("times"));
        fs::create_dir(&times).unwrap();
        let writer = series(&file, rotation(10, 100_000), times.clone());
        let source = Source { service: name("a"), stream: Stream::Stdout, file };
        let mut log = Self { _dir: dir, source, times, writer };
        log.write(0..2 * FILES);
        log
    }

    fn write(&mut self, numbers: std::ops::Range<u64>) {
        for number in numbers {
            self.writer.append(format!("{number:04}\n").as_bytes(), number).unwrap();
        }
    }

    fn end(&self) -> Place {
        end(&self.source, &self.times)
    }
}

fn end(source: &Source, times: &Path) -> Place {
    ends(std::slice::from_ref(source), times).unwrap().pop().flatten().unwrap()
}

#[test]
fn a_file_is_found_however_often_rotation_moves_it_on() {
    let log = Log::new();
    let (file, times) = (log.source.file.clone(), log.times.clone());
    let plan = Plan::new(&file, &times, None, &log.end());
    assert_eq!(plan.count() as u64, FILES);
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let disposal = Disposal::default();
            let shelf = Shelf { path: &file, keep: 100_000, times: &times, disposal: &disposal };
            for _ in 0..1000 {
                fs::write(&file, "more\n").unwrap();
                shelf.set_aside().unwrap();
                if is_over.load(Ordering::Relaxed) {
                    break;
                }
            }
        });
        // The oldest one gets names that nothing had before.
        let found = (0..400).filter(|_| plan.open(0).unwrap().is_some()).count();
        is_over.store(true, Ordering::Relaxed);
        assert_eq!(found, 400);
    });
}

#[test]
fn the_end_of_a_stream_never_goes_back_while_its_files_are_moved() {
    let mut log = Log::new();
    let (source, times) = (log.source.clone(), log.times.clone());
    thread::scope(|scope| {
        let writes = scope.spawn(|| log.write(2 * FILES..2 * FILES + 200));
        let mut last = end(&source, &times);
        while !writes.is_finished() {
            let next = end(&source, &times);
            assert!(!next.is_earlier(&last), "{next:?} after {last:?}");
            // How much came before a file is known a moment after its name.
            if next.reached().is_some() {
                assert!(next.reached() >= last.reached(), "{:?} after {:?}", next.path, last.path);
                last = next;
            }
        }
    });
}

#[test]
fn of_two_files_the_one_is_earlier_whose_bytes_came_first() {
    let mut log = Log::new();
    let early = log.end();
    log.write(2 * FILES..2 * FILES + 3);
    let late = log.end();
    assert!(early.is_earlier(&late));
    assert!(!late.is_earlier(&early) && !early.is_earlier(&early));
}
