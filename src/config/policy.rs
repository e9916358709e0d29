use std::time::Duration;

use super::scope::Knowledge;
use super::sections;
use super::table::{Room, Section};
use super::value::{Expected, Value};
use crate::spec::health::{Check, Health};
use crate::spec::policy::Backoff;
use crate::vocab::port::Port;

/// Kinds of checks that the contract names and that are not there yet.
const PLANNED_CHECKS: [&str; 4] = ["exec", "log", "heartbeat", "notify"];

/// Reads `backoff = { … }`.
pub(super) fn backoff(value: &Value<'_>) -> Option<Backoff> {
    let section = value.section()?;
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
    section.refuse_others(Room { name: "backoff", planned: &[] });
    Some(backoff)
}

/// The ports that a service declares, and whether they are all.
pub(super) struct Ports {
    pub(super) list: Vec<Port>,
    pub(super) knowledge: Knowledge,
}

/// Reads `health = { … }` of a service with these ports.
pub(super) fn health(value: &Value<'_>, ports: &Ports) -> Option<Health> {
    let section = value.section()?;
    let check = check(&section, value, ports);
    let positive = |key, usual: Duration| {
        let Some(value) = section.value(key) else { return usual };
        match value.duration() {
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
    section.refuse_others(Room { name: "health", planned: &PLANNED_CHECKS });
    Some(Health {
        check: check?,
        interval,
        timeout,
        retries: retries.unwrap_or(Health::RETRIES),
        start_period,
    })
}

fn check(section: &Section<'_>, whole: &Value<'_>, ports: &Ports) -> Option<Check> {
    let (http, tcp, port) = (section.value("http"), section.value("tcp"), section.value("port"));
    // Asked for here, read by the caller: a file that lacks the check still has these keys known.
    let declared = port.and_then(|value| Some((sections::port(&value)?, value)));
    let target = |from: Option<(Port, Value<'_>)>| match (from, ports.knowledge) {
        (Some((port, _)), _) if ports.list.contains(&port) => Some(port),
        (Some((port, value)), Knowledge::Whole) => {
            value.add(format!("the service does not declare port {port}"), "add it to `ports`");
            None
        }
        (None, Knowledge::Whole) if ports.list.is_empty() => {
            whole.add("a check over the network needs a port", "declare `port = N` in the service");
            None
        }
        (None, Knowledge::Whole) => ports.list.first().copied(),
        // A note says which port cannot be; this one may be it.
        (Some(_) | None, Knowledge::Partial) => None,
    };
    match (http, tcp) {
        (Some(_), Some(tcp)) => {
            tcp.add("a service has one check", "keep `http` or `tcp`");
            None
        }
        (Some(http), None) => {
            let path = http.text()?;
            if !path.starts_with('/') || path.contains(char::is_whitespace) {
                http.add(format!("`{path}` is not a path"), "begin it with `/`, as in \"/health\"");
                return None;
            }
            Some(Check::Http { port: target(declared)?, path })
        }
        (None, Some(tcp)) => match tcp.scalar(Expected::FlagOrPort)?.as_str() {
            "true" => Some(Check::Tcp { port: target(declared)? }),
            "false" => tcp.wrong_text(Expected::FlagOrPort, "false"),
            _ => Some(Check::Tcp { port: target(Some((sections::port(&tcp)?, tcp)))? }),
        },
        (None, None) => {
            whole.add("this checks nothing", "add `http = \"/health\"` or `tcp = true`");
            None
        }
    }
}
