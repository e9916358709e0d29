use std::collections::BTreeSet;
use std::sync::Arc;

use super::warden::Charge;
use crate::machine::event::Finding;
use crate::ports::holder;
use crate::probe::attempt::attempt;
use crate::spec::service::Service;
use crate::sys::listeners::{self, Listener};
use crate::sys::process::Process;
use crate::sys::tree::Reach;
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

/// The first port that none of these processes holds.
fn not_held(wanted: &BTreeSet<Port>, listening: &[Listener], tree: &[Process]) -> Option<Port> {
    let tree: Vec<Pid> = tree.iter().map(|process| process.identity.pid).collect();
    let held = listeners::holders(listening, listeners::Reach::These(&tree));
    wanted.iter().find(|port| !held.contains_key(port)).copied()
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
    let missing = not_held(&wanted, &listening, &charge.near());
    let missing = match charge.reach {
        Reach::Near => missing,
        Reach::Anywhere => missing.and_then(|_| not_held(&wanted, &listening, &charge.tree())),
    }?;
    if listening.iter().any(|listener| listener.port == missing) {
        return Some(format!("port {missing} is held by {}", holder::words_for(missing)));
    }
    Some(format!("it does not listen on port {missing}"))
}
