use super::{Destination, Portion, Series};
use crate::logs::files::{self, all, set_aside_path};
use crate::logs::pump::SetAside;
use crate::spec::log::{Every, Rotation};
use crate::sys::source::{SidePipe, Source};
use crate::sys::space;
use proptest::prelude::*;
use std::fs;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

fn series(dir: &Path, size_max: u64, keep: u32) -> (Series, PathBuf) {
    let path = dir.join("logs/a.out.log");
    fs::create_dir_all(dir.join("times")).unwrap();
    (with(dir, Rotation { size_max, keep, ..Rotation::default() }), path)
}

fn with(dir: &Path, rotation: Rotation) -> Series {
    let file = dir.join("logs/a.out.log");
    Series::new(Destination::file(file, rotation), dir.join("times"))
}

impl Series {
    /// Takes these bytes through a pipe.
    pub(in crate::logs) fn append(&mut self, mut bytes: &[u8], unix_ms: u64) -> std::io::Result<()> {
        let (pipe, mut writer) = std::io::pipe()?;
        nix::fcntl::fcntl(&pipe, nix::fcntl::FcntlArg::F_SETFL(nix::fcntl::OFlag::O_NONBLOCK))?;
        let (mut source, mut side) = (Source::new(pipe.into()), SidePipe::default());
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(4096));
            writer.write_all(now)?;
            while source.waiting() > 0 {
                self.take(&mut source, &mut side, Portion { bytes_max: usize::MAX, unix_ms })?;
            }
            bytes = later;
        }
        Ok(())
    }
}

/// The files of a series, oldest first.
fn contents(path: &Path) -> Vec<Vec<u8>> {
    let aside = (1..1000).map(|number| set_aside_path(path, number)).take_while(|path| path.exists());
    let mut files: Vec<PathBuf> = aside.collect();
    files.reverse();
    files.push(path.to_owned());
    files.iter().filter_map(|path| fs::read(path).ok()).collect()
}

proptest! {
    #[test]
    fn rotation_loses_nothing_doubles_nothing_and_cuts_no_line(
        lines in proptest::collection::vec(0_usize..60, 1..60),
        chunk in 1_usize..50,
        size_max in 1_u64..120,
    ) {
        let dir = tempfile::tempdir().unwrap();
        let (mut series, path) = series(dir.path(), size_max, 900);
        let text: Vec<u8> = lines
            .iter()
            .enumerate()
            .flat_map(|(number, length)| [vec![b'a' + u8::try_from(number % 26).unwrap(); *length], vec![b'\n']].concat())
            .collect();
        for chunk in text.chunks(chunk) {
            series.append(chunk, 1).unwrap();
        }
        let files = contents(&path);
        prop_assert_eq!(files.concat(), text);
        for file in &files[..files.len() - 1] {
            prop_assert!(file.ends_with(b"\n"));
            let lines = file.iter().filter(|byte| **byte == b'\n').count();
            prop_assert!(file.len() as u64 <= size_max || lines == 1 || file[..file.len() - 1].contains(&b'\n'));
        }
    }
}

#[test]
fn only_so_many_files_are_kept_and_their_indexes_go_with_them() {
    let dir = tempfile::tempdir().unwrap();
    let (mut series, path) = series(dir.path(), 10, 2);
    for number in 0..9 {
        series.append(format!("line {number}\n").as_bytes(), 1).unwrap();
    }
    assert_eq!(contents(&path).concat(), b"line 6\nline 7\nline 8\n");
    assert_eq!(fs::read_dir(dir.path().join("times")).unwrap().count(), 3);
}

#[test]
fn a_file_that_is_renamed_removed_or_truncated_from_outside_is_followed() {
    let dir = tempfile::tempdir().unwrap();
    let (mut series, path) = series(dir.path(), 1000, 2);
    let mut write = |text: &str| {
        series.append(text.as_bytes(), 1).unwrap();
    };
    write("one\n");
    fs::rename(&path, dir.path().join("moved")).unwrap();
    write("two\n");
    assert_eq!(fs::read_to_string(&path).unwrap(), "two\n");
    fs::write(&path, "").unwrap();
    write("three\n");
    assert_eq!(fs::read_to_string(&path).unwrap(), "three\n");
    fs::remove_dir_all(path.parent().unwrap()).unwrap();
    write("four\n");
    assert_eq!(fs::read_to_string(&path).unwrap(), "four\n");
}

