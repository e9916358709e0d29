use std::fs;
use std::path::Path;

use super::{name, series};
use crate::logs::end::ends;
use crate::logs::query::Source;
use crate::logs::reader::{Reader, Scope};
use crate::logs::{files, press};
use crate::spec::log::{Compression, Rotation};
use crate::vocab::stream::Stream;

/// Ten bytes of lines a file.
const SMALL: Rotation =
    Rotation { size_max: 10, keep: 20, every: None, total_max: None, compression: Compression::None };

fn rest(reader: &mut Reader) -> String {
    let next = || reader.next().unwrap().map(|line| String::from_utf8(line.bytes).unwrap());
    std::iter::from_fn(next).collect::<Vec<_>>().join(" ")
}

#[test]
fn who_reads_slowly_misses_nothing_that_rotation_moves_or_compresses_and_nothing_comes_twice() {
    let dir = tempfile::tempdir().unwrap();
    let (file, times) = (dir.path().join("a"), dir.path().join("times"));
    fs::create_dir(&times).unwrap();
    let mut writer = series(&file, SMALL, times.clone());
    let mut write = |numbers: std::ops::Range<u32>| {
        for number in numbers {
            writer.append(format!("{number:04}\n").as_bytes(), u64::from(number)).unwrap();
        }
    };
    write(0..11);
    let source = Source { service: name("a"), stream: Stream::Stdout, file: file.clone() };
    let scope = || Scope { end: ends(std::slice::from_ref(&source))[0], ..Scope::default() };
    let mut before = Reader::new(&file, &times, scope()).unwrap();
    assert_eq!(before.next().unwrap().unwrap().bytes, b"0000");
    let late = scope();
    write(11..17);
    let mut after = Reader::new(&file, &times, late).unwrap();
    compress_all(&file, &times);
    let expected: Vec<String> = (1..11).map(|number| format!("{number:04}")).collect();
    assert_eq!(rest(&mut before), expected.join(" "));
    assert_eq!(rest(&mut after), format!("0000 {}", expected.join(" ")), "what is younger is for a follower");
}

/// As the pump does it.
fn compress_all(file: &Path, times: &Path) {
    while let Some(job) = press::next(file, times) {
        let aside = fs::File::open(&job.path).unwrap();
        press::press(&aside, &job).unwrap();
        fs::rename(&job.made, files::pressed_form(&job.path)).unwrap();
        fs::remove_file(&job.path).unwrap();
    }
}
