use std::fmt;
use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use super::name::ServiceName;
use super::unfit::Unfit;

/// A port of TCP or UDP, 1 to 65535.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema,
)]
#[schema(value_type = u16)]
#[serde(try_from = "u16", into = "u16")]
pub struct Port(u16);

impl Port {
    /// The lowest port that any user may bind; those below are the system's.
    pub const FIRST_UNPRIVILEGED: Self = Self(1024);

    /// A port, unless it is 0.
    pub fn new(number: u16) -> Option<Self> {
        (number != 0).then_some(Self(number))
    }

    /// Its number.
    pub fn number(self) -> u16 {
        self.0
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl TryFrom<u16> for Port {
    type Error = String;
    fn try_from(number: u16) -> Result<Self, String> {
        Self::new(number).ok_or_else(|| "0 is not a port".to_owned())
    }
}

impl From<Port> for u16 {
    fn from(port: Port) -> Self {
        port.0
    }
}

/// What a port counts in.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    utoipa::ToSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// Connections; whoever waits for them listens.
    #[default]
    Tcp,
    /// Datagrams; whoever is bound and not connected waits for them.
    Udp,
}

/// Where a service listens: a port, the protocol that it counts in, and the address if only one is meant.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema,
)]
pub struct Endpoint {
    /// The port.
    pub port: Port,
    /// What it counts in.
    #[serde(default)]
    pub protocol: Protocol,
    /// The address; any when none is said.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub address: Option<IpAddr>,
}

impl Endpoint {
    /// A TCP port on any address.
    pub fn tcp(port: Port) -> Self {
        Self { port, protocol: Protocol::Tcp, address: None }
    }

    /// The number of its port.
    pub fn number(self) -> u16 {
        self.port.number()
    }

    /// Reads `8080`, `"5353/udp"`, `"127.0.0.1:3000"`, `"[::1]:3000"` or `"*:3000"`, which is 3000 on any address.
    ///
    /// # Errors
    /// The text is none of these, in words that end with the way out.
    pub fn parse(text: &str) -> Result<Self, BadEndpoint> {
        let bad = || BadEndpoint(text.to_owned());
        let (place, protocol) = match text.rsplit_once('/') {
            Some((place, "tcp")) => (place, Protocol::Tcp),
            Some((place, "udp")) => (place, Protocol::Udp),
            Some(_) => return Err(bad()),
            None => (text, Protocol::Tcp),
        };
        let (host, number) = place.rsplit_once(':').unwrap_or(("*", place));
        let port = number.parse().ok().and_then(Port::new).ok_or_else(bad)?;
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let address = match (host, bare) {
            ("*", _) => None,
            (_, Some(bare)) => Some(IpAddr::V6(bare.parse().map_err(|_| bad())?)),
            (host, None) => Some(IpAddr::V4(host.parse().map_err(|_| bad())?)),
        };
        Ok(Self { port, protocol, address: address.map(|address| address.to_canonical()) })
    }

    /// Whether two sockets on these would be in each other's way.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.port == other.port
            && self.protocol == other.protocol
            && match (self.address, other.address) {
                (Some(one), Some(other)) => addresses_overlap(one.to_canonical(), other.to_canonical()),
                (None, _) | (_, None) => true,
            }
    }
}

/// A wildcard is in the way of every address that it reaches: `0.0.0.0` of IPv4, and `::` of both families, for a socket
/// on it takes IPv4 along unless its program says otherwise (ipv6(7), IPV6_V6ONLY).
fn addresses_overlap(one: IpAddr, other: IpAddr) -> bool {
    let reaches = |wildcard: IpAddr, address: IpAddr| {
        wildcard.is_unspecified() && (wildcard.is_ipv6() || address.is_ipv4())
    };
    one == other || reaches(one, other) || reaches(other, one)
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address {
            Some(address) => write!(f, "{}", SocketAddr::new(address, self.port.number()))?,
            None => write!(f, "{}", self.port)?,
        }
        match self.protocol {
            Protocol::Tcp => Ok(()),
            Protocol::Udp => f.write_str("/udp"),
        }
    }
}

