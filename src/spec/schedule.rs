use std::fmt;
use std::str::FromStr;

use croner::Cron;
use croner::errors::CronError;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

/// Times by the wall clock at which something is done about a service: a cron expression in a time zone. Where clocks are
/// put forward or back it goes by the rules of croner, which are those of Vixie's cron: a fixed time that does not exist
/// is the first moment after the gap, one that exists twice is the first of the two, and steps and wildcards follow the
/// clock.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    cron: Cron,
    zone: TimeZone,
    /// What is done at these times.
    pub task: Task,
    /// What becomes of a time that was missed.
    pub missed: Missed,
}

/// What is done at the times of a schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// A run is begun, which is to end by itself.
    Start(Overlap),
    /// The run that lives is replaced by another.
    Restart,
}

/// What happens when a time comes while the run of an earlier one lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overlap {
    /// The time is passed over.
    Skip,
    /// Another run follows when that one has ended; one at most.
    Queue,
    /// That one is stopped, and another follows.
    Replace,
}

/// What becomes of a time that passed while the machine slept, its clock was put forward, or no supervisor was there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missed {
    /// It counts as soon as that is noticed; several count once.
    Run,
    /// It is passed over.
    Skip,
}

/// Why a text is no schedule.
#[derive(Debug, thiserror::Error)]
pub enum BadCron {
    /// It is not a cron expression.
    #[error("this is not a cron expression: {}", plain(.0))]
    Unreadable(CronError),
    /// It is one, and no time fits it.
    #[error("no time ever fits this cron expression")]
    Never,
}

impl Schedule {
    /// A time that is noticed later than this was missed, in milliseconds.
    pub const LATE_MS_MAX: u64 = 60_000;

    /// When the clock is put back by less than this, in milliseconds, no time comes twice, as with cron(8).
    pub const BACK_MS_MAX: u64 = 3 * 3_600_000;

    /// The times of a cron expression of five fields, or of six with seconds in front.
    ///
    /// # Errors
    /// [`BadCron`].
    pub fn new(cron: &str, zone: TimeZone, task: Task, missed: Missed) -> Result<Self, BadCron> {
        let cron = Cron::from_str(cron).map_err(BadCron::Unreadable)?;
        let schedule = Self { cron, zone, task, missed };
        schedule.after(0).map(|_| schedule.clone()).ok_or(BadCron::Never)
    }

    /// Whether runs begin at these times, and are to end by themselves.
    pub fn begins_runs(&self) -> bool {
        matches!(self.task, Task::Start(_))
    }

    /// The first of its times after this one, both in milliseconds since 1970 UTC.
    pub fn after(&self, unix_ms: u64) -> Option<u64> {
        let from = self.zoned(unix_ms)?;
        let next = self.cron.find_next_occurrence(&from, false).ok()?;
        u64::try_from(next.timestamp().as_millisecond()).ok()
    }

    /// Whether this is one of its times, in milliseconds since 1970 UTC.
    pub fn has(&self, unix_ms: u64) -> bool {
        unix_ms.checked_sub(1).and_then(|before| self.after(before)) == Some(unix_ms)
    }

    /// A time as people read it, in its zone: `2026-11-27 03:00:00 +01:00`.
    pub fn shown(&self, unix_ms: u64) -> String {
        let zoned = self.zoned(unix_ms);
        zoned.map_or_else(String::new, |zoned| zoned.strftime("%Y-%m-%d %H:%M:%S %:z").to_string())
    }

    fn zoned(&self, unix_ms: u64) -> Option<Zoned> {
        let timestamp = Timestamp::from_millisecond(i64::try_from(unix_ms).ok()?).ok()?;
        Some(timestamp.to_zoned(self.zone.clone()))
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.cron.as_str())
    }
}

/// The words of an error without the name of its kind.
fn plain(error: &CronError) -> String {
    match error {
        CronError::InvalidPattern(words)
        | CronError::IllegalCharacters(words)
        | CronError::ComponentError(words) => words.trim_end_matches('.').to_owned(),
        CronError::EmptyPattern => "it is empty".to_owned(),
        CronError::InvalidDate | CronError::InvalidTime | CronError::TimeSearchLimitExceeded => {
            error.to_string()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Missed, Overlap, Schedule, Task};
    use jiff::Timestamp;
    use jiff::tz::TimeZone;

    fn schedule(cron: &str, zone: &str) -> Schedule {
        let zone = TimeZone::get(zone).unwrap();
        Schedule::new(cron, zone, Task::Start(Overlap::Skip), Missed::Run).unwrap()
    }

    /// The times after one, as they are shown.
    fn times(schedule: &Schedule, after: &str, count: usize) -> Vec<String> {
        let mut next = u64::try_from(after.parse::<Timestamp>().unwrap().as_millisecond()).unwrap();
        let mut found = Vec::new();
        for _ in 0..count {
            next = schedule.after(next).unwrap();
            assert!(schedule.has(next) && !schedule.has(next + 1));
            found.push(schedule.shown(next));
        }
        found
    }

    #[test]
    fn times_are_those_of_the_zone() {
        let daily = schedule("0 3 * * *", "Asia/Kolkata");
        assert_eq!(times(&daily, "2026-11-26T00:00:00Z", 1), ["2026-11-27 03:00:00 +05:30"]);
        let seconds = schedule("*/20 * * * * *", "UTC");
        let expected = ["2026-11-26 00:00:20 +00:00", "2026-11-26 00:00:40 +00:00"];
        assert_eq!(times(&seconds, "2026-11-26T00:00:00Z", 2), expected);
    }

    #[test]
    fn a_time_that_does_not_exist_comes_after_the_gap_and_one_that_exists_twice_comes_once() {
        let daily = schedule("30 2 * * *", "Europe/Berlin");
        let spring =
            ["2026-03-28 02:30:00 +01:00", "2026-03-29 03:00:00 +02:00", "2026-03-30 02:30:00 +02:00"];
        assert_eq!(times(&daily, "2026-03-28T00:00:00Z", 3), spring);
        let autumn = ["2026-10-25 02:30:00 +02:00", "2026-10-26 02:30:00 +01:00"];
        assert_eq!(times(&daily, "2026-10-24T12:00:00Z", 2), autumn);
    }

    #[test]
    fn steps_and_wildcards_follow_the_clock_through_the_hour_that_comes_twice() {
        let half_hours = schedule("*/30 2 * * *", "Europe/Berlin");
        let expected = [
            "2026-10-25 02:00:00 +02:00",
            "2026-10-25 02:30:00 +02:00",
            "2026-10-25 02:00:00 +01:00",
            "2026-10-25 02:30:00 +01:00",
        ];
        assert_eq!(times(&half_hours, "2026-10-24T12:00:00Z", 4), expected);
    }
}
