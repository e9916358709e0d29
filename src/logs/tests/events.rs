use std::fs::{self, File};
use std::io::Write;

use super::{Rig, all_lines, lines, name, wait_until, whole};
use crate::logs::pump::{Destination, SetAside, StreamKey};
use crate::logs::query::{Query, Source};
use crate::logs::tap::{Heard, Part, WAITING_MAX};
use crate::spec::log::{OutputEvents, Rotation};
use crate::vocab::stream::Stream;

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
    rig.attach_to("a", told_of(&rig, OutputEvents { capture_max: 1000, ..OutputEvents::default() }));
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
}

const BEGIN: &[u8] = b"<!--XSUPERVISOR:BEGIN-->";
const END: &[u8] = b"<!--XSUPERVISOR:END-->";

/// A stream that captures, and its writer.
fn capturing(rig: &Rig) -> File {
    rig.attach_to("a", told_of(rig, OutputEvents { capture_max: 1000, ..OutputEvents::default() }));
    rig.writer("a")
}

fn log(rig: &Rig) -> String {
    fs::read_to_string(rig.path("logs").join("a")).unwrap_or_default()
}

#[test]
fn a_run_that_ends_in_the_midst_of_a_message_has_that_in_its_log_by_its_end() {
    let mut rig = Rig::new();
    let mut writer = capturing(&rig);
    writer.write_all(&[BEGIN, b"cut off\n<!--XSUP"].concat()).unwrap();
    let ended_ms = rig.end_run("a");
    assert_eq!(log(&rig), "cut off\n<!--XSUP");
    writer.write_all(&[b"\nnext run\n", BEGIN, b"whole", END].concat()).unwrap();
    rig.drain("a");
    assert_eq!(log(&rig), "cut off\n<!--XSUP\nnext run\n");
    assert_eq!(parts(&rig.heard.try_recv().unwrap()), [(true, "whole".to_owned())]);
    let source = Source { service: name("a"), stream: Stream::Stdout, file: rig.path("logs").join("a") };
    let query = Query { until_ms: Some(ended_ms + 1), ..all_lines(vec![source], rig.path("times")) };
    assert_eq!(lines(&query), "cut off <!--XSUP", "the rest came after the end");
}

#[test]
fn a_run_that_ends_while_nobody_hears_ends_behind_all_that_it_wrote() {
    let mut rig = Rig::new();
    let mut writer = capturing(&rig);
    let events = OutputEvents { log: true, ..OutputEvents::default() };
    let other = Destination::file(rig.path("logs").join("b"), Rotation::default());
    rig.attach_to("b", Destination { events, ..other });
    let mut other = rig.writer("b");
    for _ in 0..WAITING_MAX {
        other.write_all(b"line\n").unwrap();
        rig.drain("b");
    }
    writer.write_all(&[BEGIN, b"cut off\n"].concat()).unwrap();
    rig.end_run("a");
    writer.write_all(&[b"next run\n", BEGIN, b"whole", END].concat()).unwrap();
    assert_eq!(log(&rig), "");
    let own = std::iter::from_fn(|| rig.heard.blocking_recv()).find(|heard| heard.key.service == name("a"));
    assert_eq!(parts(&own.unwrap()), [(true, "whole".to_owned())]);
    wait_until(|| log(&rig) == "cut off\nnext run\n");
}

#[test]
fn a_run_that_ends_while_its_disk_is_stuck_ends_behind_all_that_it_wrote() {
    let mut rig = Rig::new();
    fs::write(rig.path("logs"), "").unwrap();
    let mut writer = capturing(&rig);
    writer.write_all(&[b"text\n", BEGIN, b"cut off\n"].concat()).unwrap();
    rig.end_run("a");
    writer.write_all(&[b"next run\n", BEGIN, b"whole", END].concat()).unwrap();
    fs::remove_file(rig.path("logs")).unwrap();
    wait_until(|| log(&rig) == "text\ncut off\nnext run\n");
    assert_eq!(parts(&rig.heard.try_recv().unwrap()), [(true, "whole".to_owned())]);
}

