use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::service::Command;
use crate::vocab::selection::Selection;
use crate::vocab::state::{Health, State};

/// Somebody who is told when services change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// How.
    pub way: Way,
    /// Of what.
    pub on: BTreeSet<News>,
    /// Of which services.
    pub services: Selection,
    /// How long one attempt may take.
    pub timeout: Duration,
}

/// The targets of a fleet by name.
pub type Targets = BTreeMap<String, Target>;

/// How somebody is told. Each change is one JSON object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// It is the standard input of this command.
    Command(Command),
    /// It is the body of a POST to this address.
    Webhook(Webhook),
}

/// Where a change is posted to, by plain HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// The host as it is written: a name, or an address without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// What is asked for, with its query.
    pub path: String,
    /// Header fields beside the usual ones.
    pub headers: Vec<(String, String)>,
}

/// What somebody is told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum News {
    /// A service comes to this state.
    State(State),
    /// Its check comes to this verdict.
    Health(Health),
    /// Its run ended with a failure, and its policy leaves it so.
    Failed,
}

impl News {
    /// All that can be told.
    pub fn all() -> impl Iterator<Item = Self> {
        let health = [Self::Health(Health::Healthy), Self::Health(Health::Unhealthy), Self::Failed];
        State::ALL.into_iter().map(Self::State).chain(health)
    }

    /// Its word in the config, and in what is told.
    pub fn word(self) -> &'static str {
        match self {
            Self::State(state) => state.word(),
            Self::Health(health) => health.word(),
            Self::Failed => "failed",
        }
    }
}

impl Target {
    /// How long one attempt may take, unless the config says otherwise.
    pub const TIMEOUT: Duration = Duration::from_secs(10);

    /// What is told, unless the config says otherwise.
    pub const USUAL: [News; 3] = [News::State(State::Fatal), News::Failed, News::Health(Health::Unhealthy)];

    /// So many changes may wait for one target; more are dropped, and counted.
    pub const QUEUE_MAX: usize = 100;

    /// The pauses before a change is tried again that could not be told.
    pub const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(5)];
}

/// Why a text is no address that changes can be posted to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadWebhook {
    /// It needs TLS.
    #[error("procman does not speak https")]
    Https,
    /// It is no such address.
    #[error("this is not an http address")]
    Unreadable,
}

impl FromStr for Webhook {
    type Err = BadWebhook;

    /// Reads `http://host[:port][/path]`; 80 is the port unless said.
    fn from_str(text: &str) -> Result<Self, BadWebhook> {
        if text.get(..8).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https://")) {
            return Err(BadWebhook::Https);
        }
        let rest = text.strip_prefix("http://").ok_or(BadWebhook::Unreadable)?;
        let (authority, path) = rest.find(['/', '?']).map_or((rest, ""), |at| rest.split_at(at));
        let is_plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#');
        let (host, port) = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, "")) => (host, 80),
            Some((host, port)) => {
                (host, port.strip_prefix(':').and_then(port_of).ok_or(BadWebhook::Unreadable)?)
            }
            None => match authority.rsplit_once(':') {
                Some((host, port)) => (host, port_of(port).ok_or(BadWebhook::Unreadable)?),
                None => (authority, 80),
            },
        };
        if host.is_empty() || authority.contains('@') || !is_plain(authority) || !is_plain(path) {
            return Err(BadWebhook::Unreadable);
        }
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        Ok(Self { host: host.to_owned(), port, path, headers: Vec::new() })
    }
}

fn port_of(text: &str) -> Option<u16> {
    text.parse().ok().filter(|port| *port > 0)
}

impl Webhook {
    /// The host and the port as they stand in an address.
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        format!("{host}:{}", self.port)
    }
}

impl fmt::Display for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}{}", self.authority(), self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::{BadWebhook, Webhook};

    #[test]
    fn an_address_is_taken_apart_or_refused() {
        let check = |text: &str, expected: Result<&str, BadWebhook>| {
            let read = text.parse::<Webhook>().map(|webhook| webhook.to_string());
            assert_eq!(read, expected.map(str::to_owned), "{text}");
        };
        check("http://hooks.local/a?b=c", Ok("http://hooks.local:80/a?b=c"));
        check("http://127.0.0.1:8080", Ok("http://127.0.0.1:8080/"));
        check("http://[::1]:8080/x", Ok("http://[::1]:8080/x"));
        check("http://[::1]", Ok("http://[::1]:80/"));
        check("http://host?x", Ok("http://host:80/?x"));
        check("https://hooks.example/a", Err(BadWebhook::Https));
        for bad in [
            "",
            "host",
            "http://",
            "http:///x",
            "http://a:0/",
            "http://a:x/",
            "http://u@a/",
            "http://a/ b",
            "http://a/#b",
        ] {
            check(bad, Err(BadWebhook::Unreadable));
        }
    }
}
