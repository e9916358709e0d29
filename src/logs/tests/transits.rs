use std::fs;
use std::io::Write;
use std::path::Path;

use super::{Rig, name, pump, rotation, wait_until, whole};
use crate::logs::pump::StreamKey;
use crate::logs::transits::Transits;
use crate::spec::log::Rotation;
use crate::sys::pipe;
use crate::sys::stash::Stash;
use crate::vocab::stream::Stream;

fn key() -> StreamKey {
    StreamKey { service: name("a"), stream: Stream::Stdout }
}

/// A transit pipe in that directory which a supervisor that is gone has left there, held by the stash alone.
fn left(dir: &Path, text: &str) -> Stash {
    let stash = Stash::new().unwrap();
    let transit = Transits::new(dir.to_owned(), stash.clone()).of(&key(), 4096).unwrap();
    fs::File::from(transit).write_all(text.as_bytes()).unwrap();
    stash
}

#[cfg(target_os = "linux")]
#[test]
fn what_a_supervisor_left_between_pipe_and_file_comes_first() {
    let mut rig = Rig::new();
    let stash = left(&rig.path("transits"), "one\ntw");
    (rig.pump, rig.heard) = pump(rig.dir.path(), &stash);
    let mut writer = rig.stream("a", rotation(8, 10));
    // Though its service writes nothing.
    wait_until(|| whole(&rig.path("logs").join("a")) == "one\ntw");
    writer.write_all(b"o\nthree\n").unwrap();
    rig.drain("a");
    assert_eq!(whole(&rig.path("logs").join("a")), "one\ntwo\nthree\n");
}

#[test]
fn what_is_left_between_pipe_and_file_outlives_one_supervisor_after_the_other() {
    let dir = tempfile::tempdir().unwrap();
    let stash = left(dir.path(), "kept\n");
    for _ in 0..3 {
        let before = stash.contents();
        let transits = Transits::new(dir.path().to_owned(), stash.clone());
        transits.hold_again().unwrap();
        stash.let_go(before).unwrap();
        assert_eq!(pipe::bytes_waiting(&transits.existing(&key()).unwrap()).unwrap(), 5);
    }
    stash.let_go(stash.contents()).unwrap();
    let transits = Transits::new(dir.path().to_owned(), stash);
    assert!(transits.existing(&key()).is_none(), "an empty one is of no use to anybody");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[cfg(target_os = "linux")]
#[test]
fn a_stream_that_brings_much_has_a_second_pipe_for_as_long_as_it_is_there() {
    let rig = Rig::new();
    let mut writer = rig.stream("a", Rotation { size_max: 100 << 20, ..Rotation::default() });
    let held = rig.stash.contents();
    let line = [b'x'; 99].as_slice();
    let block = [line, b"\n"].concat().repeat(10_000);
    let transit = rig.path("transits").join("a.out");
    let mut blocks = 0;
    wait_until(|| {
        writer.write_all(&block).unwrap();
        blocks += 1;
        transit.exists() && blocks > 20
    });
    rig.drain("a");
    assert_ne!(rig.stash.contents(), held, "the stash holds it");
    assert_eq!(fs::read(rig.path("logs").join("a")).unwrap(), block.repeat(blocks));
    rig.pump.detach(key());
    wait_until(|| !transit.exists());
}
