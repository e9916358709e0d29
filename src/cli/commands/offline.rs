use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use super::status::Detail;
use super::system;
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::client::connection::Unreachable;
use crate::ports::holder::{self, Holder};
use crate::protocol::status::{PortView, ServicePort, ServiceView, Status, SupervisorView, Survivor};
use crate::rundir::leftovers::{self, Leftover};
use crate::spec::fleet::Fleet;
use crate::spec::service::Service;
use crate::vocab::name::ServiceName;
use crate::vocab::port::{Endpoint, HeldBy, Verdict, Whose};
use crate::vocab::state::{Goal, Health, State};
use crate::vocab::stream::Stream;

/// How things stand when no supervisor says so: who holds each assigned port, and which processes of an earlier run live.
pub(in crate::cli) fn status(
    context: &Context,
    unreachable: &Unreachable,
    detail: Detail,
) -> Result<Status, Failure> {
    let fleet = context.known()?;
    let alive = system::leftovers(context);
    let survivors = survivors(&alive);
    let ports = ports(context, &fleet)?;
    let replicated = fleet.replicated();
    let lack = match unreachable {
        Unreachable::Silent { .. } => "its supervisor does not answer",
        Unreachable::Absent | Unreachable::Returning { .. } | Unreachable::Denied { .. } => {
            "nobody supervises it"
        }
    };
    let seen = Seen { replicated: &replicated, ports: &ports, survivors: &survivors, lack };
    let view = |service: &Arc<Service>| view(service, &seen);
    let mut services: Vec<ServiceView> = fleet.services().values().map(view).collect();
    if detail == Detail::Trees {
        draw_trees(alive, &mut services);
    }
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
        config_changed: None,
        notify: Vec::new(),
        notes: Vec::new(),
    };
    Ok(Status { supervisor, services, ports, survivors })
}

/// Draws what lives of each service, as far as tags and cgroups tell.
fn draw_trees(alive: Vec<Leftover>, services: &mut [ServiceView]) {
    let mut by_service: BTreeMap<ServiceName, Vec<Leftover>> = BTreeMap::new();
    for leftover in alive {
        by_service.entry(leftover.service.clone()).or_default().push(leftover);
    }
    for service in services {
        service.tree = Some(leftovers::trees(&by_service.remove(&service.name).unwrap_or_default()));
    }
}

/// Processes of this fleet that nobody supervises.
pub(in crate::cli) fn survivors(alive: &[Leftover]) -> Vec<Survivor> {
    let survivor = |leftover: &Leftover| Survivor {
        pid: leftover.identity.pid,
        command: leftovers::command_of(leftover),
        service: leftover.service.clone(),
    };
    alive.iter().map(survivor).collect()
}

/// Every assigned port and its holder.
pub(in crate::cli) fn ports(context: &Context, fleet: &Fleet) -> Result<Vec<PortView>, Failure> {
    let assigned = fleet.ports();
    let wanted: BTreeSet<Endpoint> = assigned.keys().copied().collect();
    let observed = holder::observe(&wanted)
        .map_err(|error| Failure::System(format!("cannot see who holds the ports: {error}")))?;
    let ours = system::ours(context);
    let views = assigned.into_iter().map(|(port, service)| {
        let judged = observed.get(&port).map(|holders| {
            let judged = holders.iter().map(|holder| (ours.judge(holder), holder));
            judged.min_by_key(|(whose, _)| nearness(whose, &service))
        });
        port_view(port, service, judged)
    });
    Ok(views.collect())
}

fn is_of(whose: &Whose, service: &ServiceName) -> bool {
    match whose {
        Whose::Live(owner) | Whose::Stray(owner) => owner == service,
        Whose::Supervisor | Whose::Foreign => false,
    }
}

/// Who speaks for a port that several have: its service, else a stranger. The supervisor only keeps it for others.
fn nearness(whose: &Whose, service: &ServiceName) -> u8 {
    match whose {
        own if is_of(own, service) => 0,
        Whose::Live(_) | Whose::Stray(_) | Whose::Foreign => 1,
        Whose::Supervisor => 2,
    }
}

/// A port with what was seen of its holder: nothing when it is free, nobody when this user may not see who it is.
fn port_view(port: Endpoint, service: ServiceName, judged: Option<Option<(Whose, &Holder)>>) -> PortView {
    let held_by = match &judged {
        None | Some(Some((Whose::Supervisor, _))) => HeldBy::Nobody,
        Some(Some((whose, _))) if is_of(whose, &service) => HeldBy::Service,
        Some(_) => HeldBy::Other,
    };
    let holder =
        judged.as_ref().and_then(|judged| judged.as_ref()).filter(|(whose, _)| *whose != Whose::Supervisor);
    let holder = holder.map(|(_, holder)| *holder);
    let whose = judged.map(|judged| judged.map_or(Whose::Foreign, |(whose, _)| whose));
    let (verdict, owner) = whose.map_or((Verdict::Free, None), Whose::verdict);
    PortView {
        port,
        service,
        held_by,
        kept: None,
        verdict,
        owner,
        pid: holder.map(|holder| holder.identity.pid),
        command: holder.map(|holder| holder.command.clone()),
        user: holder.map(|holder| holder.user.clone()),
        age_s: holder.map(|holder| holder.age.as_secs_f64()),
    }
}

/// What a view of a service is made of.
struct Seen<'a> {
    replicated: &'a BTreeSet<&'a ServiceName>,
    ports: &'a [PortView],
    survivors: &'a [Survivor],
    /// What their supervisor lacks, in words that go on after that they live.
    lack: &'static str,
}

fn view(service: &Service, seen: &Seen<'_>) -> ServiceView {
    let Seen { replicated, ports, survivors, .. } = seen;
    let is_replicated = replicated.contains(&service.replica.of);
    let own: Vec<&Survivor> = survivors.iter().filter(|survivor| survivor.service == service.name).collect();
    let reason = match own.len() {
        0 => None,
        1 => Some(format!("its process (pid {}) lives, and {}", own[0].pid, seen.lack)),
        count => Some(format!("{count} of its processes live, and {}", seen.lack)),
    };
    let ports = ports.iter().filter(|port| port.service == service.name);
    ServiceView {
        name: service.name.clone(),
        replica_of: is_replicated.then(|| service.replica.of.clone()),
        replica: service.replica.number,
        second: None,
        group: service.group.clone(),
        autostart: service.autostart,
        enablement: service.enablement,
        state: State::Stopped,
        goal: Goal::Down,
        health: Health::None,
        pid: None,
        ports: ports
            .map(|it| ServicePort { port: it.port, held_by: it.held_by, kept: None, pid: it.pid })
            .collect(),
        uptime_s: None,
        restarts: 0,
        schedule: None,
        exit: None,
        cpu_percent: None,
        memory_bytes: None,
        processes: u32::try_from(own.len()).unwrap_or(u32::MAX),
        tree: None,
        reason,
        says: None,
        notes: Vec::new(),
        dropped_lines: 0,
        dropped_bytes: 0,
        stdout_log: service.logs.written(Stream::Stdout).map(Path::to_path_buf),
        stderr_log: service.logs.written(Stream::Stderr).map(Path::to_path_buf),
    }
}
