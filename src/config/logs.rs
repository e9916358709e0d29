use std::collections::BTreeSet;
use std::path::PathBuf;

use super::access;
use super::service::Context;
use super::table::Section;
use super::value::Value;
use crate::spec::log::{
    Compression, Delivery, Envelope, Escapes, Every, Logs, Making, OnFull, OutputEvents, Rotation, Target,
};
use crate::vocab::measure::{Bytes, parse_duration};
use crate::vocab::name::ServiceName;

/// Reads `stdout`, `stderr` and `log`.
pub(super) fn read(context: &Context<'_>, section: &Section<'_>, name: &ServiceName) -> Logs {
    let usual = |ending| Output {
        file: context.supervisor.log_dir.join(format!("{name}.{ending}.log")),
        to: Target::file(),
    };
    let stdout = output(context, section.value("stdout"), &usual("out"), None);
    let stderr = output(context, section.value("stderr"), &usual("err"), Some(&stdout));
    let files = if stdout.file == stderr.file { 1 } else { 2 };
    let (rotation, delivery) = log(section, files);
    let [stdout_making, stderr_making] = making(section);
    Logs {
        rotation,
        stdout: stdout.file.into(),
        stderr: stderr.file.into(),
        stdout_to: stdout.to,
        stderr_to: stderr.to,
        delivery,
        stdout_events: OutputEvents::default(),
        stderr_events: OutputEvents::default(),
        stdout_making,
        stderr_making,
    }
}

/// Where a stream goes.
#[derive(Clone)]
struct Output {
    file: PathBuf,
    to: BTreeSet<Target>,
}

/// Reads a word, a file or a list of them. `stdout` is what standard error may be joined with.
fn output(
    context: &Context<'_>,
    value: Option<Value<'_>>,
    usual: &Output,
    stdout: Option<&Output>,
) -> Output {
    let Some(value) = value else { return usual.clone() };
    let members = value.members();
    let mut output = Output { to: BTreeSet::new(), ..usual.clone() };
    for member in &members {
        let Some(text) = member.text() else { continue };
        match (text.as_str(), stdout, target(&text)) {
            ("null" | "stdout", _, _) if members.len() > 1 => {
                member.add(format!("`{text}` does not go with others"), "write it alone");
            }
            ("null", _, _) => (),
            ("stdout", Some(stdout), _) => return stdout.clone(),
            (_, _, Some(target)) => {
                output.to.insert(target);
            }
            (_, _, None) => {
                let file = file(context, &text, member);
                if file.is_some() && !output.to.insert(Target::File) {
                    member.add("a stream has one file", "name one");
                }
                output.file = file.unwrap_or(output.file);
            }
        }
    }
    output
}

fn target(word: &str) -> Option<Target> {
    match word {
        "file" => Some(Target::File),
        "inherit" => Some(Target::Inherit),
        "syslog" => Some(Target::Syslog),
        "journald" => Some(Target::Journald),
        _ => None,
    }
}

/// A log file that is said, or a note of why it cannot be one: what cannot be renamed cannot be set aside.
fn file(context: &Context<'_>, text: &str, value: &Value<'_>) -> Option<PathBuf> {
    let file = context.base.join(text);
    if text.is_empty() || std::fs::metadata(&file).is_ok_and(|found| !found.is_file()) {
        let hint = "name a log file, or \"file\", \"null\", \"inherit\", \"syslog\" or \"journald\"";
        value.add(format!("{} is not a file", file.display()), hint);
        return None;
    }
    Some(file)
}

/// Reads `log`; `files` are the service's.
fn log(section: &Section<'_>, files: u64) -> (Rotation, Delivery) {
    let usual = Rotation::default();
    let read = section.value("log").and_then(|value| {
        let section = value.section()?;
        let size_max = section.size("max_size").unwrap_or(usual.size_max);
        let keep = section.integer("keep", 0..10_001).and_then(|keep| u32::try_from(keep).ok());
        let rotation = Rotation {
            size_max,
            keep: keep.unwrap_or(usual.keep),
            every: section.text("rotate").and_then(|(text, value)| every(&text, &value)),
            total_max: total(&section, size_max, files),
            compression: compression(&section),
        };
        let delivery = Delivery {
            on_full: on_full(&section),
            envelope: envelope(&section),
            escapes: match section.flag("strip_ansi") {
                Some(true) => Escapes::Stripped,
                Some(false) | None => Escapes::Kept,
            },
        };
        // Read on its own, see `making`.
        section.value("mode");
        section.refuse_others("log");
        Some((rotation, delivery))
    });
    read.unwrap_or_default()
}

/// Reads `mode` of `log`: of both streams' files, or of each.
fn making(section: &Section<'_>) -> [Making; 2] {
    let log = section.value("log").filter(|log| log.table().is_some()).and_then(|log| log.section());
    let Some(mode) = log.and_then(|log| log.value("mode")) else { return [Making::WithBytes; 2] };
    let of = |value: Option<Value<'_>>| {
        let mode = value.and_then(|value| access::octal_of(&value, "mode"));
        mode.map_or(Making::WithBytes, Making::WithRun)
    };
    if mode.table().is_none() {
        return [of(Some(mode)); 2];
    }
    let Some(each) = mode.section() else { return [Making::WithBytes; 2] };
    let found = ["stdout", "stderr"].map(|stream| of(each.value(stream)));
    each.refuse_others("mode");
    found
}

fn on_full(section: &Section<'_>) -> OnFull {
    let words = [("block", OnFull::Block), ("drop", OnFull::Drop)];
    word(section, "on_full", &words).unwrap_or(OnFull::Block)
}

fn envelope(section: &Section<'_>) -> Envelope {
    let words = [("none", Envelope::None), ("timestamp", Envelope::Timestamp), ("json", Envelope::Json)];
    word(section, "envelope", &words).unwrap_or(Envelope::None)
}

/// What one of some words means, or a note that it is none of them.
fn word<T: Copy>(section: &Section<'_>, key: &'static str, words: &[(&str, T)]) -> Option<T> {
    let (text, value) = section.text(key)?;
    let found = words.iter().find(|(word, _)| *word == text).map(|(_, meaning)| *meaning);
    if found.is_none() {
        let known: Vec<String> = words.iter().map(|(word, _)| format!("\"{word}\"")).collect();
        value.add(format!("`{text}` is no `{key}`"), format!("write {}", known.join(" or ")));
    }
    found
}

fn every(text: &str, value: &Value<'_>) -> Option<Every> {
    let part = match text {
        "never" => return None,
        "daily" => Some(Every::DAY),
        "hourly" => Some(Every::HOUR),
        other => parse_duration(other).ok().and_then(Every::new),
    };
    if part.is_none() {
        value.add(
            format!("`{text}` is no part of a day"),
            "write \"daily\", \"hourly\" or a duration in minutes of which a day has a whole number, such as \"6h\" or \"15m\"",
        );
    }
    part
}

/// The current files alone may grow to their largest size; what is beyond that is for those set aside.
fn total(section: &Section<'_>, size_max: u64, files: u64) -> Option<u64> {
    let value = section.value("max_total")?;
    let total = value.size()?;
    let current = size_max.saturating_mul(files);
    if total <= current {
        let hint = format!(
            "the current files alone may take {}; write more, or a smaller `max_size`",
            Bytes(current)
        );
        value.add("`max_total` leaves no room for files set aside", hint);
    }
    Some(total)
}

fn compression(section: &Section<'_>) -> Compression {
    let words = [("none", Compression::None), ("gzip", Compression::Gzip)];
    word(section, "compress", &words).unwrap_or(Compression::None)
}