#[test]
fn an_open_line_of_an_earlier_life_is_not_cut() {
    let dir = tempfile::tempdir().unwrap();
    let (mut first, path) = series(dir.path(), 10, 2);
    first.append(b"12345678", 1).unwrap();
    let (mut second, _) = series(dir.path(), 10, 2);
    second.append(b"9abc\nnext\n", 1).unwrap();
    assert_eq!(contents(&path), [b"123456789abc\n".to_vec(), b"next\n".to_vec()]);
}

fn is_quiet(dir: &Path) -> bool {
    !dir.join("logs/a.out.log.rotating").exists()
}

#[test]
fn a_rotation_that_fails_doubles_nothing_holds_nothing_up_and_is_tried_again() {
    let dir = tempfile::tempdir().unwrap();
    let (mut series, path) = series(dir.path(), 10, 2);
    // No file can take the name of a directory that is not empty.
    let obstacle = set_aside_path(&path, 1);
    fs::create_dir_all(obstacle.join("x")).unwrap();
    fs::create_dir_all(set_aside_path(&path, 2).join("x")).unwrap();
    let mut text = Vec::new();
    for number in 0..20 {
        let line = format!("line {number}\n");
        series.append(line.as_bytes(), 1).unwrap();
        text.extend(line.into_bytes());
        assert_eq!(fs::read(&path).unwrap(), text);
        assert!(is_quiet(dir.path()));
    }
    fs::remove_dir_all(&obstacle).unwrap();
    fs::remove_dir_all(set_aside_path(&path, 2)).unwrap();
    series.append(b"last\n", 1).unwrap();
    assert_eq!(contents(&path), [text, b"last\n".to_vec()]);
}

#[test]
fn a_rotation_that_failed_waits_for_bytes_or_for_time() {
    let check = |bytes: usize, unix_ms: u64, is_tried: bool| {
        let dir = tempfile::tempdir().unwrap();
        let (mut series, path) = series(dir.path(), 100, 2);
        let obstacle = dir.path().join("logs/a.out.log.rotating");
        fs::create_dir_all(obstacle.join("x")).unwrap();
        series.append(&[[b'x'; 98].as_slice(), b"\nyy\n"].concat(), 1).unwrap();
        fs::remove_dir_all(&obstacle).unwrap();
        series.append(&[vec![b'z'; bytes - 1], b"\n".to_vec()].concat(), unix_ms).unwrap();
        series.append(b"end\n", unix_ms).unwrap();
        assert_eq!(set_aside_path(&path, 1).exists(), is_tried, "{bytes} {unix_ms}");
    };
    check(2, 2, false);
    check(8, 2, true);
    check(2, 5001, true);
}

#[test]
fn a_rotation_that_always_fails_eats_no_history() {
    // The current file cannot be renamed, or those before it cannot be moved on.
    for stuck in ["a.out.log.rotating", "a.out.log.5"] {
        let dir = tempfile::tempdir().unwrap();
        let (mut series, path) = series(dir.path(), 10, 5);
        fs::create_dir_all(path.with_file_name(stuck).join("x")).unwrap();
        let old = |number| (set_aside_path(&path, number), format!("old {number}\n"));
        for (path, text) in (1..5).map(old) {
            fs::write(path, text).unwrap();
        }
        for number in 0..20_u64 {
            series.append(format!("line {number}\n").as_bytes(), number * 10_000).unwrap();
        }
        for (path, text) in (1..5).map(old) {
            assert_eq!(fs::read_to_string(path).unwrap(), text, "{stuck}");
        }
        assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 20, "{stuck}");
    }
}

/// The numbers of files set aside that are there.
fn numbers(path: &Path) -> Vec<u32> {
    files::set_aside(path).into_keys().collect()
}

#[test]
fn where_fewer_files_are_kept_than_before_the_older_ones_go_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let (mut series, path) = series(dir.path(), 10, 10);
    for number in 0..12 {
        series.append(format!("line {number:04}\n").as_bytes(), 1).unwrap();
    }
    fs::write(files::pressed_path(&path, 12), "older").unwrap();
    let keep = |keep| Destination::file(path.clone(), Rotation { size_max: 10, keep, ..Rotation::default() });
    series.configure(keep(3));
    assert_eq!(numbers(&path), [1, 2, 3]);
    assert!(fs::read_to_string(set_aside_path(&path, 3)).unwrap().starts_with("line 0008"));
    series.configure(keep(0));
    assert_eq!(numbers(&path), [0_u32; 0]);
    assert!(path.exists());
}

