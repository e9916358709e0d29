use super::model::{AutoRestart, Destination, LogLevel};
use super::python::{int, octal, repr, strip};
use super::stop_signal::StopSignal;

/// `yes true on 1` or `no false off 0`, in any case.
pub(super) fn boolean(text: &str) -> Result<bool, String> {
    as_boolean(text).ok_or_else(|| format!("not a valid boolean value: {}", repr(text)))
}

fn as_boolean(text: &str) -> Option<bool> {
    match text.to_lowercase().as_str() {
        "yes" | "true" | "on" | "1" => Some(true),
        "no" | "false" | "off" | "0" => Some(false),
        _ => None,
    }
}

/// When a program that ended is started again.
pub(super) fn auto_restart(text: &str) -> Result<AutoRestart, String> {
    match (as_boolean(text), text.to_lowercase().as_str()) {
        (Some(true), _) => Ok(AutoRestart::Always),
        (Some(false), _) => Ok(AutoRestart::Never),
        (None, "unexpected") => Ok(AutoRestart::Unexpected),
        (None, lower) => Err(format!("invalid 'autorestart' value {}", repr(lower))),
    }
}

/// A number of bytes with an optional `kb`, `mb` or `gb` of 1024 each.
pub(super) fn byte_size(text: &str) -> Result<i64, String> {
    let lower = text.to_lowercase();
    let factors = [("kb", 1 << 10), ("mb", 1 << 20), ("gb", 1 << 30)];
    let found = factors.iter().find_map(|(suffix, factor)| Some((lower.strip_suffix(suffix)?, *factor)));
    let (number, factor) = found.unwrap_or((&lower, 1));
    Ok(int(number)?.saturating_mul(factor))
}

/// A mode or mask in octal digits.
pub(super) fn octal_type(text: &str) -> Result<u32, String> {
    octal(text)
        .and_then(|mode| u32::try_from(mode).ok())
        .ok_or_else(|| format!("{text} can not be converted to an octal type"))
}

/// Names with commas between them; an empty text has none.
pub(super) fn list(text: &str) -> Vec<String> {
    if text.is_empty() { Vec::new() } else { text.split(',').map(|name| strip(name).to_owned()).collect() }
}

/// Exit codes with commas between them.
pub(super) fn exit_codes(text: &str) -> Result<Vec<i64>, String> {
    let read = |code: &str| int(code).ok().filter(|code| (0..256).contains(code));
    let codes = if text.is_empty() { Some(Vec::new()) } else { text.split(',').map(read).collect() };
    codes.ok_or_else(|| format!("not a valid list of exit codes: {}", repr(text)))
}

/// A name of a program, process or group, stripped.
pub(super) fn name(text: &str) -> Result<String, String> {
    let stripped = strip(text);
    match [' ', ':', '/'].into_iter().find(|c| stripped.contains(*c)) {
        Some(c) => {
            Err(format!("Invalid name: {} because of character: {}", repr(text), repr(&c.to_string())))
        }
        None => Ok(stripped.to_owned()),
    }
}

/// A signal by number, or by name with or without `SIG` in any case.
pub(super) fn signal(text: &str) -> Result<StopSignal, String> {
    if let Ok(number) = int(text) {
        return StopSignal::from_number(number)
            .ok_or_else(|| format!("value {} is not a valid signal number", repr(text)));
    }
    let upper = strip(text).to_uppercase();
    let bare = upper.strip_prefix("SIG").unwrap_or(&upper);
    StopSignal::from_name(bare).ok_or_else(|| format!("value {} is not a valid signal name", repr(text)))
}

/// How much supervisord's own log says.
pub(super) fn log_level(text: &str) -> Result<LogLevel, String> {
    LogLevel::parse(&text.to_lowercase()).ok_or_else(|| format!("bad logging level name {}", repr(text)))
}

/// Where output goes, before a path is looked at.
pub(super) fn destination(text: &str) -> Destination {
    match text.to_lowercase().as_str() {
        "none" | "off" => Destination::Nowhere,
        "auto" => Destination::Automatic,
        "syslog" => Destination::Syslog,
        _ => Destination::File(text.to_owned()),
    }
}

/// `host:port`, `*:port`, `:port` or `port`; the host is lower-cased and empty for every address.
pub(super) fn inet_address(text: &str) -> Result<(String, u16), String> {
    let (host, number) = match text.rsplit_once(':') {
        Some((_, "")) => return Err("no port number specified in ''".to_owned()),
        Some((host, number)) => (host.to_lowercase(), port(number)?),
        None => (String::new(), port(text).map_err(|_| format!("not a valid port number: {} ", repr(text)))?),
    };
    Ok((if host == "*" { String::new() } else { host }, number))
}

/// A port from 1 to 65535.
pub(super) fn port(text: &str) -> Result<u16, String> {
    match int(text)? {
        number if number < 1 => Err(format!("{number} is below lower bound (1)")),
        number => u16::try_from(number).map_err(|_| format!("{number} is above upper bound (65535)")),
    }
}
