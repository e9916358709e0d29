use std::fs;
use std::io::Write;
use std::ops::ControlFlow;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::{all_lines, name};
use crate::logs::pattern::Pattern;
use crate::logs::place::ends;
use crate::logs::query::{self, Item, Query, Source};
use crate::vocab::line_count::LineCount;
use crate::vocab::stream::Stream;

/// How many lines each file has.
const LINES: u32 = 5000;
const COUNT: usize = LINES as usize;

/// What may become of a compressed file.
#[derive(Debug, Clone, Copy)]
enum Damage {
    CutShort,
    Emptied,
    /// A byte of its midst is another one.
    Changed,
    /// The sum of all its bytes is another one.
    Unproven,
    NeverCompressed,
}

const DAMAGES: [Damage; 5] =
    [Damage::CutShort, Damage::Emptied, Damage::Changed, Damage::Unproven, Damage::NeverCompressed];

/// The logs of two services: `a` has three compressed files, of which the midmost is damaged, and its current one; `b` has that alone.
struct Logs {
    _dir: tempfile::TempDir,
    query: Query,
}

impl Logs {
    fn new(damage: Damage) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = |file: &str| dir.path().join(file);
        fs::create_dir(path("times")).unwrap();
        write_pressed(&path("a.3.gz"), 0);
        write_pressed(&path("a.2.gz"), 1);
        harm(&path("a.2.gz"), damage);
        write_pressed(&path("a.1.gz"), 2);
        fs::write(path("a"), text(3)).unwrap();
        fs::write(path("b"), "b alone\n").unwrap();
        let source = |service: &str| Source {
            service: name(service),
            stream: Stream::Stdout,
            file: dir.path().join(service),
        };
        let query = all_lines(vec![source("a"), source("b")], path("times"));
        Self { _dir: dir, query }
    }
}

/// The numbers are in no order, so that they take room when they are compressed.
fn line(number: u32) -> String {
    format!("{number} {:x}", number.wrapping_mul(0x9E37_79B1))
}

fn text(file: u32) -> String {
    (file * LINES..(file + 1) * LINES).map(|number| line(number) + "\n").collect()
}

fn write_pressed(path: &Path, file: u32) {
    let mut encoder = GzEncoder::new(fs::File::create(path).unwrap(), Compression::default());
    encoder.write_all(text(file).as_bytes()).unwrap();
    encoder.finish().unwrap();
}

fn harm(path: &Path, damage: Damage) {
    let mut bytes = fs::read(path).unwrap();
    let length = bytes.len();
    match damage {
        Damage::CutShort => bytes.truncate(length / 2),
        Damage::Emptied => bytes.clear(),
        Damage::Changed => bytes[length / 2..length / 2 + 64].fill(0xFF),
        Damage::Unproven => bytes[length - 8] ^= 1,
        Damage::NeverCompressed => bytes = text(1).into_bytes(),
    }
    fs::write(path, bytes).unwrap();
}

/// The lines of `a`, those of `b`, and what was told.
#[derive(Debug, Default)]
struct Read {
    a: Vec<String>,
    b: usize,
    notes: Vec<String>,
    /// How many lines of `a` came before the last note.
    before_note: usize,
}

fn read(query: &Query) -> Read {
    let mut read = Read::default();
    query::read(query, &ends(&query.sources, &query.times).unwrap(), Vec::new(), |item| {
        match item {
            Item::Line(line) if line.service.as_str() == "a" => {
                read.a.push(String::from_utf8_lossy(&line.bytes).into_owned());
            }
            Item::Line(_) => read.b += 1,
            Item::Note(note) => {
                read.before_note = read.a.len();
                read.notes.push(format!("{note:?}"));
            }
            Item::Mark(mark) => panic!("{mark:?}"),
        }
        ControlFlow::Continue(())
    })
    .unwrap();
    read
}

fn lines(numbers: impl Iterator<Item = u32>) -> Vec<String> {
    numbers.map(line).collect()
}

#[test]
fn a_damaged_file_hides_no_line_of_another_and_is_named_behind_what_can_be_read_of_it() {
    for damage in DAMAGES {
        let Read { a, b, notes, before_note } = read(&Logs::new(damage).query);
        assert_eq!((b, notes.len()), (1, 1), "{damage:?}");
        assert!(notes[0].contains("a.2.gz"), "{damage:?}: {notes:?}");
        let (before, behind) = a.split_at(before_note);
        let (older, own) = before.split_at(COUNT);
        assert_eq!(older, lines(0..LINES), "{damage:?}");
        assert_eq!(behind, lines(2 * LINES..4 * LINES), "{damage:?}");
        let right = own.iter().zip(lines(LINES..2 * LINES)).take_while(|(own, line)| *own == line).count();
        match damage {
            // The last one has lost its end.
            Damage::CutShort => assert!((2000..3000).contains(&right) && own.len() <= right + 1, "{right}"),
            // What follows may look like lines, which only the sum of all bytes tells from what was written.
            Damage::Changed => assert!((2000..3000).contains(&right), "{right}"),
            Damage::Emptied | Damage::NeverCompressed => assert_eq!(own.len(), 0, "{damage:?}"),
            Damage::Unproven => assert_eq!((own.len(), right), (COUNT, COUNT)),
        }
    }
}

#[test]
fn the_last_lines_are_as_many_as_were_asked_for_also_where_a_damaged_file_lies_among_them() {
    for damage in DAMAGES {
        let logs = Logs::new(damage);
        let query = Query { sources: logs.query.sources[..1].to_vec(), ..logs.query.clone() };
        let all = read(&query).a;
        let own = all.len() - 3 * COUNT;
        for count in [1, 9_999, 10_000, 10_001, 10_000 + own, 10_001 + own, all.len() - 1, all.len(), 99_999]
        {
            let last = read(&Query { last: LineCount::Last(count), ..query.clone() });
            assert_eq!(last.a, all[all.len().saturating_sub(count)..], "{damage:?} {count}");
            assert_eq!(last.notes.len(), usize::from(count > 10_000), "{damage:?} {count}");
        }
    }
}

#[test]
fn a_search_tells_of_a_damaged_file_wherever_its_hits_lie() {
    for (pattern, hits) in [("^3 ", 1), ("^10007 ", 1), ("^(3|10007|10008) ", 3), ("^nowhere ", 0)] {
        let logs = Logs::new(Damage::Emptied);
        let query = Query { pattern: Some(Pattern::parse(pattern).unwrap()), ..logs.query.clone() };
        for last in [LineCount::All, LineCount::Last(1), LineCount::Last(2), LineCount::Last(9)] {
            let read = read(&Query { last, ..query.clone() });
            let wanted = match last {
                LineCount::All => hits,
                LineCount::Last(count) => count.min(hits),
            };
            assert_eq!((read.a.len(), read.notes.len()), (wanted, 1), "{pattern} {last:?} {read:?}");
        }
    }
}
