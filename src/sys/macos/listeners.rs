use std::collections::BTreeSet;
use std::io;

use crate::sys::listeners::Listener;
use crate::vocab::identity::Pid;
use crate::vocab::port::Port;

/// Every listening TCP socket of processes that this user may see, whatever the port. A socket with two holders stands
/// there twice.
pub(in crate::sys) fn among(_ports: &BTreeSet<Port>) -> io::Result<Vec<Listener>> {
    let found = listeners::get_all().map_err(|error| io::Error::other(error.to_string()))?;
    let tcp = found.into_iter().filter(|listener| matches!(listener.protocol, listeners::Protocol::TCP));
    Ok(tcp
        .filter_map(|listener| {
            let port = Port::new(listener.socket.port())?;
            Some(Listener { port, address: listener.socket.ip(), key: u64::from(listener.process.pid) })
        })
        .collect())
}

/// Those of the listeners that this process holds.
pub(in crate::sys) fn held_by(pid: Pid, listening: &[Listener]) -> impl Iterator<Item = &Listener> {
    let key = u64::try_from(pid.as_raw()).unwrap_or_default();
    listening.iter().filter(move |listener| listener.key == key)
}
