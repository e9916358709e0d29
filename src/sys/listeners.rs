use std::collections::{BTreeMap, BTreeSet};
use std::io;

use super::os;
use crate::vocab::identity::Pid;
use crate::vocab::port::{Endpoint, Port, Protocol};

/// A socket that waits for peers: of TCP one that listens, or has one, of UDP one that is bound and not connected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// Where, with its address.
    pub endpoint: Endpoint,
    /// What tells it from other sockets: the inode on Linux, the process on macOS.
    pub key: u64,
}

/// A process and a socket that it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// Where the socket listens.
    pub endpoint: Endpoint,
    /// The process.
    pub pid: Pid,
}

/// Among which processes a holder is looked for.
#[derive(Debug, Clone, Copy)]
pub enum Reach<'a> {
    /// Only these: a few descriptor tables are read.
    These(&'a [Pid]),
    /// All that this user may see: every descriptor table is read.
    Everybody,
}

/// Every socket that listens, whoever holds it; IPv4 and IPv6.
///
/// # Errors
/// The system does not say.
pub fn all(protocol: Protocol) -> io::Result<Vec<Listener>> {
    os::listeners::among(protocol, &BTreeSet::new())
}

/// The sockets that are in the way of these, or are these.
///
/// # Errors
/// The system does not say.
pub fn on(ports: &BTreeSet<Endpoint>) -> io::Result<Vec<Listener>> {
    let protocols: BTreeSet<Protocol> = ports.iter().map(|port| port.protocol).collect();
    let mut found = Vec::new();
    for protocol in protocols {
        let of_protocol = ports.iter().filter(|port| port.protocol == protocol);
        found.extend(os::listeners::among(protocol, &of_protocol.map(|port| port.port).collect())?);
    }
    found.retain(|listener| ports.iter().any(|port| port.overlaps(&listener.endpoint)));
    Ok(found)
}

/// The connections that these TCP ports have taken, whether or not a program has accepted them: those on which an answer may
/// still be written.
///
/// # Errors
/// The system does not say. macOS never does.
pub fn connected(ports: &BTreeSet<Endpoint>) -> io::Result<Vec<Listener>> {
    let ports: BTreeSet<Port> = ports.iter().map(|port| port.port).collect();
    let mut found = os::listeners::connected(&ports)?;
    found.retain(|connection| ports.contains(&connection.endpoint.port));
    Ok(found)
}

/// Which processes hold these sockets. One that was inherited has several holders.
pub fn holders(listening: &[Listener], reach: Reach<'_>) -> Vec<Held> {
    holders_by(listening, reach, 0)
}

/// The same, where descriptors below `first` do not count. On macOS all do.
pub fn holders_by(listening: &[Listener], reach: Reach<'_>, first: i32) -> Vec<Held> {
    if listening.is_empty() {
        return Vec::new();
    }
    let everybody;
    let candidates = match reach {
        Reach::These(pids) => pids,
        Reach::Everybody => {
            everybody = os::process::pids();
            &everybody
        }
    };
    let index = Index::of(listening);
    candidates.iter().flat_map(|pid| index.held(*pid, os::process::sockets(*pid), first)).collect()
}

/// Sockets that listen, so ordered that the one that a descriptor leads to is found at once.
#[derive(Debug)]
pub struct Index<'l>(BTreeMap<u64, Vec<&'l Listener>>);

impl<'l> Index<'l> {
    /// An index of these.
    pub fn of(listening: &'l [Listener]) -> Self {
        let mut found: BTreeMap<u64, Vec<&Listener>> = BTreeMap::new();
        for listener in listening {
            found.entry(listener.key).or_default().push(listener);
        }
        Self(found)
    }

    /// Which of them a process holds that has these sockets, where descriptors below `first` do not count.
    pub fn held(&self, pid: Pid, sockets: impl Iterator<Item = (i32, u64)>, first: i32) -> Vec<Held> {
        let keys: BTreeSet<u64> =
            sockets.filter(|(number, _)| *number >= first).map(|(_, key)| key).collect();
        let found = keys.iter().filter_map(|key| self.0.get(key)).flatten();
        found.map(|listener| Held { endpoint: listener.endpoint, pid }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{Held, Reach, holders, on};
    use crate::sys::process;
    use crate::vocab::port::{Endpoint, Port, Protocol};
    use std::net::{TcpListener, TcpStream, UdpSocket};
    use std::time::{Duration, Instant};

    fn wait_until(is_so: impl Fn() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while !is_so() {
            assert!(Instant::now() < deadline);
            std::thread::yield_now();
        }
    }

    #[test]
    fn listeners_are_found_with_their_holder_and_clients_are_not() {
        for address in ["127.0.0.1:0", "[::1]:0", "0.0.0.0:0"] {
            let Ok(listener) = TcpListener::bind(address) else { continue };
            let port = Port::new(listener.local_addr().unwrap().port()).unwrap();
            let local = if address.starts_with('[') { "::1" } else { "127.0.0.1" };
            let client = TcpStream::connect((local, port.number())).unwrap();
            let client_port = Port::new(client.local_addr().unwrap().port()).unwrap();
            let found = on(&[Endpoint::tcp(port), Endpoint::tcp(client_port)].into()).unwrap();
            assert_eq!(found.len(), 1, "{address}");
            assert_eq!(found[0].endpoint.address, Some(listener.local_addr().unwrap().ip()));
            let held = [Held { endpoint: found[0].endpoint, pid: process::own().pid }];
            assert_eq!(holders(&found, Reach::These(&[held[0].pid])), held);
            assert!(holders(&found, Reach::These(&[])).is_empty());
            // A child that another test is making has it, too, until it executes its program.
            wait_until(|| holders(&found, Reach::Everybody) == held);
            drop((listener, client));
            wait_until(|| on(&[Endpoint::tcp(port)].into()).unwrap().is_empty());
        }
    }

    #[test]
    fn who_waits_for_datagrams_listens_and_who_is_connected_does_not() {
        let bound = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = Port::new(bound.local_addr().unwrap().port()).unwrap();
        let datagrams = Endpoint { protocol: Protocol::Udp, ..Endpoint::tcp(port) };
        let found = on(&[datagrams].into()).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(holders(&found, Reach::These(&[process::own().pid])).len(), 1);
        assert!(on(&[Endpoint::tcp(port)].into()).unwrap().is_empty());
        bound.connect("127.0.0.1:9").unwrap();
        assert!(on(&[datagrams].into()).unwrap().is_empty());
    }
}
