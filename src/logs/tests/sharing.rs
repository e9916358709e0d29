use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::PathBuf;

use flate2::read::MultiGzDecoder;

use super::{Rig, name, rotation, wait_until, whole};
use crate::logs::files;
use crate::spec::log::{Compression, Rotation};

/// Of both threads, where there are two.
const SERVICES: [&str; 6] = ["a", "b", "g", "h", "k", "m"];
const LINES: usize = 20_000;

/// Writes numbered lines of one service in chunks that end in the midst of lines, as a program does that buffers what it prints.
fn write_lines(service: &str, mut writer: File) {
    let text: String = (0..LINES).map(|number| format!("{service} {number:06} of a line\n")).collect();
    text.as_bytes().chunks(1000).for_each(|chunk| writer.write_all(chunk).unwrap());
}

/// Lets all services write into one file at once, and returns what is in its series then.
fn written_by_all(rig: &Rig, rotation: Rotation) -> String {
    fs::create_dir(rig.path("logs")).unwrap();
    std::os::unix::fs::symlink("logs", rig.path("link")).unwrap();
    for (service, directory) in SERVICES.into_iter().zip(["logs", "logs", "link"].into_iter().cycle()) {
        rig.attach(service, rig.path(directory).join("all"), rotation);
    }
    SERVICES.iter().for_each(|service| rig.drain(service));
    std::thread::scope(|scope| {
        for service in SERVICES {
            let writer = rig.writer(service);
            scope.spawn(move || write_lines(service, writer));
        }
    });
    SERVICES.iter().for_each(|service| rig.drain(service));
    whole(&rig.path("logs").join("all"))
}

fn assert_each_line_once_and_in_order(found: &str) {
    assert_eq!(found.len(), SERVICES.len() * LINES * "a 000000 of a line\n".len());
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for line in found.lines() {
        let service = SERVICES.into_iter().find(|service| line.starts_with(service)).unwrap_or("?");
        let count = counts.entry(service).or_default();
        assert_eq!(line, format!("{service} {count:06} of a line"));
        *count += 1;
    }
    assert_eq!(counts, SERVICES.map(|service| (service, LINES)).into());
}

#[test]
fn services_that_share_a_file_lose_no_line_cut_none_and_double_none() {
    let rig = Rig::new();
    assert_each_line_once_and_in_order(&written_by_all(&rig, Rotation::default()));
}

#[test]
fn rotations_of_a_file_that_services_share_lose_nothing() {
    let rig = Rig::new();
    assert_each_line_once_and_in_order(&written_by_all(&rig, rotation(40_000, 10_000)));
}

#[test]
fn files_that_services_share_are_compressed_one_after_the_other() {
    let rig = Rig::new();
    let pressing = Rotation { compression: Compression::Gzip, ..rotation(900_000, 10_000) };
    drop(written_by_all(&rig, pressing));
    let file = rig.path("logs").join("all");
    let aside = || files::set_aside(&file);
    wait_until(|| aside().values().all(|path| files::is_pressed(path)));
    assert!(aside().len() >= 2);
    let unpacked = |path: &PathBuf| {
        let mut text = String::new();
        let bytes = fs::read(path).unwrap();
        MultiGzDecoder::new(&*bytes).read_to_string(&mut text).unwrap();
        text
    };
    let text: String = aside().values().rev().map(unpacked).collect();
    assert_each_line_once_and_in_order(&(text + &fs::read_to_string(&file).unwrap()));
}

#[test]
fn the_last_words_of_a_run_are_its_own_where_others_write_into_its_file() {
    let rig = Rig::new();
    for service in ["a", "g"] {
        rig.attach(service, rig.path("logs").join("all"), Rotation::default());
        rig.pump.begin_run(name(service));
    }
    ["a", "g"].iter().for_each(|service| rig.drain(service));
    let [mut first, mut second] = ["a", "g"].map(|service| rig.writer(service));
    for number in 0..100 {
        writeln!(first, "a {number}").unwrap();
        writeln!(second, "g {number}").unwrap();
    }
    rig.drain("g");
    let words = rig.pump.end_run(name("a")).blocking_recv().unwrap().stderr.unwrap();
    let words = String::from_utf8(words).unwrap();
    assert!(words.ends_with("a 98\na 99\n") && words.lines().all(|line| line.starts_with('a')), "{words}");
}

#[test]
fn services_come_to_a_file_and_leave_it_while_they_write() {
    let rig = Rig::new();
    let to = |service: &str, file: &str| {
        rig.attach(service, rig.path("logs").join(file), rotation(3000, 10_000));
        rig.drain(service);
    };
    to("a", "all");
    to("g", "own");
    let mut writers = ["a", "g"].map(|service| rig.writer(service));
    for file in ["own", "all", "own", "all"] {
        to("g", file);
        for number in 0..500 {
            for (service, writer) in ["a", "g"].into_iter().zip(&mut writers) {
                writeln!(writer, "{service} {file} {number}").unwrap();
            }
        }
        rig.drain("a");
        rig.drain("g");
    }
    let [all, own] = ["all", "own"].map(|file| whole(&rig.path("logs").join(file)));
    let count = |text: &str, line: &str| text.lines().filter(|it| it.starts_with(line)).count();
    assert_eq!([count(&all, "a own "), count(&all, "a all "), count(&all, "g all ")], [1000, 1000, 1000]);
    assert_eq!([count(&own, "g own "), own.lines().count(), all.lines().count()], [1000, 1000, 3000]);
}