/// A text that is no endpoint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a port: {way_out}", way_out = Self::WAY_OUT)]
pub struct BadEndpoint(String);

impl Unfit for BadEndpoint {
    const WAY_OUT: &'static str =
        "write 3000, \"5353/udp\", \"127.0.0.1:3000\", \"[::1]:3000\" or \"*:3000\"";
}

/// Whose a process is that listens on an assigned port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whose {
    /// Of a live run's tree.
    Live(ServiceName),
    /// Of the fleet, and of no live run.
    Stray(ServiceName),
    /// The supervisor, which holds the port for a service.
    Supervisor,
    /// Nobody's that we know.
    Foreign,
}

impl Whose {
    /// The word for it, and the service that it speaks of.
    pub fn verdict(self) -> (Verdict, Option<ServiceName>) {
        match self {
            Self::Live(service) => (Verdict::Ours, Some(service)),
            Self::Stray(service) => (Verdict::Stray, Some(service)),
            Self::Supervisor => (Verdict::Ours, None),
            Self::Foreign => (Verdict::Foreign, None),
        }
    }
}

/// Whose process holds an assigned port, in a word.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = PortVerdict)]
pub enum Verdict {
    /// Of a live run of the fleet, or the supervisor's, which holds it for one.
    Ours,
    /// Of the fleet, and of no live run.
    Stray,
    /// Somebody else's.
    Foreign,
    /// Nobody's.
    #[default]
    Free,
}

impl Verdict {
    /// The word, as in JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Stray => "stray",
            Self::Foreign => "foreign",
            Self::Free => "free",
        }
    }
}

/// Who holds an assigned port, seen from the service it is assigned to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum HeldBy {
    /// A process of the service's own tree listens on it.
    #[serde(rename = "self")]
    Service,
    /// Some other process listens on it.
    Other,
    /// Nobody listens on it.
    Nobody,
}

impl HeldBy {
    /// The word of the contract.
    pub fn word(self) -> &'static str {
        match self {
            Self::Service => "self",
            Self::Other => "other",
            Self::Nobody => "nobody",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Endpoint;

    #[test]
    fn an_endpoint_reads_back_what_it_wrote_and_nothing_else() {
        for text in ["3000", "53/udp", "127.0.0.1:3000", "[::1]:3000", "0.0.0.0:53/udp", "[::]:3000"] {
            assert_eq!(Endpoint::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Endpoint::parse("*:3000"), Endpoint::parse("3000/tcp"));
        assert_eq!(Endpoint::parse("[::ffff:127.0.0.1]:3000"), Endpoint::parse("127.0.0.1:3000"));
        for bad in
            ["", "0", "70000", "x:1", "localhost:3000", "::1:3000", "3000/sctp", "/udp", "*", "1.2.3:4"]
        {
            assert!(Endpoint::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_wildcard_is_in_the_way_of_what_it_reaches_and_others_of_themselves() {
        let check = |one: &str, other: &str, expected: bool| {
            let (first, second) = (Endpoint::parse(one).unwrap(), Endpoint::parse(other).unwrap());
            assert_eq!(first.overlaps(&second), expected, "{one} {other}");
            assert_eq!(second.overlaps(&first), expected, "{other} {one}");
        };
        check("3000", "3000", true);
        check("3000", "3001", false);
        check("3000", "3000/udp", false);
        check("3000", "[::1]:3000", true);
        check("0.0.0.0:3000", "127.0.0.1:3000", true);
        check("[::]:3000", "127.0.0.1:3000", true);
        check("[::]:3000", "0.0.0.0:3000", true);
        check("0.0.0.0:3000", "[::1]:3000", false);
        check("127.0.0.1:3000", "[::1]:3000", false);
        check("127.0.0.1:3000", "127.0.0.2:3000", false);
    }
}
