use std::fs;
use std::io::Write;
use std::os::unix::net::UnixDatagram;

use super::{Rig, name, wait_until, whole};
use crate::logs::loss::Lost;
use crate::logs::pump::Destination;
use crate::spec::log::{Delivery, Envelope, Escapes, OnFull, Rotation, Sockets, Target};

/// A destination `logs/a` with daemons that listen in the rig's own directory.
fn destination(rig: &Rig, delivery: Delivery) -> Destination {
    let mut destination = Destination::file(rig.path("logs").join("a"), Rotation::default());
    destination.sockets = Sockets { syslog: rig.path("syslog"), journald: rig.path("journal") }.into();
    destination.delivery = delivery;
    destination
}

fn lost_of(rig: &Rig) -> Lost {
    rig.pump.missing_of(&name("a")).iter().map(|(_, missing)| missing.lost).sum()
}

#[test]
fn lines_go_to_every_target_that_is_named_and_into_the_file_as_they_came() {
    let rig = Rig::new();
    let daemon = UnixDatagram::bind(rig.path("syslog")).unwrap();
    let mut to = destination(&rig, Delivery::default());
    to.targets.insert(Target::Syslog);
    rig.attach_to("a", to);
    let mut writer = rig.writer("a");
    writer.write_all(b"one\ntw").unwrap();
    rig.drain("a");
    writer.write_all(b"o\n\xff\n").unwrap();
    rig.drain("a");
    assert_eq!(fs::read(rig.path("logs").join("a")).unwrap(), b"one\ntwo\n\xff\n");
    let mut message = [0; 1000];
    let received: Vec<Vec<u8>> = (0..4)
        .map(|_| {
            let length = daemon.recv(&mut message).unwrap();
            let at = message[..length].windows(4).position(|it| it == b" a: ").unwrap();
            message[at + 4..length].to_vec()
        })
        .collect();
    // What is there when a service ends is its last line.
    assert_eq!(received, [b"one".to_vec(), b"tw".to_vec(), b"o".to_vec(), b"\xff".to_vec()]);
}

#[test]
fn what_goes_nowhere_is_read_and_holds_nobody_up() {
    let rig = Rig::new();
    let mut to = destination(&rig, Delivery::default());
    to.targets.clear();
    rig.attach_to("a", to);
    let mut writer = rig.writer("a");
    writer.write_all(&b"a line\n".repeat(500_000)).unwrap();
    writer.write_all(&vec![b'x'; 3_000_000]).unwrap();
    rig.drain("a");
    assert!(!rig.path("logs").exists());
    assert_eq!(lost_of(&rig).lines, 0);
}

#[test]
fn enveloped_lines_are_whole_through_rotations_and_long_ones_are_cut() {
    let rig = Rig::new();
    let delivery = Delivery { envelope: Envelope::Json, ..Delivery::default() };
    let mut to = destination(&rig, delivery);
    to.rotation = Rotation { size_max: 50_000, keep: 1000, ..Rotation::default() };
    rig.attach_to("a", to);
    let mut writer = rig.writer("a");
    let mut expected = String::new();
    for number in 0..3000 {
        let line = format!("{} {number}", "x".repeat(number % 90 * (number % 7 / 6 * 200 + 1)));
        writeln!(writer, "{line}").unwrap();
        expected.push_str(&line);
        expected.push('\n');
    }
    rig.drain("a");
    let log = rig.path("logs").join("a");
    assert!(super::super::files::all(&log).len() > 5);
    let mut text = String::new();
    for line in whole(&log).lines() {
        let json: serde_json::Value = serde_json::from_str(line).unwrap();
        text.push_str(json["line"].as_str().unwrap());
        if json["partial"] != true {
            text.push('\n');
        }
    }
    assert_eq!(text, expected);
}

#[test]
fn control_sequences_are_taken_out_of_a_file_also_where_a_read_cuts_them() {
    let rig = Rig::new();
    rig.attach_to("a", destination(&rig, Delivery { escapes: Escapes::Stripped, ..Delivery::default() }));
    let mut writer = rig.writer("a");
    let log = rig.path("logs").join("a");
    for part in ["\x1b[1;31mred\x1b", "[0m and \x1b[", "2Kplain\n", "\x1b[32mend"] {
        writer.write_all(part.as_bytes()).unwrap();
        rig.drain("a");
    }
    assert_eq!(whole(&log), "red and plain\nend");
}

#[test]
fn a_service_that_would_rather_lose_lines_never_waits_for_a_disk_and_the_file_says_where_they_are_missing() {
    for envelope in [Envelope::None, Envelope::Timestamp] {
        let rig = Rig::new();
        fs::write(rig.path("logs"), "").unwrap();
        rig.attach_to(
            "a",
            destination(&rig, Delivery { on_full: OnFull::Drop, envelope, ..Delivery::default() }),
        );
        let mut writer = rig.writer("a");
        // Far more than a pipe holds.
        let written = 400_000;
        for number in 0..written {
            writeln!(writer, "line {number:06}").unwrap();
        }
        let lost = lost_of(&rig);
        assert!(lost.lines > 0 && lost.bytes > lost.lines);
        fs::remove_file(rig.path("logs")).unwrap();
        let log = rig.path("logs").join("a");
        wait_until(|| fs::read_to_string(&log).is_ok_and(|text| text.contains("line 399999\n")));
        let text = fs::read_to_string(&log).unwrap();
        let lost = lost_of(&rig);
        let said = format!("procman: {} lines ({} bytes) are missing here", lost.lines, lost.bytes);
        assert_eq!(text.lines().filter(|line| line.contains(&said)).count(), 1, "{said}");
        assert_eq!(text.lines().count() as u64 - 1 + lost.lines, written);
    }
}
