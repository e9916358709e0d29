use std::time::Duration;

use jiff::Timestamp;

use super::{table, time};
use crate::protocol::why::{Stopped, Why};
use crate::vocab::cause::{Class, Record};
use crate::vocab::measure::Brief;
use crate::vocab::name::ServiceName;

/// Why a service is as it is, in a few lines.
pub(in crate::cli) fn why(why: &Why) -> String {
    let mut lines = vec![headline(why)];
    lines.extend(why.notes.iter().map(|note| format!("  note      {note}")));
    lines.extend(
        why.stopped.iter().map(|Stopped { by, unix_ms }| format!("  stopped   {} by {by}", local(*unix_ms))),
    );
    match &why.last {
        Some(record) => lines.extend(end(record)),
        None => lines.push("  no end of a run is recorded".to_owned()),
    }
    lines.join("\n")
}

fn headline(why: &Why) -> String {
    let name = &why.service;
    let state = match &why.run {
        Some(run) => format!("{} since {} (pid {})", why.state, time::brief(run.uptime_s), run.pid),
        None => why.state.to_string(),
    };
    let told = why.reason.as_ref().map_or_else(String::new, |reason| format!(": {reason}"));
    if why.supervised {
        format!("{name} is {state}{told}")
    } else {
        format!("{name}: no supervisor is running{told}")
    }
}

fn end(record: &Record) -> Vec<String> {
    let ago =
        u64::try_from(Timestamp::now().as_millisecond()).unwrap_or_default().saturating_sub(record.unix_ms);
    let lasted = record.lasted_ms.map(|ms| format!(" after {}", Brief(Duration::from_millis(ms))));
    let pid = record.pid.map_or_else(String::new, |pid| format!(", pid {pid}"));
    let mut lines = vec![format!(
        "  last end  {}, {} ago: run {}{pid}{}",
        local(record.unix_ms),
        Brief(Duration::from_millis(ago)),
        record.run,
        lasted.unwrap_or_default(),
    )];
    lines.extend(record.exit.map(|exit| format!("  how       {exit}")));
    lines.push(format!("  cause     {}", cause(record)));
    lines.extend(record.by.as_ref().map(|by| format!("  by        {by}")));
    let others = record.traceback.iter().filter(|_| !tells_exception(record.class));
    lines.extend(others.map(|line| format!("  traceback {line}")));
    lines.extend(match record.alike {
        0 => None,
        1 => Some("  before    one earlier end looks the same".to_owned()),
        count => Some(format!("  before    {count} earlier ends look the same")),
    });
    if !record.stacks.is_empty() {
        lines.push("  its threads when it hung:".to_owned());
        lines.extend(record.stacks.iter().map(|line| format!("    {line}")));
    }
    if !record.stderr.is_empty() {
        lines.push("  last lines of standard error:".to_owned());
        lines.extend(record.stderr.iter().map(|line| format!("    {line}")));
    }
    lines
}

/// The class, with what tells it best.
fn cause(record: &Record) -> String {
    let told = record.traceback.as_ref().filter(|_| tells_exception(record.class));
    match told.or(record.detail.as_ref()) {
        // What the class says is not said again: `failed check 3 times: …`.
        Some(told) if record.class == Class::FailedCheck => match told.strip_prefix("its check failed") {
            Some(rest) => format!("{}{rest}", record.class),
            None => format!("{}: {told}", record.class),
        },
        Some(told) => format!("{}: {told}", record.class),
        None => record.class.to_string(),
    }
}

/// Whether the last line of the traceback says what the class is about.
fn tells_exception(class: Class) -> bool {
    match class {
        Class::UnhandledException | Class::ImportError | Class::SyntaxError | Class::AddressInUse => true,
        Class::Success | Class::ExitCode | Class::ProgramNotFound | Class::NotStarted => false,
        Class::MemoryLimit | Class::OutOfMemory | Class::FailedCheck | Class::Watchdog => false,
        Class::Dependency | Class::Operator | Class::ForeignSignal => false,
        Class::NativeCrash | Class::Unknown => false,
    }
}

/// The ends of services, a line each.
pub(in crate::cli) fn history(services: &[(ServiceName, Vec<Record>)]) -> String {
    let mut table = table::bare_table(&["SERVICE", "ENDED", "RUN", "LASTED", "EXIT", "CAUSE", "BY", "ALIKE"]);
    for (service, record) in
        services.iter().flat_map(|(name, records)| records.iter().map(move |it| (name, it)))
    {
        let dash = || "-".to_owned();
        table.add_row([
            service.to_string(),
            local(record.unix_ms),
            record.run.to_string(),
            record.lasted_ms.map_or_else(dash, |ms| Brief(Duration::from_millis(ms)).to_string()),
            record.exit.map_or_else(dash, |exit| exit.to_string()),
            cause(record),
            record.by.as_ref().map_or_else(dash, ToString::to_string),
            record.alike.to_string(),
        ]);
    }
    table::finish(&mut table, &[2, 3, 7])
}

/// A time in the zone of whoever reads.
pub(super) fn local(unix_ms: u64) -> String {
    time::local(unix_ms, "%Y-%m-%d %H:%M:%S")
}

#[cfg(test)]
mod tests {
    use super::cause;
    use crate::vocab::cause::{Class, Record};
    use crate::vocab::run::RunId;

    #[test]
    fn a_failed_check_is_told_once() {
        let check = |class, detail: &str, expected| {
            let record = Record { class, detail: Some(detail.to_owned()), ..Record::blank(RunId(1), 0) };
            assert_eq!(cause(&record), expected);
        };
        check(Class::FailedCheck, "its check failed: it is late", "failed check: it is late");
        check(Class::FailedCheck, "its check failed 3 times: it is late", "failed check 3 times: it is late");
        check(Class::FailedCheck, "the new run ended", "failed check: the new run ended");
        check(Class::ForeignSignal, "no process was killed", "signal from outside: no process was killed");
    }
}
