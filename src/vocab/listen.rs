use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use super::port::{Endpoint, Port, Protocol};

/// Where a held socket listens.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum ListenAddress {
    /// TCP, at an address and a port.
    Tcp(SocketAddr),
    /// A unix stream socket, at an absolute path.
    Unix(PathBuf),
}

/// Who may connect to a unix socket: whom its file belongs to, and its mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Access {
    /// The mode of its file.
    pub mode: u32,
    /// The user whom it belongs to; none for whom it is opened for.
    pub uid: Option<u32>,
    /// The group that it belongs to; none for that of whom it is opened for.
    pub gid: Option<u32>,
}

impl Default for Access {
    fn default() -> Self {
        Self { mode: 0o660, uid: None, gid: None }
    }
}

impl ListenAddress {
    /// The longest path of a unix socket that macOS takes (`sun_path` has 104 bytes, the last of them NUL); Linux takes 4
    /// more.
    pub const PATH_LEN_MAX: usize = 103;

    /// A TCP port at an address.
    pub fn tcp(host: IpAddr, port: Port) -> Self {
        Self::Tcp(SocketAddr::new(host, port.number()))
    }

    /// The same as a port at an address, if it is TCP.
    pub fn endpoint(&self) -> Option<Endpoint> {
        match self {
            Self::Tcp(address) => {
                let port = Port::new(address.port())?;
                Some(Endpoint { port, protocol: Protocol::Tcp, address: Some(address.ip()) })
            }
            Self::Unix(_) => None,
        }
    }

    /// What [`fmt::Display`] writes, read back; none if it is neither `HOST:PORT` nor an absolute path.
    pub fn parse(text: &str) -> Option<Self> {
        if text.starts_with('/') {
            return Some(Self::Unix(PathBuf::from(text)));
        }
        text.parse().ok().map(Self::Tcp)
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "{address}"),
            Self::Unix(path) => write!(f, "{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::ListenAddress;

    #[test]
    fn an_address_is_read_back_as_it_was_written() {
        for text in ["127.0.0.1:3000", "[::1]:3000", "[::]:1", "/run/app.sock"] {
            assert_eq!(ListenAddress::parse(text).unwrap().to_string(), text);
        }
        for text in ["", "3000", "127.0.0.1", "app.sock"] {
            assert_eq!(ListenAddress::parse(text), None, "{text}");
        }
    }
}
