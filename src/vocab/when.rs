use std::str::FromStr;
use std::time::Duration;

use jiff::civil::{DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, Zoned};

use crate::vocab::measure::{millis, parse_duration};

/// A point in time as people type it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// So long ago: `5m`.
    Ago(Duration),
    /// At this moment: `2026-11-25T20:15:00Z`.
    At(Timestamp),
    /// On this day at this time, in the zone of the machine: `2026-11-25 20:15`, `2026-11-25`.
    Local(DateTime),
    /// The last time that the clock showed this: `20:15`.
    Clock(Time),
    /// The beginning of the day, so many days ago: `today`, `yesterday`.
    Day(i8),
}

/// A text that is no point in time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a time: write \"5m\" (ago), \"20:15\", \"yesterday\", \"2026-11-25 20:15\" or \"2026-11-25T20:15:00Z\""
)]
pub struct BadWhen(String);

impl FromStr for When {
    type Err = BadWhen;

    fn from_str(text: &str) -> Result<Self, BadWhen> {
        let text = text.trim();
        let length = text.strip_suffix("ago").or(text.strip_prefix('-')).unwrap_or(text).trim();
        let ago = || parse_duration(length).map(Self::Ago).ok();
        let day = || match text {
            "now" => Some(Self::Ago(Duration::ZERO)),
            "today" => Some(Self::Day(0)),
            "yesterday" => Some(Self::Day(1)),
            _ => None,
        };
        let at = || text.parse().map(Self::At).ok();
        let clock =
            || text.parse().map(Self::Clock).ok().filter(|_| text.contains(':') && !text.contains('-'));
        let local = || text.parse().map(Self::Local).ok();
        ago().or_else(day).or_else(at).or_else(clock).or_else(local).ok_or_else(|| BadWhen(text.to_owned()))
    }
}

impl When {
    /// In milliseconds since 1970 UTC, seen from `now`.
    pub fn unix_ms(self, now: &Zoned) -> u64 {
        let now_ms = now.timestamp().as_millisecond();
        let local = |local: DateTime, zone: &TimeZone| {
            local.to_zoned(zone.clone()).map_or(now_ms, |zoned| zoned.timestamp().as_millisecond())
        };
        let ms = match self {
            Self::Ago(stretch) => now_ms.saturating_sub_unsigned(millis(stretch)),
            Self::At(moment) => moment.as_millisecond(),
            Self::Local(date_time) => local(date_time, now.time_zone()),
            Self::Day(ago) => {
                let date = now.date().saturating_sub(Span::new().days(ago));
                local(date.to_datetime(Time::midnight()), now.time_zone())
            }
            Self::Clock(time) => {
                let today = now.date().to_datetime(time);
                let yesterday = now.date().yesterday().unwrap_or(now.date()).to_datetime(time);
                let at = local(today, now.time_zone());
                if at <= now_ms { at } else { local(yesterday, now.time_zone()) }
            }
        };
        u64::try_from(ms).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::When;
    use jiff::Zoned;

    #[test]
    fn times_are_understood_as_people_type_them() {
        let now: Zoned = "2026-11-25T20:00:00+01:00[Europe/Berlin]".parse().unwrap();
        let check = |text: &str, expected: &str| {
            let expected: jiff::Timestamp = expected.parse().unwrap();
            let found = text.parse::<When>().unwrap().unix_ms(&now);
            assert_eq!(i64::try_from(found).unwrap(), expected.as_millisecond(), "{text}");
        };
        check("5m", "2026-11-25T18:55:00Z");
        check("2026-11-25T12:00:00Z", "2026-11-25T12:00:00Z");
        check("2026-11-25 12:00", "2026-11-25T11:00:00Z");
        check("2026-11-24", "2026-11-23T23:00:00Z");
        check("19:30:10", "2026-11-25T18:30:10Z");
        check("20:30", "2026-11-24T19:30:00Z");
        check("-5m", "2026-11-25T18:55:00Z");
        check("1h 5m ago", "2026-11-25T17:55:00Z");
        check("now", "2026-11-25T19:00:00Z");
        check("today", "2026-11-24T23:00:00Z");
        check("yesterday", "2026-11-23T23:00:00Z");
    }

    #[test]
    fn what_is_no_time_is_refused_with_a_way_out() {
        for bad in ["", "5", "-5", "ago", "tomorrow", "25:00", "2026-13-01"] {
            let error = bad.parse::<When>().unwrap_err().to_string();
            assert!(error.contains("is not a time: write"), "{error}");
        }
    }
}
