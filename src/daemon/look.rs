use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::warden::Charge;
use crate::machine::event::Finding;
use crate::ports::holder;
use crate::probe::attempt::attempt;
use crate::spec::service::Service;
use crate::sys::process::Process;
use crate::sys::{listeners, tree};
use crate::vocab::identity::Pid;
use crate::vocab::port::Port;

/// Looks once: each declared port is held by the run's own tree, and the check passes.
pub async fn look(service: Arc<Service>, charge: Charge) -> Finding {
    if let Some(amiss) = amiss_with_ports(&service, &charge) {
        return Finding::Bad(amiss);
    }
    let Some(health) = &service.health else { return Finding::Good };
    match attempt(&health.check, health.timeout).await {
        Ok(()) => Finding::Good,
        Err(failed) => Finding::Bad(failed.to_string()),
    }
}

fn amiss_with_ports(service: &Service, charge: &Charge) -> Option<String> {
    if service.ports.is_empty() {
        return None;
    }
    let wanted: BTreeSet<Port> = service.ports.iter().copied().collect();
    let listening = match listeners::on(&wanted) {
        Ok(listening) => listening,
        Err(error) => return Some(format!("cannot see who listens: {error}")),
    };
    let tree: Vec<Pid> = tree::members_near(charge.leader, &charge.tag)
        .iter()
        .map(|process: &Process| process.identity.pid)
        .collect();
    let held: BTreeMap<Port, Vec<Pid>> = listeners::holders(&listening, listeners::Reach::These(&tree));
    let missing = wanted.iter().find(|port| !held.contains_key(port))?;
    if listening.iter().any(|listener| listener.port == *missing) {
        return Some(format!("port {missing} is held by {}", holder::words_for(*missing)));
    }
    Some(format!("it does not listen on port {missing}"))
}
