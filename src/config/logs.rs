use std::path::PathBuf;

use super::service::Context;
use super::table::{Room, Section};
use crate::spec::log::{Logs, Rotation};
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
    Logs { stdout, stderr, rotation: rotation(section) }
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

fn rotation(section: &Section<'_>) -> Rotation {
    let usual = Rotation::default();
    let rotation = section.value("log").and_then(|value| {
        let section = value.section()?;
        let size_max = section.size("max_size").unwrap_or(usual.size_max);
        let keep = section.integer("keep", 0..10_001).and_then(|keep| u32::try_from(keep).ok());
        section.refuse_others(Room { name: "log", planned: &[] });
        Some(Rotation { size_max, keep: keep.unwrap_or(usual.keep) })
    });
    rotation.unwrap_or(usual)
}
