use std::fmt;
use std::time::Duration;

use super::unfit::Unfit;

/// A text that is not a duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a duration: {way_out}", way_out = Self::WAY_OUT)]
pub struct BadDuration(pub String);

/// A text that is not a size.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a size: {way_out}", way_out = Self::WAY_OUT)]
pub struct BadSize(pub String);

impl Unfit for BadDuration {
    const WAY_OUT: &'static str =
        "write a number with its unit, such as \"500ms\", \"10s\", \"5m\" or \"1h 30m\"";
}

impl Unfit for BadSize {
    const WAY_OUT: &'static str = "write a number with its unit, such as \"64KB\", \"50MB\" or \"1GiB\"";
}

/// Reads a duration such as `500ms`, `10s`, `5m`, `1h 30m`. A number without a unit is refused: it is where
/// supervisord's seconds and pm2's milliseconds meet.
pub fn parse_duration(text: &str) -> Result<Duration, BadDuration> {
    humantime::parse_duration(text.trim()).map_err(|_| BadDuration(text.to_owned()))
}

/// A duration in whole milliseconds, as files and the protocol have it; one that no file can have is the longest.
pub fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Reads a size in bytes such as `50MB` (10^6) or `50MiB` (2^20).
pub fn parse_size(text: &str) -> Result<u64, BadSize> {
    let has_unit = text.trim().ends_with(|c: char| c.is_ascii_alphabetic());
    if !has_unit {
        return Err(BadSize(text.to_owned()));
    }
    text.trim().parse::<bytesize::ByteSize>().map(|size| size.as_u64()).map_err(|_| BadSize(text.to_owned()))
}

/// A duration in the shortest words that still tell it apart: `0.3ms`, `42ms`, `1.8s`, `12m 05s`, `3h 07m`, `2d 04h`.
#[derive(Debug, Clone, Copy)]
pub struct Brief(pub Duration);

impl fmt::Display for Brief {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        let text = match seconds {
            0 if self.0.as_millis() < 10 => format!("{:.1}ms", self.0.as_secs_f64() * 1e3),
            0 => format!("{}ms", self.0.as_millis()),
            1..=9 => format!("{:.1}s", (self.0.as_secs_f64() * 10.0).floor() / 10.0),
            10..=59 => format!("{seconds}s"),
            60..=3_599 => format!("{}m {:02}s", seconds / 60, seconds % 60),
            3_600..=86_399 => format!("{}h {:02}m", seconds / 3_600, seconds % 3_600 / 60),
            _ => format!("{}d {:02}h", seconds / 86_400, seconds % 86_400 / 3_600),
        };
        f.pad(&text)
    }
}

/// A size as people read it: `12.3 MB`.
#[derive(Debug, Clone, Copy)]
pub struct Bytes(pub u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&bytesize::ByteSize(self.0).display().si().to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::{Brief, parse_duration, parse_size};
    use std::time::Duration;

    #[test]
    fn durations_need_a_unit() {
        assert_eq!(parse_duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse_duration("1h 30m"), Ok(Duration::from_secs(5400)));
        for bad in ["", "10", "-1s", "ten", "10 parsecs"] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn sizes_are_decimal_unless_they_say_otherwise() {
        assert_eq!(parse_size("50MB"), Ok(50_000_000));
        assert_eq!(parse_size("1 GiB"), Ok(1 << 30));
        for bad in ["", "50", "MB", "-1MB", "5 apples"] {
            assert!(parse_size(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_brief_duration_keeps_what_matters() {
        let check =
            |millis: u64, text: &str| assert_eq!(Brief(Duration::from_millis(millis)).to_string(), text);
        check(3, "3.0ms");
        check(420, "420ms");
        check(1_890, "1.8s");
        check(59_999, "59s");
        check(725_000, "12m 05s");
        check(11_220_000, "3h 07m");
        check(187_200_000, "2d 04h");
    }
}
