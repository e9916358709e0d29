use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::time::Duration;

use crate::sys::listeners::{self, Listener, Reach};
use crate::sys::process;
use crate::vocab::identity::{Identity, Pid};
use crate::vocab::port::Endpoint;
use crate::vocab::run::Tag;

/// A process that listens on a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The process.
    pub identity: Identity,
    /// Its user's name.
    pub user: String,
    /// Its command line.
    pub command: String,
    /// How long it has lived.
    pub age: Duration,
    /// The tag in its environment, if it carries one and we may read it.
    pub tag: Option<Tag>,
}

/// Everybody who listens on these ports. A port that is not in the answer is free; one with an empty list is held by
/// processes that this user may not see.
///
/// # Errors
/// The system does not say who listens.
pub fn observe(ports: &BTreeSet<Endpoint>) -> io::Result<BTreeMap<Endpoint, Vec<Holder>>> {
    let listening = listeners::on(ports)?;
    Ok(among(&listening, ports))
}

/// The same from sockets that were listed before.
pub fn among(listening: &[Listener], ports: &BTreeSet<Endpoint>) -> BTreeMap<Endpoint, Vec<Holder>> {
    let held = listeners::holders(listening, Reach::Everybody);
    let is_taken = |port: &&Endpoint| listening.iter().any(|listener| listener.endpoint.overlaps(port));
    let holders = |port: &Endpoint| {
        let pids: BTreeSet<Pid> =
            held.iter().filter(|held| held.endpoint.overlaps(port)).map(|held| held.pid).collect();
        pids.into_iter().filter_map(describe).collect()
    };
    ports.iter().filter(is_taken).map(|port| (*port, holders(port))).collect()
}

/// Who listens on a port, in words that fit behind "is held by".
pub fn words_for(port: Endpoint) -> String {
    let holders = observe(&[port].into()).ok().and_then(|mut observed| observed.remove(&port));
    match holders.as_deref() {
        Some([first, ..]) => first.to_string(),
        Some([]) => "a process that this user may not see".to_owned(),
        None => "nobody any more".to_owned(),
    }
}

fn describe(pid: Pid) -> Option<Holder> {
    let process = process::read(pid)?;
    Some(Holder {
        identity: process.identity,
        user: process::user_name(process::user(pid)?),
        command: process::arguments(pid).join(" "),
        age: process::age(process.identity),
        tag: process::tag(pid),
    })
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` (pid {}, user {})", self.command, self.identity.pid, self.user)
    }
}
