use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::IpAddr;

use super::os;
use crate::vocab::identity::Pid;
use crate::vocab::port::Port;

/// A TCP socket that listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// Its port.
    pub port: Port,
    /// The address it listens on.
    pub address: IpAddr,
    /// What tells it from other sockets: the inode on Linux, the process on macOS.
    pub(super) key: u64,
}

/// Among which processes a holder is looked for.
#[derive(Debug, Clone, Copy)]
pub enum Reach<'a> {
    /// Only these: a few descriptor tables are read.
    These(&'a [Pid]),
    /// All that this user may see: every descriptor table is read.
    Everybody,
}

/// The sockets that listen on these ports, whoever holds them; IPv4 and IPv6.
///
/// # Errors
/// The system does not say.
pub fn on(ports: &BTreeSet<Port>) -> io::Result<Vec<Listener>> {
    if ports.is_empty() {
        return Ok(Vec::new());
    }
    let mut found = os::listeners::among(ports)?;
    found.retain(|listener| ports.contains(&listener.port));
    Ok(found)
}

/// Which processes hold these sockets, port by port. A socket that was inherited has several holders.
pub fn holders(listening: &[Listener], reach: Reach<'_>) -> BTreeMap<Port, Vec<Pid>> {
    if listening.is_empty() {
        return BTreeMap::new();
    }
    let everybody;
    let candidates = match reach {
        Reach::These(pids) => pids,
        Reach::Everybody => {
            everybody = os::process::pids();
            &everybody
        }
    };
    let mut found: BTreeMap<Port, Vec<Pid>> = BTreeMap::new();
    for pid in candidates {
        let held: BTreeSet<Port> =
            os::listeners::held_by(*pid, listening).map(|listener| listener.port).collect();
        for port in held {
            found.entry(port).or_default().push(*pid);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{Reach, holders, on};
    use crate::sys::process;
    use crate::vocab::port::Port;
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn listeners_are_found_with_their_holder_and_clients_are_not() {
        for address in ["127.0.0.1:0", "[::1]:0", "0.0.0.0:0"] {
            let Ok(listener) = TcpListener::bind(address) else { continue };
            let port = Port::new(listener.local_addr().unwrap().port()).unwrap();
            let local = if address.starts_with('[') { "::1" } else { "127.0.0.1" };
            let client = TcpStream::connect((local, port.number())).unwrap();
            let client_port = Port::new(client.local_addr().unwrap().port()).unwrap();
            let found = on(&[port, client_port].into()).unwrap();
            assert_eq!(found.len(), 1, "{address}");
            assert_eq!(found[0].address, listener.local_addr().unwrap().ip());
            let own = process::own().pid;
            assert_eq!(holders(&found, Reach::These(&[own]))[&port], [own]);
            assert_eq!(holders(&found, Reach::Everybody)[&port], [own]);
            assert!(holders(&found, Reach::These(&[])).is_empty());
            drop((listener, client));
            assert!(on(&[port].into()).unwrap().is_empty());
        }
    }
}
