use std::fmt;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;

use crate::sys::clock;

/// The time before a line for people: that of the machine's zone, as in the marks between runs, with what that is to UTC.
pub(super) struct LocalTime;

impl FormatTime for LocalTime {
    fn format_time(&self, writer: &mut Writer<'_>) -> fmt::Result {
        write!(writer, "{}", stamp(clock::unix_ms(), TimeZone::system()))
    }
}

fn stamp(unix_ms: u64, zone: TimeZone) -> String {
    let at = Timestamp::from_millisecond(i64::try_from(unix_ms).unwrap_or(i64::MAX)).unwrap_or_default();
    at.to_zoned(zone).strftime("%Y-%m-%dT%H:%M:%S%.3f%:z").to_string()
}

#[cfg(test)]
mod tests {
    use super::stamp;
    use jiff::tz::{Offset, TimeZone};

    #[test]
    fn a_time_is_that_of_the_zone_with_what_it_is_to_utc() {
        let zone = TimeZone::fixed(Offset::constant(2));
        assert_eq!(stamp(1_764_118_731_040, zone), "2025-11-26T02:58:51.040+02:00");
        assert_eq!(stamp(1_764_118_731_040, TimeZone::UTC), "2025-11-26T00:58:51.040+00:00");
    }
}