#[test]
fn where_an_earlier_supervisor_kept_more_files_the_older_ones_go_at_the_first_rotation() {
    let dir = tempfile::tempdir().unwrap();
    let (mut series, path) = series(dir.path(), 10, 3);
    series.append(b"line 0000\n", 1).unwrap();
    for number in [1, 2, 3, 4, 9, 1000] {
        fs::write(set_aside_path(&path, number), format!("older {number}\n")).unwrap();
    }
    fs::write(files::pressed_path(&path, 1000), "older").unwrap();
    series.append(b"line 0001\n", 1).unwrap();
    assert_eq!(contents(&path), [&b"older 2\n"[..], b"older 1\n", b"line 0000\n", b"line 0001\n"]);
    assert_eq!(numbers(&path), [1, 2, 3]);
}

#[test]
fn a_rotation_that_a_death_cut_short_is_finished() {
    let dir = tempfile::tempdir().unwrap();
    let (mut series, path) = series(dir.path(), 100, 3);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path.with_file_name("a.out.log.rotating"), "two\n").unwrap();
    fs::write(set_aside_path(&path, 1), "one\n").unwrap();
    fs::write(set_aside_path(&path, 3), "zero\n").unwrap();
    assert_eq!(all(&path).len(), 4, "readers see every file of it");
    series.append(b"three\n", 1).unwrap();
    assert!(is_quiet(dir.path()));
    assert_eq!(contents(&path).concat(), b"zero\none\ntwo\nthree\n");
}

const HOUR_MS: u64 = 3_600_000;

#[test]
fn a_file_is_set_aside_at_a_line_s_end_when_its_part_of_the_day_is_over() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join("times")).unwrap();
    let hourly = Rotation { every: Some(Every::HOUR), ..Rotation::default() };
    let path = dir.path().join("logs/a.out.log");
    let mut series = with(dir.path(), hourly);
    assert_eq!(series.alarm(), None, "there is no file yet");
    series.append(b"one\ntw", 10 * HOUR_MS + 1).unwrap();
    // A zone may lie a part of an hour beside the hours of UTC.
    let end = series.alarm().unwrap();
    assert!(end > 10 * HOUR_MS + 1 && end <= 11 * HOUR_MS + 1);
    series.ring(end);
    assert!(path.exists() && !set_aside_path(&path, 1).exists(), "its last line has no end");
    assert_eq!(series.alarm(), None, "nobody is woken for it again");
    series.append(b"o\nthree\n", end + 5).unwrap();
    assert_eq!(contents(&path), [b"one\ntwo\n".to_vec(), b"three\n".to_vec()]);
    let end = series.alarm().unwrap();
    series.ring(end);
    assert_eq!(fs::read(set_aside_path(&path, 1)).unwrap(), b"three\n", "though no byte came");
    series.ring(end + HOUR_MS);
    assert!(!path.exists(), "no empty file is made, and none is set aside");
    assert_eq!(series.alarm(), None);
}

#[test]
fn the_next_supervisor_goes_on_with_the_part_of_the_day_that_a_file_began_in() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join("times")).unwrap();
    let daily = Rotation { every: Some(Every::DAY), ..Rotation::default() };
    let mut first = with(dir.path(), daily);
    first.append(b"one\n", 100 * HOUR_MS).unwrap();
    let second = with(dir.path(), daily);
    assert_eq!(second.alarm(), first.alarm());
    assert!(second.alarm().is_some());
}

#[test]
fn what_is_set_aside_on_request_ends_with_a_line() {
    let dir = tempfile::tempdir().unwrap();
    let (mut series, path) = series(dir.path(), 1000, 3);
    assert_eq!(series.set_aside_now(1), SetAside::Empty);
    series.append(b"one\ntw", 1).unwrap();
    assert_eq!(series.set_aside_now(2), SetAside::AtLineEnd);
    series.append(b"o\nthree\n", 3).unwrap();
    assert_eq!(contents(&path), [b"one\ntwo\n".to_vec(), b"three\n".to_vec()]);
    assert_eq!(series.set_aside_now(4), SetAside::Done);
    assert_eq!(contents(&path), [b"one\ntwo\n".to_vec(), b"three\n".to_vec()]);
    fs::create_dir_all(path.with_file_name("a.out.log.rotating").join("x")).unwrap();
    series.append(b"four\n", 5).unwrap();
    assert!(matches!(series.set_aside_now(6), SetAside::Failed(_)));
}

