use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;

use super::load::Machine;
use super::policy::Ports;
use super::scope::Knowledge;
use super::table::Section;
use super::value::{Expected, Value};
use super::{prove, sections};
use crate::spec::health::{Budget, Check, Health, Http, OnUnhealthy, Pattern};
use crate::vocab::port::{Endpoint, Port, Protocol};

/// What a service's checks are read with.
pub(super) struct Around<'a> {
    pub(super) ports: &'a Ports,
    /// The service's directory, if it is one.
    pub(super) directory: &'a Path,
    pub(super) machine: Machine,
}

/// The checks of a service.
#[derive(Default)]
pub(super) struct Checks {
    pub(super) ready: Option<Health>,
    pub(super) live: Option<Health>,
}

impl Checks {
    /// Whether one of them looks for lines in the service's log files.
    pub(super) fn reads_logs(&self) -> bool {
        self.ready.iter().chain(&self.live).any(|health| matches!(health.check, Check::Log(_)))
    }

    /// Whether one of them listens to what the service tells of itself.
    pub(super) fn notify(&self) -> bool {
        let mut both = self.ready.iter().chain(&self.live);
        both.any(|health| matches!(health.check, Check::Notify { .. }))
    }
}

/// What a table of a check is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Both,
    Ready,
    Live,
}

impl Role {
    fn key(self) -> &'static str {
        match self {
            Self::Both => "health",
            Self::Ready => "ready",
            Self::Live => "live",
        }
    }
}

/// The kinds of checks, each with the keys that it alone understands.
const KINDS: [(&str, &[&str]); 6] = [
    ("http", &["port", "status", "body", "headers"]),
    ("tcp", &["port"]),
    ("exec", &[]),
    ("heartbeat", &["max_age"]),
    ("log", &[]),
    ("notify", &["watchdog"]),
];

/// Reads `health`, or `ready` and `live` in its place.
pub(super) fn read(section: &Section<'_>, around: &Around<'_>) -> Checks {
    let value = |role: Role| section.value(role.key());
    let (both, ready, live) = (value(Role::Both), value(Role::Ready), value(Role::Live));
    if let (Some(both), true) = (&both, ready.is_some() || live.is_some()) {
        both.add("`health` is `ready` and `live` in one", "keep `health`, or write all of it in those two");
        return Checks::default();
    }
    let read = |role, value: Option<Value<'_>>| value.and_then(|value| one(role, &value, around));
    match read(Role::Both, both) {
        None => Checks { ready: read(Role::Ready, ready), live: read(Role::Live, live) },
        Some(health) if stays_good(&health.check) => Checks { ready: Some(health), live: None },
        Some(health) => Checks { ready: Some(health.clone()), live: Some(health) },
    }
}

/// Whether there is nothing more to be asked once it has passed.
fn stays_good(check: &Check) -> bool {
    match check {
        Check::Log(_) | Check::Notify { watchdog: None } => true,
        Check::Notify { watchdog: Some(_) } | Check::Heartbeat { .. } => false,
        Check::Tcp { .. } | Check::Http(_) | Check::Exec(_) => false,
    }
}

fn one(role: Role, value: &Value<'_>, around: &Around<'_>) -> Option<Health> {
    let section = value.section()?;
    let positive = |key, usual: Duration| match section.value(key) {
        None => usual,
        Some(value) => positive(&value).unwrap_or(usual),
    };
    let count = |key, range| section.integer(key, range).and_then(|count| u32::try_from(count).ok());
    let (interval, timeout) = (positive("interval", Health::INTERVAL), positive("timeout", Health::TIMEOUT));
    let check = kind(&section, value).and_then(|(kind, asked)| {
        refuse_keys_of_other_kinds(&section, kind);
        Reader { section: &section, asked, whole: value, around, beat: interval + timeout }.check(kind)
    });
    if let (Role::Live, Some(check)) = (role, &check) {
        refuse_what_cannot_fail(check, value);
    }
    let is_pulse = check.as_ref().is_some_and(is_pulse);
    let usual_retries = if is_pulse { 1 } else { Health::RETRIES };
    let retries = count("retries", 1..1 << 32).unwrap_or(usual_retries);
    let successes = count("successes", 1..1 << 32).unwrap_or(Health::SUCCESSES);
    let start_period = section.duration("start_period").unwrap_or(Health::START_PERIOD);
    let on_unhealthy = on_unhealthy(&section, is_pulse || role == Role::Live);
    section.refuse_others(role.key());
    Some(Health { check: check?, interval, timeout, retries, successes, start_period, on_unhealthy })
}

/// Whether it is a sign of life that the service gives by itself: there is nothing to be tried again when it is missing.
fn is_pulse(check: &Check) -> bool {
    match check {
        Check::Heartbeat { .. } | Check::Notify { watchdog: Some(_) } => true,
        Check::Tcp { .. } | Check::Http(_) | Check::Exec(_) => false,
        Check::Log(_) | Check::Notify { watchdog: None } => false,
    }
}

