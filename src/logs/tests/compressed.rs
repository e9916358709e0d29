use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;

use super::{Rig, all_lines, lines, name, wait_until};
use crate::logs::files;
use crate::logs::pattern::Pattern;
use crate::logs::query::{Query, Source};
use crate::spec::log::{Compression, Rotation};
use crate::vocab::line_count::LineCount;
use crate::vocab::stream::Stream;

const PRESSED: Rotation =
    Rotation { size_max: 600, keep: 20, every: None, total_max: None, compression: Compression::Gzip };

/// Three thousand bytes of numbered lines through a pump that compresses, until all that was set aside is compressed.
fn written() -> (Rig, Query) {
    let rig = Rig::new();
    let mut writer = rig.stream("a", PRESSED);
    for number in 0..250 {
        writeln!(writer, "line {number:05}").unwrap();
        rig.drain("a");
    }
    let file = rig.path("logs").join("a");
    wait_until(|| files::set_aside(&file).values().all(|path| files::is_pressed(path)));
    let query =
        all_lines(vec![Source { service: name("a"), stream: Stream::Stdout, file }], rig.path("times"));
    (rig, query)
}

fn numbered(numbers: impl Iterator<Item = u32>) -> String {
    numbers.map(|number| format!("line {number:05}")).collect::<Vec<_>>().join(" ")
}

#[test]
fn what_is_compressed_is_read_searched_and_counted_like_any_other() {
    let (rig, query) = written();
    assert!(files::set_aside(&query.sources[0].file).len() >= 4);
    assert_eq!(lines(&query), numbered(0..250));
    for count in [1, 30, 49, 51, 120, 249, 250, 251] {
        let last = Query { last: LineCount::Last(count as usize), ..query.clone() };
        assert_eq!(lines(&last), numbered(250_u32.saturating_sub(count)..250), "{count}");
    }
    let pattern = Some(Pattern::parse("0017[0-2]|00003").unwrap());
    assert_eq!(lines(&Query { pattern, ..query.clone() }), numbered([3, 170, 171, 172].into_iter()));
    let compressed = files::all(&query.sources[0].file).into_iter().next().unwrap();
    assert_eq!(fs::metadata(&compressed).unwrap().permissions().mode() & 0o777, 0o640);
    assert!(!files::pressing_path(&query.sources[0].file).exists());
    drop(rig);
}

#[test]
fn the_times_of_lines_are_known_after_their_file_was_compressed() {
    let (rig, query) = written();
    let all = files::all(&query.sources[0].file);
    // Each file has an index of its own, and none is left of those that went.
    assert_eq!(fs::read_dir(rig.path("times")).unwrap().count(), all.iter().filter(|it| it.exists()).count());
    // The second of its lines arrived a minute after the first.
    let inode = files::inode(&all[1]).unwrap();
    let entries = [(0_u64, 5_000_u64), (11, 65_000)];
    let bytes = entries.iter().flat_map(|(offset, ms)| [offset.to_le_bytes(), ms.to_le_bytes()].concat());
    fs::write(crate::logs::times::path(&rig.path("times"), inode), bytes.collect::<Vec<u8>>()).unwrap();
    fs::remove_file(&all[0]).unwrap();
    let first: u32 = lines(&query).split(' ').nth(1).unwrap().parse().unwrap();
    assert_eq!(lines(&Query { until_ms: Some(65_000), ..query.clone() }), numbered(first..=first));
    assert_eq!(lines(&Query { since_ms: Some(65_000), ..query.clone() }), numbered(first + 1..250));
}

#[test]
fn a_death_in_the_midst_of_compressing_leaves_no_half_file_and_no_line_twice() {
    let (rig, query) = written();
    let file = &query.sources[0].file;
    // Killed before the new file had its name, …
    fs::write(files::pressing_path(file), "half").unwrap();
    assert_eq!(lines(&query), numbered(0..250));
    // … or before the old one was removed.
    let newest = files::set_aside_path(file, 1);
    fs::write(&newest, "line 00999\n".repeat(50)).unwrap();
    assert!(files::pressed_path(file, 1).exists());
    assert_eq!(lines(&query).matches("line 00999").count(), 50);
    // Whoever comes next finishes it.
    rig.attach("a", file.clone(), Rotation { keep: 21, ..PRESSED });
    wait_until(|| !newest.exists() && !files::pressing_path(file).exists());
    assert_eq!(lines(&query).matches("line 00999").count(), 50);
}