#[test]
fn both_files_of_a_service_together_stay_below_their_largest_size_and_the_oldest_go_first() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join("times")).unwrap();
    let rotation = Rotation { size_max: 20, keep: 100, total_max: Some(100), ..Rotation::default() };
    let [out, err] = ["a.out.log", "a.err.log"].map(|name| dir.path().join("logs").join(name));
    let of = |file: &PathBuf, beside: &PathBuf| {
        let destination = Destination {
            beside: Some(beside.as_path().into()),
            ..Destination::file(file.clone(), rotation)
        };
        Series::new(destination, dir.path().join("times"))
    };
    let (mut to_out, mut to_err) = (of(&out, &err), of(&err, &out));
    let total = || [&out, &err].iter().map(|path| contents(path).concat().len()).sum::<usize>();
    for number in 0..40 {
        to_out.append(format!("out {number:02} 56789\n").as_bytes(), 1).unwrap();
        assert!(total() <= 100, "{number}");
    }
    // Clocks of file systems are coarse.
    let long_ago = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1);
    for path in all(&out).iter().filter(|path| path.exists()) {
        fs::File::options().write(true).open(path).unwrap().set_modified(long_ago).unwrap();
    }
    for number in 0..20 {
        to_err.append(format!("err {number:02} 56789\n").as_bytes(), 1).unwrap();
        assert!(total() <= 100, "{number}");
    }
    assert_eq!(
        contents(&out).concat(),
        b"out 39 56789\n",
        "what was set aside of it is older than all of the other"
    );
    assert!(contents(&err).concat().ends_with(b"err 18 56789\nerr 19 56789\n"));
}

/// Brings so much at once that more is expected, where pipes hold so much; says what.
fn bring_much(series: &mut Series) -> Vec<u8> {
    let (pipe, mut writer) = std::io::pipe().unwrap();
    let (mut source, mut side) = (Source::new(pipe.into()), SidePipe::default());
    source.grow(1 << 20);
    source.grow(1 << 20);
    let text = b"a line\n".repeat(source.capacity() / 10);
    writer.write_all(&text).unwrap();
    while source.waiting() > 0 {
        series.take(&mut source, &mut side, Portion { bytes_max: usize::MAX, unix_ms: 1 }).unwrap();
    }
    text
}

#[test]
fn room_that_is_reserved_for_a_busy_stream_is_given_back_when_it_rests_or_its_file_is_set_aside() {
    let dir = tempfile::tempdir().unwrap();
    let excess = |path: &Path| {
        let found = fs::metadata(path).unwrap();
        (found.blocks() * 512).saturating_sub(found.len())
    };
    let can_reserve =
        space::reserve(&fs::File::create(dir.path().join("probe")).unwrap(), 0, 1 << 20).is_ok();
    let (mut series, path) = series(dir.path(), 50_000_000, 2);
    let is_reserved = || excess(&path) > 1 << 20;
    bring_much(&mut series);
    assert_eq!(is_reserved(), can_reserve);
    series.ring(500);
    assert_eq!(is_reserved(), can_reserve);
    series.ring(2000);
    assert!(!is_reserved());
    assert_eq!(series.alarm(), None);
    bring_much(&mut series);
    assert_eq!(is_reserved(), can_reserve);
    assert_eq!(series.set_aside_now(1), SetAside::Done);
    assert!(excess(&set_aside_path(&path, 1)) < 1 << 20);
    let text = bring_much(&mut series);
    // A supervisor that is killed gives nothing back; the next one does.
    std::mem::forget(series);
    assert_eq!(is_reserved(), can_reserve);
    let mut next = with(dir.path(), Rotation::default());
    next.append(b"one more\n", 1).unwrap();
    assert!(!is_reserved());
    assert_eq!(fs::read(&path).unwrap(), [text, b"one more\n".to_vec()].concat());
}
