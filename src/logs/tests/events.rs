use std::fs;
use std::io::Write;

use super::{Rig, wait_until};
use crate::logs::pump::Destination;
use crate::logs::tap::{Heard, Part};
use crate::spec::log::{OutputEvents, Rotation};

fn told_of(rig: &Rig, events: OutputEvents) -> Destination {
    Destination { events, ..Destination::file(rig.path("logs").join("a"), Rotation::default()) }
}

fn parts(heard: &Heard) -> Vec<(bool, String)> {
    let words = |part: &Part| match part {
        Part::Written(text) => (false, String::from_utf8(text.clone()).unwrap()),
        Part::Captured(text) => (true, String::from_utf8(text.clone()).unwrap()),
    };
    heard.parts.iter().map(words).collect()
}

#[test]
fn what_stands_between_the_marks_is_told_and_not_in_the_log() {
    let mut rig = Rig::new();
    rig.attach_to("a", told_of(&rig, OutputEvents { log: false, capture_max: 1000 }));
    let mut writer = rig.writer("a");
    // No newline ends it, and the mark comes in two writes.
    writer.write_all(b"before\n<!--XSUPERVISOR:BEGIN-->the").unwrap();
    writer.write_all(b" message<!--XSUPERV").unwrap();
    wait_until(|| fs::read(rig.path("logs").join("a")).is_ok_and(|text| text == b"before\n"));
    writer.write_all(b"ISOR:END-->after\n").unwrap();
    let heard = rig.heard.blocking_recv().unwrap();
    assert_eq!(parts(&heard), [(true, "the message".to_owned())]);
    rig.drain("a");
    assert_eq!(fs::read_to_string(rig.path("logs").join("a")).unwrap(), "before\nafter\n");
    // A run that ends in the midst of it leaves it in the log, and the next one begins afresh.
    writer.write_all(b"<!--XSUPERVISOR:BEGIN-->cut off\n").unwrap();
    rig.drain("a");
    writer.write_all(b"next run\n").unwrap();
    rig.drain("a");
    let text = fs::read_to_string(rig.path("logs").join("a")).unwrap();
    assert_eq!(text, "before\nafter\ncut off\nnext run\n");
}

#[test]
fn whoever_hears_too_slowly_makes_the_stream_wait_and_nothing_is_lost() {
    let mut rig = Rig::new();
    rig.attach_to("a", told_of(&rig, OutputEvents { log: true, capture_max: 0 }));
    let mut writer = rig.writer("a");
    let text = "grüße\n".repeat(1_000_000);
    let written = text.clone();
    let write = std::thread::spawn(move || writer.write_all(written.as_bytes()).unwrap());
    let mut told = String::new();
    while told.len() < text.len() {
        let heard = rig.heard.blocking_recv().unwrap();
        told.extend(parts(&heard).into_iter().map(|(_, text)| text));
    }
    write.join().unwrap();
    assert!(told == text);
    rig.drain("a");
    assert_eq!(fs::metadata(rig.path("logs").join("a")).unwrap().len(), u64::try_from(text.len()).unwrap());
}
