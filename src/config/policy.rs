use std::time::Duration;

use super::environment::Environment;
use super::sections;
use super::table::{Notes, Section, Value};
use crate::spec::health::{Check, Health};
use crate::spec::policy::Backoff;
use crate::vocab::port::Port;

/// Reads `backoff = { … }`.
pub(super) fn backoff<'a>(value: &Value<'a>, notes: &'a Notes, environment: &Environment) -> Option<Backoff> {
    let section = Section::new(vec![value.expect_table()?], notes, environment);
    let usual = Backoff::default();
    let factor = section.value("factor").map_or(Some(usual.factor), |value| {
        let factor = value.float()?;
        if factor < 1.0 {
            value.add(format!("a factor of {factor} lets the waits shrink"), "use 1 or more");
            return None;
        }
        Some(factor)
    });
    let retries = section.integer("max_retries", 0..1 << 32).and_then(|count| u32::try_from(count).ok());
    let backoff = Backoff {
        initial: section.duration("initial").unwrap_or(usual.initial),
        max: section.duration("max").unwrap_or(usual.max),
        factor: factor.unwrap_or(usual.factor),
        reset_after: section.duration("reset_after").unwrap_or(usual.reset_after),
        max_retries: retries.unwrap_or(usual.max_retries),
    };
    section.refuse_others("backoff");
    Some(backoff)
}

/// Reads `health = { … }` of a service with these ports.
pub(super) fn health<'a>(
    value: &Value<'a>,
    ports: &[Port],
    notes: &'a Notes,
    environment: &Environment,
) -> Option<Health> {
    let section = Section::new(vec![value.expect_table()?], notes, environment);
    let check = check(&section, value, ports, environment);
    let positive = |key, usual: Duration| {
        let Some((text, value)) = section.text(key) else { return usual };
        match value.note(crate::vocab::measure::parse_duration(&text)) {
            Some(Duration::ZERO) => {
                value.add("this must be longer than nothing", "write \"5s\", say");
                usual
            }
            Some(duration) => duration,
            None => usual,
        }
    };
    let retries = section.integer("retries", 1..1 << 32).and_then(|count| u32::try_from(count).ok());
    let (interval, timeout) = (positive("interval", Health::INTERVAL), positive("timeout", Health::TIMEOUT));
    let start_period = section.duration("start_period").unwrap_or(Health::START_PERIOD);
    section.refuse_others("health");
    Some(Health {
        check: check?,
        interval,
        timeout,
        retries: retries.unwrap_or(Health::RETRIES),
        start_period,
    })
}

fn check(
    section: &Section<'_>,
    whole: &Value<'_>,
    ports: &[Port],
    environment: &Environment,
) -> Option<Check> {
    let (http, tcp, port) = (section.value("http"), section.value("tcp"), section.value("port"));
    // Asked for here, read by the caller: a file that lacks the check still has these keys known.
    let declared = port.and_then(|value| Some((sections::port(&value)?, value)));
    let target = |from: Option<(Port, Value<'_>)>| match from {
        Some((port, value)) if !ports.contains(&port) => {
            value.add(format!("the service does not declare port {port}"), "add it to `ports`");
            None
        }
        Some((port, _)) => Some(port),
        None if ports.is_empty() => {
            whole.add("a check over the network needs a port", "declare `port = N` in the service");
            None
        }
        None => ports.first().copied(),
    };
    match (http, tcp) {
        (Some(_), Some(tcp)) => {
            tcp.add("a service has one check", "keep `http` or `tcp`");
            None
        }
        (Some(http), None) => {
            let path = http.text(environment)?;
            if !path.starts_with('/') || path.contains(char::is_whitespace) {
                http.add(format!("`{path}` is not a path"), "begin it with `/`, as in \"/health\"");
                return None;
            }
            Some(Check::Http { port: target(declared)?, path })
        }
        (None, Some(tcp)) => {
            if tcp.as_flag() == Some(true) || tcp.is_integer() {
                let named = tcp.is_integer().then(|| sections::port(&tcp)).flatten().map(|port| (port, tcp));
                return Some(Check::Tcp { port: target(named.or(declared))? });
            }
            tcp.wrong_type("true or a port")
        }
        (None, None) => {
            whole.add("this checks nothing", "add `http = \"/health\"` or `tcp = true`");
            None
        }
    }
}
