use std::collections::{BTreeMap, BTreeSet};

use super::system;
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::client::connection::Unreachable;
use crate::ports::holder::{self, Holder};
use crate::protocol::status::{PortView, ServicePort, ServiceView, Status, SupervisorView, Survivor};
use crate::rundir::leftovers::{self, Leftover};
use crate::spec::fleet::Fleet;
use crate::spec::service::Service;
use crate::vocab::identity::Pid;
use crate::vocab::name::ServiceName;
use crate::vocab::port::{HeldBy, Port};
use crate::vocab::state::{Goal, Health, State};

/// How things stand when no supervisor says so: who holds each assigned port, and which processes of an earlier run live.
pub(in crate::cli) fn status(context: &Context, unreachable: &Unreachable) -> Result<Status, Failure> {
    let fleet = context.prove()?;
    let survivors = survivors(context);
    let ports = ports(&fleet, &survivors)?;
    let services = fleet.services().values().map(|service| view(service, &ports, &survivors)).collect();
    let pid = match unreachable {
        Unreachable::Silent { identity, .. } => identity.map(|identity| identity.pid),
        Unreachable::Absent | Unreachable::Returning { .. } | Unreachable::Denied { .. } => None,
    };
    let supervisor = SupervisorView {
        running: false,
        pid,
        guardian: None,
        cgroups: None,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        uptime_s: None,
        config: context.config.clone(),
        socket: context.paths.socket.clone(),
        restarts: 0,
    };
    Ok(Status { supervisor, services, ports, survivors })
}

/// Draws what lives of each service, as far as tags and cgroups tell.
pub(in crate::cli) fn draw_trees(context: &Context, status: &mut Status) {
    let mut alive: BTreeMap<ServiceName, Vec<Leftover>> = BTreeMap::new();
    for leftover in system::leftovers(context) {
        alive.entry(leftover.service.clone()).or_default().push(leftover);
    }
    for service in &mut status.services {
        service.tree = Some(leftovers::trees(&alive.remove(&service.name).unwrap_or_default()));
    }
}

/// Processes of this fleet that nobody supervises.
pub(in crate::cli) fn survivors(context: &Context) -> Vec<Survivor> {
    system::leftovers(context)
        .into_iter()
        .map(|leftover| Survivor {
            pid: leftover.identity.pid,
            command: leftovers::command_of(&leftover),
            service: leftover.service,
        })
        .collect()
}

/// Every assigned port and its holder.
pub(in crate::cli) fn ports(fleet: &Fleet, survivors: &[Survivor]) -> Result<Vec<PortView>, Failure> {
    let assigned = fleet.ports();
    let wanted: BTreeSet<Port> = assigned.keys().copied().collect();
    let observed = holder::observe(&wanted)
        .map_err(|error| Failure::System(format!("cannot see who holds the ports: {error}")))?;
    let views = assigned.into_iter().map(|(port, service)| {
        let holders = observed.get(&port);
        let own: BTreeSet<Pid> = survivors
            .iter()
            .filter(|survivor| survivor.service == service)
            .map(|survivor| survivor.pid)
            .collect();
        let is_own = |holder: &&Holder| own.contains(&holder.identity.pid);
        let holder = holders.and_then(|holders| holders.iter().find(is_own).or_else(|| holders.first()));
        let held_by = match (holders, holder) {
            (None, _) => HeldBy::Nobody,
            (Some(_), Some(holder)) if is_own(&holder) => HeldBy::Service,
            (Some(_), Some(_) | None) => HeldBy::Other,
        };
        PortView {
            port,
            service,
            held_by,
            pid: holder.map(|holder| holder.identity.pid),
            command: holder.map(|holder| holder.command.clone()),
            user: holder.map(|holder| holder.user.clone()),
        }
    });
    Ok(views.collect())
}

fn view(service: &Service, ports: &[PortView], survivors: &[Survivor]) -> ServiceView {
    let own: Vec<&Survivor> = survivors.iter().filter(|survivor| survivor.service == service.name).collect();
    let reason = match own.len() {
        0 => None,
        1 => Some(format!("its process (pid {}) lives and nobody supervises it", own[0].pid)),
        count => Some(format!("{count} of its processes live and nobody supervises them")),
    };
    let ports = ports.iter().filter(|port| port.service == service.name);
    ServiceView {
        name: service.name.clone(),
        group: service.group.clone(),
        state: State::Stopped,
        goal: Goal::Down,
        health: Health::None,
        pid: None,
        ports: ports.map(|it| ServicePort { port: it.port, held_by: it.held_by, pid: it.pid }).collect(),
        uptime_s: None,
        restarts: 0,
        exit: None,
        cpu_percent: None,
        memory_bytes: None,
        processes: u32::try_from(own.len()).unwrap_or(u32::MAX),
        tree: None,
        reason,
        stdout_log: service.logs.stdout.clone(),
        stderr_log: service.logs.stderr.clone(),
    }
}
