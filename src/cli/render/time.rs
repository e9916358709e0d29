use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::vocab::measure::Brief;

/// A time in the zone of whoever reads, in that format (strftime(3)).
pub(in crate::cli) fn local(unix_ms: u64, format: &str) -> String {
    let stamp = Timestamp::from_millisecond(i64::try_from(unix_ms).unwrap_or(i64::MAX)).unwrap_or_default();
    stamp.to_zoned(TimeZone::system()).strftime(format).to_string()
}

/// Seconds of the protocol as people read them; less than none, or more than any, are none.
pub(in crate::cli) fn brief(seconds: f64) -> Brief {
    Brief(Duration::try_from_secs_f64(seconds).unwrap_or_default())
}
