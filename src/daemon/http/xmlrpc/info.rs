use bytes::Bytes;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::desk::{Desk, find_one};
use super::method::{AtEnd, Method, Params};
use crate::daemon::processes::{Process, Processes};
use crate::protocol::xmlrpc::message::{Answer, encode_answer};
use crate::protocol::xmlrpc::value::Value;
use crate::vocab::state::State;
use crate::vocab::stream::Stream;

/// The method that clients call most.
pub(super) const ALL: &str = "supervisor.getAllProcessInfo";

pub(super) const METHODS: &[Method] = &[
    Method {
        names: &["supervisor.getProcessInfo"],
        types: &["struct", "string"],
        optional: 0,
        help: "Says how a process stands.",
        at_end: AtEnd::Refused,
        run: |desk, params| Box::pin(one(desk, params)),
    },
    Method {
        names: &[ALL],
        types: &["array"],
        optional: 0,
        help: "Says how every process stands, sorted by group and name.",
        at_end: AtEnd::Answered,
        run: |desk, _| Box::pin(all(desk)),
    },
];

async fn one(desk: &Desk, params: Params) -> Answer {
    let processes = desk.look().await?;
    Ok(info(find_one(&processes, params.text(0))?, processes.unix_s))
}

/// A look says by itself that the supervisor ends: one is enough.
async fn all(desk: &Desk) -> Answer {
    Ok(told(&*desk.look().await?))
}

/// The same as it crosses the wire.
pub(super) async fn all_written(desk: &Desk) -> Bytes {
    match desk.look().await {
        Ok(processes) => processes.document(|processes| encode_answer(&Ok(told(processes)))),
        Err(fault) => encode_answer(&Err(fault)).into(),
    }
}

fn told(processes: &Processes) -> Value {
    Value::Array(processes.all.iter().map(|process| info(process, processes.unix_s)).collect())
}

/// How a process stands, at a time in seconds since 1970.
fn info(process: &Process, now: u64) -> Value {
    let [start, stop] = [process.times.start_ms, process.times.stop_ms].map(|ms| capped(ms / 1000));
    let logs = &process.spec.logs;
    let file = |stream| logs.file(stream).map(|file| file.display().to_string()).unwrap_or_default();
    let (stdout, stderr) = (file(Stream::Stdout), file(Stream::Stderr));
    let (code, name) = state(process.state);
    Value::members([
        ("name", Value::from(process.unit.process.as_str())),
        ("group", Value::from(process.unit.group.as_str())),
        ("start", start),
        ("stop", stop),
        ("now", capped(now)),
        ("state", Value::from(code)),
        ("statename", Value::from(name)),
        ("spawnerr", Value::from(process.spawn_error.as_str())),
        ("exitstatus", Value::from(process.exit_status)),
        ("logfile", Value::from(stdout.as_str())),
        ("stdout_logfile", Value::from(stdout)),
        ("stderr_logfile", Value::from(stderr)),
        ("pid", Value::from(process.pid.unwrap_or(0))),
        ("description", Value::from(description(process, now))),
    ])
}

/// What XML-RPC's `int` holds, which is what supervisord gives.
fn capped(seconds: u64) -> Value {
    Value::Int(i64::try_from(seconds).unwrap_or(i64::MAX).min(i64::from(i32::MAX)))
}

/// supervisord's number and word for a state.
pub fn state(state: State) -> (i32, &'static str) {
    match state {
        State::Stopped => (0, "STOPPED"),
        State::Starting => (10, "STARTING"),
        State::Running => (20, "RUNNING"),
        State::Backoff => (30, "BACKOFF"),
        State::Stopping => (40, "STOPPING"),
        State::Exited => (100, "EXITED"),
        State::Fatal => (200, "FATAL"),
    }
}

/// What supervisorctl shows behind a state.
pub fn description(process: &Process, now: u64) -> String {
    let start = process.times.start_ms / 1000;
    match process.state {
        State::Running => {
            format!("pid {}, uptime {}", process.pid.unwrap_or(0), uptime(now.saturating_sub(start)))
        }
        State::Fatal | State::Backoff if process.spawn_error.is_empty() => {
            format!("unknown error (try \"tail {}\")", process.unit.process)
        }
        State::Fatal | State::Backoff => process.spawn_error.clone(),
        State::Stopped | State::Exited if start == 0 => "Not started".to_owned(),
        State::Stopped | State::Exited => time_of_day(process.times.stop_ms, TimeZone::system()),
        State::Starting | State::Stopping => String::new(),
    }
}

fn time_of_day(unix_ms: u64, zone: TimeZone) -> String {
    let at =
        i64::try_from(unix_ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok()).unwrap_or_default();
    at.to_zoned(zone).strftime("%b %d %I:%M %p").to_string()
}

/// As Python writes a `timedelta`.
fn uptime(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let clock = format!("{}:{:02}:{:02}", rest / 3600, rest / 60 % 60, rest % 60);
    match days {
        0 => clock,
        1 => format!("1 day, {clock}"),
        days => format!("{days} days, {clock}"),
    }
}

#[cfg(test)]
mod tests {
    use super::{time_of_day, uptime};
    use jiff::tz::TimeZone;

    #[test]
    fn times_are_written_as_python_writes_them() {
        for (seconds, words) in [
            (0, "0:00:00"),
            (8, "0:00:08"),
            (3_725, "1:02:05"),
            (86_399, "23:59:59"),
            (86_403, "1 day, 0:00:03"),
            (200_000, "2 days, 7:33:20"),
        ] {
            assert_eq!(uptime(seconds), words);
        }
        assert_eq!(time_of_day(1_700_000_000_123, TimeZone::UTC), "Nov 14 10:13 PM");
        assert_eq!(time_of_day(0, TimeZone::UTC), "Jan 01 12:00 AM");
    }
}
