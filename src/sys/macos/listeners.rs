use std::collections::BTreeSet;
use std::io;

use crate::sys::listeners::Listener;
use crate::vocab::port::{Endpoint, Port, Protocol};

/// Every socket of processes that this user may see that listens, whatever the port. One with two holders stands there
/// twice.
pub(in crate::sys) fn among(protocol: Protocol, _ports: &BTreeSet<Port>) -> io::Result<Vec<Listener>> {
    let found = listeners::get_all().map_err(|error| io::Error::other(error.to_string()))?;
    let is_meant = |found: &listeners::Protocol| match protocol {
        Protocol::Tcp => matches!(found, listeners::Protocol::TCP),
        Protocol::Udp => matches!(found, listeners::Protocol::UDP),
    };
    let meant = found.into_iter().filter(|listener| is_meant(&listener.protocol));
    Ok(meant
        .filter_map(|listener| {
            let port = Port::new(listener.socket.port())?;
            let endpoint = Endpoint { port, protocol, address: Some(listener.socket.ip()) };
            Some(Listener { endpoint, key: u64::from(listener.process.pid) })
        })
        .collect())
}

/// There is no such list.
pub(in crate::sys) fn connected(_ports: &BTreeSet<Port>) -> io::Result<Vec<Listener>> {
    Err(io::ErrorKind::Unsupported.into())
}
