use std::time::Duration;

use jiff::tz::TimeZone;

use super::health::positive;
use super::table::Section;
use super::value::Value;
use crate::spec::age::MaxAge;
use crate::spec::policy::{RestartPolicy, StartLimit};
use crate::spec::schedule::{Missed, Overlap, Schedule, Task};

/// Reads `schedule`: a cron expression, or a table with one.
pub(super) fn schedule(section: &Section<'_>) -> Option<Schedule> {
    let value = section.value("schedule")?;
    if value.table().is_none() {
        return cron(&value, TimeZone::system(), Task::Start(Overlap::Skip), Missed::Run);
    }
    let section = value.section()?;
    let expression = section.value("cron");
    let zone = section.value("timezone").map_or_else(|| Some(TimeZone::system()), |value| zone(&value));
    let task = task(&section);
    let missed = missed(&section);
    section.refuse_others("schedule");
    if expression.is_none() {
        value.add("this schedule has no times", "write `schedule = { cron = \"0 3 * * *\" }`");
    }
    cron(&expression?, zone?, task?, missed?)
}

/// When runs of a service are followed by others. What a schedule starts is to end: `[defaults]` that always start again
/// do not hold for it.
pub(super) fn restart(section: &Section<'_>, schedule: Option<&Schedule>) -> RestartPolicy {
    let is_job = schedule.is_some_and(Schedule::begins_runs);
    let usual = if is_job { RestartPolicy::Never } else { RestartPolicy::Always };
    let Some((text, value)) = section.text("restart") else { return usual };
    match text.as_str() {
        "always" if is_job => {
            if section.own("restart").is_some() {
                let hint = "use \"on-failure\" or \"never\"; `schedule = { cron = \"…\", action = \"restart\" }` restarts what always runs";
                value.add("what a schedule starts is to end, and would always be started again", hint);
            }
            usual
        }
        "always" => RestartPolicy::Always,
        "on-failure" => RestartPolicy::OnFailure,
        "never" => RestartPolicy::Never,
        other => {
            value.add(
                format!("`{other}` is not a restart policy"),
                "use \"always\", \"on-failure\" or \"never\"",
            );
            usual
        }
    }
}

/// Reads `start_limit = { starts = 5, within = "10m" }`.
pub(super) fn start_limit(section: &Section<'_>) -> Option<StartLimit> {
    let value = section.value("start_limit")?;
    let section = value.section()?;
    let starts = section.value("starts");
    let starts = starts.map(|value| value.integer(1..1 << 16).and_then(|starts| u32::try_from(starts).ok()));
    let within = section.value("within").map(|value| positive(&value));
    section.refuse_others("start_limit");
    if starts.is_none() || within.is_none() {
        value.add("this says not how often within how long", "write `{ starts = 5, within = \"10m\" }`");
    }
    Some(StartLimit { starts: starts??, within: within?? })
}

/// Reads `max_age`: a duration, or a table with one.
pub(super) fn max_age(section: &Section<'_>) -> Option<MaxAge> {
    let value = section.value("max_age")?;
    if value.table().is_none() {
        return positive(&value).map(|age| MaxAge { age, variance: 0.0 });
    }
    let section = value.section()?;
    let age: Option<Option<Duration>> = section.value("age").map(|value| positive(&value));
    let variance = section.value("variance").map_or(Some(0.0), |value| {
        let variance = value.share()?;
        if variance >= 1.0 {
            value.add("a run would have no time at all", "use less than 100%");
            return None;
        }
        Some(variance)
    });
    section.refuse_others("max_age");
    if age.is_none() {
        value.add("this says no age", "write `{ age = \"24h\", variance = \"10%\" }`");
    }
    Some(MaxAge { age: age??, variance: variance? })
}

fn cron(value: &Value<'_>, zone: TimeZone, task: Task, missed: Missed) -> Option<Schedule> {
    let schedule = Schedule::new(&value.text()?, zone, task, missed);
    let hint = "write minute, hour, day, month and weekday, as in \"0 3 * * *\" (each day at 3:00) or \"*/15 8-18 * * MON-FRI\"; seconds may stand in front";
    schedule.map_err(|bad| value.add(bad.to_string(), hint)).ok()
}

fn zone(value: &Value<'_>) -> Option<TimeZone> {
    let name = value.text()?;
    let hint = "write its name in the tz database, such as \"Europe/Berlin\" or \"UTC\"";
    TimeZone::get(&name).map_err(|_| value.add(format!("there is no time zone `{name}`"), hint)).ok()
}

fn task(section: &Section<'_>) -> Option<Task> {
    let overlap = section.text("overlap").map(|(text, value)| {
        let overlap = match text.as_str() {
            "skip" => Some(Overlap::Skip),
            "queue" => Some(Overlap::Queue),
            "replace" => Some(Overlap::Replace),
            _ => None,
        };
        if overlap.is_none() {
            value.add(format!("`{text}` is no way to overlap"), "use \"skip\", \"queue\" or \"replace\"");
        }
        (overlap, value)
    });
    let action = section.text("action");
    match (action.as_ref().map(|(text, value)| (text.as_str(), value)), overlap) {
        (None | Some(("start", _)), None) => Some(Task::Start(Overlap::Skip)),
        (None | Some(("start", _)), Some((overlap, _))) => overlap.map(Task::Start),
        (Some(("restart", _)), None) => Some(Task::Restart),
        (Some(("restart", _)), Some((_, value))) => {
            value.add("a restart overlaps with nothing", "remove `overlap`");
            None
        }
        (Some((other, value)), _) => {
            value.add(format!("`{other}` is nothing that a schedule does"), "use \"start\" or \"restart\"");
            None
        }
    }
}

fn missed(section: &Section<'_>) -> Option<Missed> {
    let Some((text, value)) = section.text("missed") else { return Some(Missed::Run) };
    match text.as_str() {
        "run" => Some(Missed::Run),
        "skip" => Some(Missed::Skip),
        other => {
            value
                .add(format!("`{other}` is not what can become of a missed time"), "use \"run\" or \"skip\"");
            None
        }
    }
}
