use std::collections::{BTreeMap, BTreeSet};

use super::holder::Holder;
use crate::sys::process;
use crate::vocab::identity::{Identity, Pid};
use crate::vocab::name::ServiceName;
use crate::vocab::port::Whose;
use crate::vocab::run::{Instance, RunId};

/// What is known to be ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ours {
    /// The fleet.
    pub instance: Instance,
    /// The main process of each live run, with its service and run.
    pub live: BTreeMap<Identity, (ServiceName, RunId)>,
    /// The supervisor and its guardian, which hold sockets for services.
    pub supervisors: BTreeSet<Identity>,
}

impl Ours {
    /// Whose a listener is: by its tag, else by its descent from the main process of a live run.
    pub fn judge(&self, holder: &Holder) -> Whose {
        if self.supervisors.contains(&holder.identity) {
            return Whose::Supervisor;
        }
        if let Some((service, _)) = self.live.get(&holder.identity) {
            return Whose::Live(service.clone());
        }
        if let Some(tag) = holder.tag.as_ref().filter(|tag| tag.instance == self.instance) {
            let is_live = self.live.values().any(|(service, run)| *service == tag.service && *run == tag.run);
            let service = tag.service.clone();
            return if is_live { Whose::Live(service) } else { Whose::Stray(service) };
        }
        self.live_ancestor(holder.identity.pid).map_or(Whose::Foreign, Whose::Live)
    }

    fn live_ancestor(&self, pid: Pid) -> Option<ServiceName> {
        ancestors(pid)
            .into_iter()
            .find_map(|identity| self.live.get(&identity))
            .map(|(service, _)| service.clone())
    }
}

/// The parents of a process up to the first one; the process itself is not among them.
pub fn ancestors(pid: Pid) -> BTreeSet<Identity> {
    let mut found = BTreeSet::new();
    let mut next = process::read(pid).and_then(|process| Pid::new(process.parent));
    while let Some(process) = next.and_then(process::read) {
        // A pid that passes to another process while we climb could lead in a circle.
        if !found.insert(process.identity) {
            break;
        }
        next = Pid::new(process.parent);
    }
    found
}
