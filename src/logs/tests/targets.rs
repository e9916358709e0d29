use std::fs::{self, File};
use std::io::Write;
use std::os::unix::net::UnixDatagram;

use nix::fcntl::{FcntlArg, OFlag, fcntl};

use super::{Rig, name, wait_until, whole};
use crate::logs::loss::Lost;
use crate::logs::pump::Destination;
use crate::spec::log::{Delivery, Envelope, Escapes, OnFull, Rotation, Sockets, Target};
use crate::sys::pipe::{self, Waiting};

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

/// Attaches a stream with an envelope whose pipe holds so many bytes; its writer.
#[cfg(target_os = "linux")]
fn with_small_pipe(rig: &Rig, bytes: i32) -> File {
    pipe::make_fifo(&rig.fifo("a")).unwrap();
    let writer: File = pipe::open_read_write(&rig.fifo("a"), Waiting::Allowed).unwrap().into();
    fcntl(&writer, FcntlArg::F_SETPIPE_SZ(bytes)).unwrap();
    rig.attach_to("a", destination(rig, Delivery { envelope: Envelope::Timestamp, ..Delivery::default() }));
    writer
}

/// Waits until the log has all of this, in pieces or not.
#[cfg(target_os = "linux")]
fn wait_for_text(rig: &Rig, expected: &str) {
    let log = rig.path("logs").join("a");
    wait_until(|| {
        let mut text = String::new();
        for line in fs::read_to_string(&log).unwrap_or_default().lines() {
            let (piece, goes_on) = (&line["2025-11-26T00:58:51.042Z+".len()..], line.as_bytes()[24] == b'+');
            text.push_str(piece);
            text.push_str(if goes_on { "" } else { "\n" });
        }
        text == expected
    });
}

#[cfg(target_os = "linux")]
#[test]
fn a_line_that_fills_its_pipe_is_passed_in_pieces_and_its_writer_goes_on() {
    let texts = [
        vec![format!("{}\n", "x".repeat(30_000))],
        vec!["\u{20ac}".repeat(10_000), "\n".to_owned()],
        // What is left of the first line's page has no room for the second one, and nobody else has.
        vec![format!("{}\n{}", "x".repeat(4089), "y".repeat(910)), format!("{}\n", "z".repeat(3999))],
    ];
    for text in texts {
        let rig = Rig::new();
        let mut writer = with_small_pipe(&rig, 8192);
        let written = text.clone();
        let writes = std::thread::spawn(move || {
            for part in written {
                writer.write_all(part.as_bytes()).unwrap();
            }
        });
        wait_for_text(&rig, &text.concat());
        writes.join().unwrap();
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_line_in_more_pieces_than_a_look_can_see_comes_through() {
    let rig = Rig::new();
    let mut writer = with_small_pipe(&rig, 1 << 20);
    // Each write has a page of the pipe for itself.
    fcntl(&writer, FcntlArg::F_SETFL(OFlag::O_DIRECT)).unwrap();
    for _ in 0..200 {
        writer.write_all(b"0123456789").unwrap();
    }
    writer.write_all(b"\n").unwrap();
    wait_for_text(&rig, &format!("{}\n", "0123456789".repeat(200)));
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
