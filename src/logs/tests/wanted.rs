use std::fs;
use std::io::Write;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::name;
use crate::logs::pattern::Pattern;
use crate::logs::place::ends;
use crate::logs::query::Source;
use crate::logs::reader::{From, Passage, Reader, Scope};
use crate::logs::wanted::Wanted;
use crate::vocab::stream::Stream;

/// A stream whose current file is empty, and whose one before has a hit at either end of much else.
fn reader(dir: &Path, is_pressed: bool, wanted: &Wanted) -> Reader {
    let file = dir.join("a");
    let text = format!("hit 1\n{}hit 2\n", "something else\n".repeat(100_000));
    fs::write(&file, "").unwrap();
    if is_pressed {
        let made = fs::File::create(dir.join("a.1.gz")).unwrap();
        let mut encoder = GzEncoder::new(made, Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap();
    } else {
        fs::write(dir.join("a.1"), text).unwrap();
    }
    let source = Source { service: name("a"), stream: Stream::Stdout, file };
    let to = ends(std::slice::from_ref(&source), dir).unwrap().pop().flatten().unwrap();
    let pattern = Some(Pattern::parse("hit").unwrap());
    let (from, until_ms, run_ends_ms) = (From::Since(None), None, Vec::new());
    let scope = Scope { from, to, until_ms, run_ends_ms, pattern, wanted: wanted.clone() };
    Reader::new(&source.file, dir, scope)
}

#[test]
fn a_file_is_not_searched_to_its_end_for_nobody() {
    for is_pressed in [false, true] {
        let (dir, wanted) = (tempfile::tempdir().unwrap(), Wanted::default());
        let mut reader = reader(dir.path(), is_pressed, &wanted);
        assert!(matches!(reader.next().unwrap(), Some(Passage::Line(line)) if line.bytes == b"hit 1"));
        wanted.end();
        assert!(reader.next().is_err(), "{is_pressed}");
    }
}

#[test]
fn the_last_lines_are_not_counted_for_nobody() {
    for is_pressed in [false, true] {
        let (dir, wanted) = (tempfile::tempdir().unwrap(), Wanted::default());
        let mut reader = reader(dir.path(), is_pressed, &wanted);
        assert_eq!(reader.skip_to_last(9).unwrap(), 9);
        wanted.end();
        assert!(reader.skip_to_last(9).is_err(), "{is_pressed}");
    }
}