#[test]
fn a_message_goes_on_when_another_run_ends_or_a_hook_does() {
    let mut rig = Rig::new();
    let mut writer = capturing(&rig);
    rig.pump.begin_run(name("a"));
    writer.write_all(&[b"text\n", BEGIN, b"the "].concat()).unwrap();
    // A hook of a second run, which then begins, and ends.
    rig.drain("a");
    rig.pump.begin_run(name("a"));
    rig.end_run("a");
    writer.write_all(&[b"message", END].concat()).unwrap();
    rig.drain("a");
    assert_eq!(parts(&rig.heard.try_recv().unwrap()), [(true, "the message".to_owned())]);
    writer.write_all(&[BEGIN, b"cut off\n"].concat()).unwrap();
    rig.end_run("a");
    assert_eq!(log(&rig), "text\ncut off\n", "it was the last one");
}

#[test]
fn a_message_whose_mark_is_half_written_goes_on_when_another_run_ends() {
    let mut rig = Rig::new();
    let mut writer = capturing(&rig);
    for other_run in [name("a"), name("a")] {
        rig.pump.begin_run(other_run);
    }
    writer.write_all(&[b"text\n", &BEGIN[..9]].concat()).unwrap();
    rig.end_run("a");
    assert_eq!(log(&rig), "text\n");
    writer.write_all(&[&BEGIN[9..], b"the message", END, b"after\n"].concat()).unwrap();
    wait_until(|| log(&rig) == "text\nafter\n");
    assert_eq!(parts(&rig.heard.try_recv().unwrap()), [(true, "the message".to_owned())]);
}

#[test]
fn a_message_goes_on_through_a_reload_and_a_rotation_that_cut_its_marks() {
    let mut rig = Rig::new();
    let mut writer = capturing(&rig);
    writer.write_all(&[b"text\n", &BEGIN[..9]].concat()).unwrap();
    let key = StreamKey { service: name("a"), stream: Stream::Stdout };
    let (came, stuck) = rig.pump.set_aside(key).blocking_recv().unwrap();
    assert_eq!((came, stuck), (SetAside::Done, 0));
    writer.write_all(&[&BEGIN[9..], b"the message", &END[..9]].concat()).unwrap();
    let mut to = told_of(&rig, OutputEvents { capture_max: 2000, ..OutputEvents::default() });
    to.rotation.keep += 1;
    rig.attach_to("a", to);
    rig.drain("a");
    writer.write_all(&[&END[9..], b"after\n"].concat()).unwrap();
    rig.end_run("a");
    assert_eq!(parts(&rig.heard.try_recv().unwrap()), [(true, "the message".to_owned())]);
    assert_eq!(whole(&rig.path("logs").join("a")), "text\nafter\n");
}

#[test]
fn a_message_of_which_nobody_is_to_be_told_any_more_is_in_the_log_where_it_began() {
    for is_stuck in [false, true] {
        let rig = Rig::new();
        let mut writer = capturing(&rig);
        writer.write_all(&[b"text\n", BEGIN, b"not whole\n"].concat()).unwrap();
        rig.drain("a");
        if is_stuck {
            fs::remove_dir_all(rig.path("logs")).unwrap();
            fs::write(rig.path("logs"), "").unwrap();
        }
        let to = rig.path(if is_stuck { "else/a" } else { "logs/b" });
        rig.attach_to("a", Destination::file(to.clone(), Rotation::default()));
        rig.drain("a");
        writer.write_all(b"after\n").unwrap();
        rig.drain("a");
        let (before, after) = (log(&rig), fs::read_to_string(&to).unwrap_or_default());
        match is_stuck {
            false => assert_eq!((before.as_str(), after.as_str()), ("text\nnot whole\n", "after\n")),
            true => assert_eq!(after, "not whole\nafter\n"),
        }
    }
}

#[test]
fn a_pump_that_is_closed_leaves_nothing_of_a_message_in_its_memory() {
    let rig = Rig::new();
    let mut writer = capturing(&rig);
    writer.write_all(&[BEGIN, b"not whole\n"].concat()).unwrap();
    rig.pump.clone().close();
    assert_eq!(log(&rig), "not whole\n");
}

#[test]
fn whoever_hears_too_slowly_makes_the_stream_wait_and_nothing_is_lost() {
    let mut rig = Rig::new();
    rig.attach_to("a", told_of(&rig, OutputEvents { log: true, ..OutputEvents::default() }));
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
