use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::runtime::Runtime;

use super::offline;
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::daemon::log_daemons;
use crate::daemon::preflight::{self, Foresights, add, foresee_all, lines};
use crate::protocol::status::{PortView, Status};
use crate::spec::fleet::Fleet;
use crate::spec::policy::PortConflict;
use crate::spec::service::Service;
use crate::vocab::name::ServiceName;
use crate::vocab::port::Verdict;
use crate::vocab::restart::Mode;
use crate::vocab::selection::Selection;

/// A restart of the whole system, before anything is touched.
pub(in crate::cli) struct Intent<'a> {
    pub(in crate::cli) mode: Mode,
    pub(in crate::cli) fleet: &'a Fleet,
    /// What runs, if a supervisor says so.
    pub(in crate::cli) status: Option<&'a Status>,
    /// What is started beside the autostarted.
    pub(in crate::cli) wanted: &'a Selection,
}

/// Refuses a restart of the whole system in which a service that runs would not come up again. This command looks itself,
/// whether or not a supervisor answers: the next one has its environment, and not that of the last.
pub(in crate::cli) fn refuse_what_would_not_start(
    context: &Context,
    runtime: &Runtime,
    intent: &Intent<'_>,
) -> Result<(), Failure> {
    let is_named = |name: &ServiceName| intent.wanted.words().iter().any(|word| word == name.as_str());
    let services = intent.fleet.services().values();
    let services = services.filter(|it| it.preflight && (it.autostart || is_named(&it.name)));
    let services: Vec<Arc<Service>> = services.cloned().collect();
    let taken = match intent.mode {
        Mode::Quick => taken(context, intent.fleet, &services)?,
        // Its ports are flushed, with consent.
        Mode::Master | Mode::Emergency => Vec::new(),
    };
    let mut found = looked(context, runtime, services, taken);
    for (name, foresight) in &mut found {
        let view = intent.status.and_then(|status| status.services.iter().find(|view| view.name == *name));
        if view.is_some_and(|view| view.pid.is_none()) {
            // It is down already, and no reason to leave the others as they are.
            foresight.remarks.append(&mut foresight.problems);
        }
    }
    refuse(context, &found)
}

/// Refuses what a look at starts found problems with.
pub(in crate::cli) fn judge(what: &str, problems: &[String]) -> Result<(), Failure> {
    if problems.is_empty() {
        return Ok(());
    }
    Err(Failure::NotReached(format!(
        "cannot {what}\n{}\nhint: `preflight = false` in a service leaves this look out",
        problems.join("\n")
    )))
}

/// Says what the supervisor would refuse these restarts for, by this command's own look.
pub(in crate::cli) fn rehearse(
    context: &Context,
    runtime: &Runtime,
    fleet: &Fleet,
    meant: &BTreeSet<ServiceName>,
) -> Result<(), Failure> {
    let services = fleet.services().values().filter(|it| it.preflight && meant.contains(&it.name));
    let services: Vec<Arc<Service>> = services.cloned().collect();
    let taken = taken(context, fleet, &services)?;
    refuse(context, &looked(context, runtime, services, taken))
}

/// What would keep any service from starting, or its lines from where they are to go, but for its ports.
pub(in crate::cli) fn problems(context: &Context, runtime: &Runtime, fleet: &Fleet) -> Vec<String> {
    let services = fleet.services().values().filter(|service| service.preflight).cloned().collect();
    let mut found = runtime.block_on(foresee_all(services, &context.environment));
    add(&mut found, log_daemons::away(fleet.services().values(), &context.supervisor.log_sockets));
    remark(context, &found);
    lines(&found)
}

/// Looks at starts, with the environment of this command.
fn looked(
    context: &Context,
    runtime: &Runtime,
    services: Vec<Arc<Service>>,
    taken: Vec<(ServiceName, String)>,
) -> Foresights {
    let away = log_daemons::away(&services, &context.supervisor.log_sockets);
    let mut found = runtime.block_on(foresee_all(services, &context.environment));
    add(&mut found, taken);
    preflight::remark(&mut found, away);
    found
}

fn refuse(context: &Context, found: &Foresights) -> Result<(), Failure> {
    remark(context, found);
    judge("restart: services would not start again; nothing was touched", &lines(found))
}

fn remark(context: &Context, found: &Foresights) {
    for (service, foresight) in found {
        for remark in &foresight.remarks {
            context.say(&format!("note: {service}: {remark}"));
        }
    }
}

/// Who holds a port, in words.
pub(in crate::cli) fn holder(view: &PortView) -> String {
    let command = view.command.as_deref().unwrap_or("a process that this user may not see");
    let pid = view.pid.map_or_else(String::new, |pid| format!(" (pid {pid})"));
    format!("`{command}`{pid}")
}

/// Ports that a stranger holds who is not made to go.
fn taken(
    context: &Context,
    fleet: &Fleet,
    services: &[Arc<Service>],
) -> Result<Vec<(ServiceName, String)>, Failure> {
    let is_meant = |view: &PortView| {
        let service = services.iter().find(|service| service.name == view.service);
        view.verdict == Verdict::Foreign
            && service.is_some_and(|it| it.on_port_conflict != PortConflict::Flush)
    };
    let words = |view: PortView| {
        let words = format!("port {} is held by {}", view.port, holder(&view));
        (view.service, words)
    };
    Ok(offline::ports(context, fleet)?.into_iter().filter(is_meant).map(words).collect())
}
