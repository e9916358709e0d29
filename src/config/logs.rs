use std::path::PathBuf;

use super::service::Context;
use super::table::{Room, Section};
use super::value::Value;
use crate::spec::log::{Compression, Every, Logs, Rotation};
use crate::vocab::measure::{Bytes, parse_duration};
use crate::vocab::name::ServiceName;

/// Reads `stdout`, `stderr` and `log`.
pub(super) fn read(context: &Context<'_>, section: &Section<'_>, name: &ServiceName) -> Logs {
    let directory = &context.supervisor.log_dir;
    let stdout =
        file(context, section, "stdout").unwrap_or_else(|| directory.join(format!("{name}.out.log")));
    let stderr = match section.text("stderr") {
        Some((text, _)) if text == "stdout" => Some(stdout.clone()),
        Some(_) | None => file(context, section, "stderr"),
    };
    let stderr = stderr.unwrap_or_else(|| directory.join(format!("{name}.err.log")));
    let files = if stdout == stderr { 1 } else { 2 };
    Logs { rotation: rotation(section, files), stdout, stderr }
}

/// A log file that is said, or a note of why it cannot be one: what cannot be renamed cannot be set aside.
fn file(context: &Context<'_>, section: &Section<'_>, key: &'static str) -> Option<PathBuf> {
    let (text, value) = section.text(key)?;
    let file = context.base.join(&text);
    if text.is_empty() || std::fs::metadata(&file).is_ok_and(|found| !found.is_file()) {
        let hint = "name a log file, which is written and set aside; `procman logs` shows all of them merged";
        value.add(format!("{} is not a file", file.display()), hint);
        return None;
    }
    Some(file)
}

/// Reads `log`; `files` are the service's.
fn rotation(section: &Section<'_>, files: u64) -> Rotation {
    let usual = Rotation::default();
    let rotation = section.value("log").and_then(|value| {
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
        section.refuse_others(Room { name: "log", planned: &[] });
        Some(rotation)
    });
    rotation.unwrap_or(usual)
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
    let Some((text, value)) = section.text("compress") else { return Compression::None };
    match text.as_str() {
        "none" => Compression::None,
        "gzip" => Compression::Gzip,
        other => {
            value.add(format!("`{other}` is no compression"), "write \"gzip\" or \"none\"");
            Compression::None
        }
    }
}
