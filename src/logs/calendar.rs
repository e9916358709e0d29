use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan, Zoned};

use crate::spec::log::Every;

/// When the part of the day ends in which `unix_ms` lies, by the clock on the wall: parts are counted from midnight. Always
/// later than `unix_ms`; all are milliseconds since 1970 UTC.
pub(super) fn end(every: Every, unix_ms: u64) -> u64 {
    end_in(every, unix_ms, &TimeZone::system()).unwrap_or(u64::MAX)
}

fn end_in(every: Every, unix_ms: u64, zone: &TimeZone) -> Option<u64> {
    let now = Timestamp::from_millisecond(i64::try_from(unix_ms).ok()?).ok()?;
    let civil = zone.to_datetime(now);
    let minutes = i64::from(civil.hour()) * 60 + i64::from(civil.minute());
    let part = i64::from(every.minutes());
    let rest = (minutes / part + 1) * part;
    let end = civil.date().to_datetime(jiff::civil::Time::midnight()).checked_add(rest.minutes()).ok()?;
    millis(&later_than(now, end, zone)?)
}

/// When the clock on the wall shows this after `now`. Where clocks are set back it shows it twice, and where they are put
/// forward it may pass it by: then it is the moment of that.
fn later_than(now: Timestamp, shown: DateTime, zone: &TimeZone) -> Option<Zoned> {
    let ambiguous = || zone.to_ambiguous_zoned(shown);
    let first = ambiguous().earlier().ok().filter(|it| it.timestamp() > now);
    first.or_else(|| ambiguous().later().ok().filter(|it| it.timestamp() > now))
}

fn millis(zoned: &Zoned) -> Option<u64> {
    u64::try_from(zoned.timestamp().as_millisecond()).ok()
}

#[cfg(test)]
mod tests {
    use super::end_in;
    use crate::spec::log::Every;
    use jiff::Timestamp;
    use jiff::tz::TimeZone;
    use std::time::Duration;

    fn check(every: Every, now: &str, expected: &str) {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let now: Timestamp = now.parse().unwrap();
        let end = end_in(every, u64::try_from(now.as_millisecond()).unwrap(), &zone).unwrap();
        let end = Timestamp::from_millisecond(i64::try_from(end).unwrap()).unwrap();
        assert_eq!(end, expected.parse().unwrap(), "after {now}");
    }

    #[test]
    fn parts_of_the_day_are_counted_from_midnight_on_the_wall() {
        let quarter = Every::new(Duration::from_secs(6 * 3600)).unwrap();
        check(Every::DAY, "2026-11-25T12:00:00+01:00", "2026-11-26T00:00:00+01:00");
        check(Every::DAY, "2026-11-26T00:00:00+01:00", "2026-11-27T00:00:00+01:00");
        check(Every::HOUR, "2026-11-25T12:59:59.999+01:00", "2026-11-25T13:00:00+01:00");
        check(quarter, "2026-11-25T17:30:00+01:00", "2026-11-25T18:00:00+01:00");
        check(quarter, "2026-11-25T18:00:00+01:00", "2026-11-26T00:00:00+01:00");
    }

    #[test]
    fn a_day_on_which_clocks_are_changed_ends_at_its_midnight_and_no_part_of_it_lies_in_the_past() {
        check(Every::DAY, "2026-03-29T01:00:00+01:00", "2026-03-30T00:00:00+02:00");
        check(Every::DAY, "2026-10-25T01:00:00+02:00", "2026-10-26T00:00:00+01:00");
        // 02:00 to 03:00 is passed by in March, and comes twice in October.
        check(Every::HOUR, "2026-03-29T01:10:00+01:00", "2026-03-29T03:00:00+02:00");
        let half = Every::new(Duration::from_secs(1800)).unwrap();
        check(half, "2026-10-25T02:10:00+02:00", "2026-10-25T02:30:00+02:00");
        check(half, "2026-10-25T02:10:00+01:00", "2026-10-25T02:30:00+01:00");
    }

    #[test]
    fn only_what_a_day_consists_of_is_a_part_of_it() {
        let minutes = |minutes: u64| Every::new(Duration::from_secs(minutes * 60)).map(Every::minutes);
        assert_eq!(minutes(15), Some(15));
        assert_eq!(minutes(1440), Some(1440));
        assert_eq!([minutes(0), minutes(7), minutes(2880)], [None; 3]);
        assert_eq!(Every::new(Duration::from_millis(60_001)), None);
    }
}
