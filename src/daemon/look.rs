use std::collections::BTreeSet;
use std::sync::Arc;

use super::charge::Charge;
use super::shim::PAST_THE_SHIM;
use crate::machine::event::Finding;
use crate::ports::holder;
use crate::probe::exec::{self, Errand};
use crate::probe::failed::Failed;
use crate::probe::{http, tcp};
use crate::spec::health::{Aspect, Check};
use crate::spec::hold::Way;
use crate::spec::service::Service;
use crate::sys::listeners::{self, Listener};
use crate::sys::process::Process;
use crate::sys::tree::Reach;
use crate::vocab::identity::Pid;
use crate::vocab::port::Endpoint;

/// One look at a live run.
pub struct Look {
    /// What is looked at.
    pub service: Arc<Service>,
    /// What is to be found out.
    pub aspect: Aspect,
    /// Its processes.
    pub charge: Arc<Charge>,
    /// The command that judges it, if one does, or why there is none.
    pub errand: Option<Result<Errand, String>>,
}

/// Looks once: each declared port is held by the run's own tree, and the check passes.
pub async fn look(look: Look) -> Finding {
    if let Some(amiss) = amiss_with_ports(&look.service, &look.charge) {
        return Finding::Bad(amiss);
    }
    ask(look).await.unwrap_or_else(|failed| Finding::Bad(failed.to_string()))
}

async fn ask(look: Look) -> Result<Finding, Failed> {
    let Look { service, aspect, charge, errand } = look;
    let Some(health) = service.health(aspect) else { return Ok(Finding::Good) };
    let notebook = &charge.notebook;
    match &health.check {
        Check::Tcp { port } => tcp::attempt(*port, health.timeout).await?,
        Check::Http(http) => http::attempt(http, health.timeout).await?,
        Check::Exec(_) => match errand {
            Some(Ok(errand)) => exec::attempt(errand, health.timeout).await?,
            Some(Err(why)) => return Err(Failed::NotRun { why }),
            None => (),
        },
        Check::Heartbeat { file, age_max } => return notebook.heartbeat(file, *age_max),
        Check::Log(pattern) => return Ok(notebook.line(pattern)),
        Check::Notify { .. } => return Ok(notebook.word(&service, aspect)),
    }
    Ok(Finding::Good)
}

/// The first port that none of these processes holds.
fn not_held(service: &Service, listening: &[Listener], tree: &[Pid]) -> Option<Endpoint> {
    let held = listeners::holders_by(listening, listeners::Reach::These(tree), service.first_taken());
    let is_held = |port: &&Endpoint| held.iter().any(|held| held.endpoint.overlaps(port));
    service.ports.iter().find(|port| !is_held(port)).copied()
}

fn pids(tree: &[Process]) -> Vec<Pid> {
    tree.iter().map(|process| process.identity.pid).collect()
}

fn amiss_with_ports(service: &Service, charge: &Charge) -> Option<String> {
    if service.ports.is_empty() {
        return None;
    }
    let wanted: BTreeSet<Endpoint> = service.ports.iter().copied().collect();
    let listening = match listeners::on(&wanted) {
        Ok(listening) => listening,
        Err(error) => return Some(format!("cannot see who listens: {error}")),
    };
    // Most services listen in their main process, which is known without a look at any other.
    let missing = not_held(service, &listening, &[charge.lead.main().pid])
        .and_then(|_| not_held(service, &listening, &pids(&charge.near())));
    let missing = match charge.reach {
        Reach::Near => missing,
        Reach::Anywhere => missing.and_then(|_| not_held(service, &listening, &pids(&charge.tree()))),
    }?;
    if service.hold.as_ref().is_some_and(|hold| hold.way == Way::Python) {
        return Some(format!(
            "it has not taken its port {missing}, which is held for it; unless it is about to, {PAST_THE_SHIM}"
        ));
    }
    if listening.iter().any(|listener| listener.endpoint.overlaps(&missing)) {
        return Some(format!("port {missing} is held by {}", holder::words_for(missing)));
    }
    Some(format!("it does not listen on port {missing}"))
}