fn refuse_what_cannot_fail(check: &Check, whole: &Value<'_>) {
    match check {
        Check::Log(_) => whole.add(
            "a line that was written stays written: `log` says nothing of a service that runs",
            "write `ready = { log = … }`, and another check in `live`",
        ),
        Check::Notify { watchdog: None } => whole.add(
            "without a watchdog, `notify` says nothing of a service that runs",
            "add `watchdog = \"10s\"`, or write `ready = { notify = true }`",
        ),
        Check::Notify { watchdog: Some(_) } | Check::Heartbeat { .. } => (),
        Check::Tcp { .. } | Check::Http(_) | Check::Exec(_) => (),
    }
}

/// The one kind of check that a table names.
fn kind<'a>(section: &Section<'a>, whole: &Value<'_>) -> Option<(&'static str, Value<'a>)> {
    let named = KINDS.iter().filter_map(|(kind, _)| Some((*kind, section.value(kind)?)));
    let mut named: Vec<(&'static str, Value<'a>)> = named.collect();
    // Known, whatever comes of the kind: a table that lacks it is said to lack it, and no more.
    for key in KINDS.iter().flat_map(|(_, keys)| *keys) {
        let _ = section.value(key);
    }
    match named.len() {
        0 => {
            whole.add("this checks nothing", "add `http = \"/health\"` or `tcp = true`, say");
            None
        }
        1 => named.pop(),
        _ => {
            let kinds: Vec<String> = named.iter().map(|(kind, _)| format!("`{kind}`")).collect();
            named[1].1.add("a table has one check", format!("keep one of {}", kinds.join(", ")));
            None
        }
    }
}

fn refuse_keys_of_other_kinds(section: &Section<'_>, kind: &str) {
    let own = KINDS.iter().find(|(name, _)| *name == kind).map_or(&[][..], |(_, keys)| keys);
    let all = KINDS.iter().flat_map(|(other, keys)| keys.iter().map(move |key| (*other, *key)));
    let mut met = Vec::new();
    for (other, key) in all.filter(|(_, key)| !own.contains(key)) {
        let Some(value) = section.value(key).filter(|_| !met.contains(&key)) else { continue };
        value.add(format!("`{key}` goes with `{other}`, not with `{kind}`"), "remove it");
        met.push(key);
    }
}

/// A duration that is longer than nothing.
pub(super) fn positive(value: &Value<'_>) -> Option<Duration> {
    match value.duration()? {
        Duration::ZERO => {
            value.add("this must be longer than nothing", "write \"5s\", say");
            None
        }
        duration => Some(duration),
    }
}

fn on_unhealthy(section: &Section<'_>, restarts: bool) -> OnUnhealthy {
    let usual = Budget::default();
    let keys = [section.value("max_restarts"), section.value("within")];
    let count =
        keys[0].and_then(|value| u32::try_from(value.integer(1..i64::from(Budget::RESTARTS_MAX) + 1)?).ok());
    let within = keys[1].and_then(|value| positive(&value));
    let budget =
        Budget { restarts_max: count.unwrap_or(usual.restarts_max), within: within.unwrap_or(usual.within) };
    let said = section.text("on_unhealthy");
    let on_unhealthy = match &said {
        None if restarts => OnUnhealthy::Restart(budget),
        None => OnUnhealthy::Report,
        Some((text, value)) => match text.as_str() {
            "restart" => OnUnhealthy::Restart(budget),
            "report" => OnUnhealthy::Report,
            "stop" => OnUnhealthy::Stop,
            other => {
                let what = format!("`{other}` is nothing that can be done about it");
                value.add(what, "use \"restart\", \"report\" or \"stop\"");
                return OnUnhealthy::Report;
            }
        },
    };
    if !matches!(on_unhealthy, OnUnhealthy::Restart(_)) {
        for value in keys.into_iter().flatten() {
            value.add("nothing is restarted here", "add `on_unhealthy = \"restart\"`, or remove this");
        }
    }
    on_unhealthy
}

/// Reads what is asked of one kind.
struct Reader<'r, 'v> {
    section: &'r Section<'v>,
    asked: Value<'v>,
    whole: &'r Value<'v>,
    around: &'r Around<'r>,
    /// How old a heartbeat may be unless said.
    beat: Duration,
}

impl Reader<'_, '_> {
    fn check(&self, kind: &str) -> Option<Check> {
        match kind {
            "http" => self.http(),
            "tcp" => self.tcp(),
            "exec" => self.exec(),
            "heartbeat" => {
                let said = self.section.value("max_age").map(|value| positive(&value));
                let age_max = said.unwrap_or(Some(self.beat))?;
                let file = self.around.directory.join(self.asked.text()?);
                // Without the `.` of a directory or a file that is given so.
                Some(Check::Heartbeat { file: file.components().collect(), age_max })
            }
            "log" => self.pattern(&self.asked).map(Check::Log),
            _ => self.notify(),
        }
    }

