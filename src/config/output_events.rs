use std::collections::BTreeSet;

use super::table::Section;
use crate::spec::log::{Envelope, Logs, OutputEvents, Target};

/// Reads `output_events = { … }` into the logs that it is about.
pub(super) fn read(section: &Section<'_>, logs: Logs) -> Logs {
    let Some(asked) = section.value("output_events").and_then(|value| value.section()) else { return logs };
    let stdout = of_stream(&asked, "stdout");
    let stderr = of_stream(&asked, "stderr");
    asked.refuse_others("output_events");
    if let (Some(_), Some(value)) = (section.value("listener"), asked.value("stdout")) {
        value.add(
            "what a listener writes on its standard output is for the supervisor alone",
            "say it of `stderr`",
        );
    }
    if let (true, Some(value)) = (logs.are_joined(), asked.value("stderr")) {
        value.add("standard error is a part of standard output here", "say it of `stdout`");
    }
    let as_it_is = |targets: &BTreeSet<Target>| {
        targets.iter().all(|target| *target == Target::File) && logs.delivery.envelope == Envelope::None
    };
    for (key, targets) in [("stdout", &logs.stdout_to), ("stderr", &logs.stderr_to)] {
        if let (false, Some(value)) = (as_it_is(targets), asked.value(key)) {
            value.add(
                "events are made of a stream that goes as it is into a file, or nowhere",
                format!("let `{key}` be a file or \"null\", without an `envelope`"),
            );
        }
    }
    Logs { stdout_events: stdout, stderr_events: stderr, ..logs }
}

fn of_stream(section: &Section<'_>, key: &'static str) -> OutputEvents {
    let Some(section) = section.value(key).and_then(|value| value.section()) else {
        return OutputEvents::default();
    };
    let capture_max = section.size("capture").and_then(|size| usize::try_from(size).ok());
    let log = section.flag("log").unwrap_or(false);
    section.refuse_others("output_events");
    OutputEvents { log, capture_max: capture_max.unwrap_or(0), copied: false }
}