    fn http(&self) -> Option<Check> {
        let path = self.asked.text()?;
        if !path.starts_with('/') || path.contains(char::is_whitespace) {
            self.asked.add(format!("`{path}` is not a path"), "begin it with `/`, as in \"/health\"");
            return None;
        }
        let statuses = match self.section.value("status") {
            None => vec![Http::STATUSES],
            Some(value) => value.members().iter().filter_map(statuses).collect(),
        };
        let body = self.section.value("body").map(|value| self.pattern(&value));
        let headers = self.section.value("headers").map(|value| headers(&value));
        let port = self.port(self.declared())?;
        Some(Check::Http(Http {
            port,
            path,
            headers: headers.unwrap_or_default(),
            statuses,
            body: body.flatten(),
        }))
    }

    fn tcp(&self) -> Option<Check> {
        let declared = self.declared();
        match self.asked.scalar(Expected::FlagOrPort)?.as_str() {
            "true" => Some(Check::Tcp { port: self.port(declared)? }),
            "false" => self.asked.wrong_text(Expected::FlagOrPort, "false"),
            _ => {
                let port = sections::port(&self.asked)?;
                Some(Check::Tcp { port: self.port(Some((port, self.asked)))? })
            }
        }
    }

    fn exec(&self) -> Option<Check> {
        prove::command(&self.asked, self.around.directory, self.around.machine).map(Check::Exec)
    }

    fn notify(&self) -> Option<Check> {
        if !self.asked.flag()? {
            self.asked.add("this checks nothing", "write `notify = true`");
            return None;
        }
        if cfg!(target_os = "macos") {
            self.asked.add(
                "`notify` needs a system that tells who sent a datagram, and macOS does not",
                "use `log`, `http` or `heartbeat`",
            );
            return None;
        }
        let watchdog = self.section.value("watchdog").map(|value| positive(&value));
        Some(Check::Notify { watchdog: watchdog.flatten() })
    }

    fn pattern(&self, value: &Value<'_>) -> Option<Pattern> {
        let text = value.text()?;
        match Pattern::new(&text) {
            Ok(pattern) => Some(pattern),
            Err(error) => {
                let why = error.to_string();
                let why = why.lines().last().unwrap_or_default().trim_start_matches("error: ");
                value.add(
                    format!("this is not a regular expression: {why}"),
                    "a backslash before `.`, `(`, `[` and their like takes them as they are",
                );
                None
            }
        }
    }

    /// The port that stands beside the check.
    fn declared(&self) -> Option<(Port, Value<'_>)> {
        self.section.value("port").and_then(|value| Some((sections::port(&value)?, value)))
    }

    /// The port that is asked: the one that is named, else the service's first; of several addresses of it, the first.
    fn port(&self, named: Option<(Port, Value<'_>)>) -> Option<Endpoint> {
        let ports = self.around.ports;
        let on = |port: Option<Port>| {
            let mut of_tcp = ports.list.iter().filter(|it| it.protocol == Protocol::Tcp);
            of_tcp.find(|it| port.is_none_or(|port| port == it.port)).copied()
        };
        match (named, ports.knowledge) {
            (Some((port, _)), _) if on(Some(port)).is_some() => on(Some(port)),
            (Some((port, value)), Knowledge::Whole) => {
                value.add(format!("the service does not declare port {port}"), "add it to `ports`");
                None
            }
            (None, Knowledge::Whole) if on(None).is_none() => {
                self.whole.add("a check over the network needs a port", "declare `port = N` in the service");
                None
            }
            (None, Knowledge::Whole) => on(None),
            // A note says which port cannot be; this one may be it.
            (Some(_) | None, Knowledge::Partial) => None,
        }
    }
}

/// A status, or two with a dash between.
fn statuses(value: &Value<'_>) -> Option<RangeInclusive<u16>> {
    let words = value.scalar(Expected::Status)?;
    let (first, last) = words.split_once('-').unwrap_or((&words, &words));
    let status = |text: &str| text.trim().parse().ok().filter(|status| (100..600).contains(status));
    match (status(first), status(last)) {
        (Some(first), Some(last)) if first <= last => Some(first..=last),
        (Some(_) | None, _) => value.wrong_text(Expected::Status, &words),
    }
}

/// Header fields, each proven to be one.
pub(super) fn headers(value: &Value<'_>) -> Vec<(String, String)> {
    if value.expect_table().is_none() {
        return Vec::new();
    }
    let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    let read = |(name, _, value): (&str, _, Value<'_>)| {
        let text = value.text()?;
        if name.is_empty() || !name.chars().all(is_token) {
            value.add(
                format!("`{name}` is not the name of a header field"),
                "write it as in `X-Token = \"…\"`",
            );
        } else if text.contains(|c: char| c.is_ascii_control()) {
            value.add("a header field holds no line breaks", "write its value in one line");
        } else {
            return Some((name.to_owned(), text));
        }
        None
    };
    value.entries().into_iter().filter_map(read).collect()
}
