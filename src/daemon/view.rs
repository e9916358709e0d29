use std::collections::{BTreeMap, BTreeSet};

use super::engine::Engine;
use crate::machine::service::Service;
use crate::ports::holder::{self, Holder};
use crate::protocol::status::{PortView, ServicePort, ServiceView, Status, SupervisorView};
use crate::sys::listeners::{self, Reach};
use crate::sys::process::{self, Process};
use crate::sys::{clock, tree};
use crate::vocab::branch::Branch;
use crate::vocab::identity::Pid;
use crate::vocab::name::ServiceName;
use crate::vocab::port::{HeldBy, Port};

/// Everything that is looked at once for a whole status.
struct Scene {
    trees: BTreeMap<ServiceName, Vec<Process>>,
    /// Assigned ports that somebody listens on.
    taken: BTreeSet<Port>,
    /// Which processes of ours hold which of them.
    held: BTreeMap<Port, Vec<Pid>>,
    /// Who holds those that none of ours does.
    strangers: BTreeMap<Port, Holder>,
}

impl Engine {
    /// How things stand, looked at afresh.
    pub(super) fn status(&mut self) -> Status {
        let scene = self.look_around();
        let wardens = &self.wardens;
        self.meter.keep_only(|run| wardens.contains_key(&run));
        let names: Vec<ServiceName> = self.fleet.services().keys().cloned().collect();
        let services: Vec<ServiceView> = names.iter().map(|name| self.service_view(name, &scene)).collect();
        let mut users = Users::default();
        let mut ports: Vec<PortView> = services
            .iter()
            .flat_map(|service| service.ports.iter().map(move |port| (service, *port)))
            .map(|(service, port)| port_view(service, port, &mut users))
            .collect();
        ports.sort_by_key(|view| view.port);
        Status { supervisor: self.supervisor_view(), services, ports, survivors: Vec::new() }
    }

    /// The process tree of each service.
    pub(super) fn trees(&self) -> BTreeMap<ServiceName, Vec<Branch>> {
        let orphans = tree::orphans(|pid| self.leaders.borrow().contains(&pid));
        let services = self.fleet.services().iter();
        services.map(|(name, service)| (name.clone(), tree::draw(&self.tree_of(service, &orphans)))).collect()
    }

    fn supervisor_view(&self) -> SupervisorView {
        SupervisorView {
            running: true,
            pid: Some(process::own().pid),
            guardian: self.guardian.filter(|it| process::is_alive(*it)).map(|guardian| guardian.pid),
            cgroups: self.cgroups.as_ref().map(|home| home.path().to_owned()),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            uptime_s: Some(round(clock::now().since(self.started).as_secs_f64())),
            config: self.fleet.spec().supervisor().config.clone(),
            socket: self.paths.socket.clone(),
            restarts: self.diary.takeovers(),
        }
    }

    fn look_around(&self) -> Scene {
        let orphans = tree::orphans(|pid| self.leaders.borrow().contains(&pid));
        let services = self.fleet.services().iter();
        let trees: BTreeMap<ServiceName, Vec<Process>> =
            services.map(|(name, service)| (name.clone(), self.tree_of(service, &orphans))).collect();
        let wanted: BTreeSet<Port> = self.fleet.spec().ports().into_keys().collect();
        let mut listening = listeners::on(&wanted).unwrap_or_else(|error| {
            tracing::warn!(%error, "cannot see who listens");
            Vec::new()
        });
        let taken = listening.iter().map(|listener| listener.port).collect();
        let ours: Vec<Pid> = trees.values().flatten().map(|process| process.identity.pid).collect();
        let held = listeners::holders(&listening, Reach::These(&ours));
        listening.retain(|listener| !held.contains_key(&listener.port));
        let strangers = if listening.is_empty() { BTreeMap::new() } else { holder::of(&listening) };
        Scene { trees, taken, held, strangers }
    }

    fn tree_of(&self, service: &Service, orphans: &[Process]) -> Vec<Process> {
        let warden = service.phase().live().and_then(|live| self.wardens.get(&live.run));
        warden.map_or_else(Vec::new, |warden| warden.charge().among(orphans))
    }

    fn service_view(&mut self, name: &ServiceName, scene: &Scene) -> ServiceView {
        let service = &self.fleet.services()[name];
        let tree = scene.trees.get(name).map_or(&[][..], Vec::as_slice);
        let now = clock::now();
        let live = service.phase().live().copied();
        let used = live.map(|live| self.meter.measure(live, tree, now));
        let spec = service.spec();
        ServiceView {
            name: name.clone(),
            group: spec.group.clone(),
            state: service.state(),
            goal: service.goal(),
            health: service.health(),
            pid: live.map(|live| live.identity.pid),
            ports: spec.ports.iter().map(|port| scene.port(*port, tree)).collect(),
            uptime_s: live.map(|live| round(now.since(live.since).as_secs_f64())),
            restarts: service.restarts(),
            exit: service.last().map(|last| last.end.outcome),
            cpu_percent: used.map(|used| used.cpu_percent),
            memory_bytes: used.map(|used| used.memory_bytes),
            processes: u32::try_from(tree.iter().filter(|process| process.is_alive()).count())
                .unwrap_or(u32::MAX),
            tree: None,
            reason: self.fleet.reason(name),
            stdout_log: spec.logs.stdout.clone(),
            stderr_log: spec.logs.stderr.clone(),
        }
    }
}

impl Scene {
    fn port(&self, port: Port, tree: &[Process]) -> ServicePort {
        if !self.taken.contains(&port) {
            return ServicePort { port, held_by: HeldBy::Nobody, pid: None };
        }
        let holders = self.held.get(&port).map_or(&[][..], Vec::as_slice);
        let own = holders.iter().find(|pid| tree.iter().any(|process| process.identity.pid == **pid));
        let stranger = || self.strangers.get(&port).map(|holder| holder.identity.pid);
        match own {
            Some(pid) => ServicePort { port, held_by: HeldBy::Service, pid: Some(*pid) },
            None => {
                let pid = holders.first().copied().or_else(stranger);
                ServicePort { port, held_by: HeldBy::Other, pid }
            }
        }
    }
}

/// The login names of users that were met once; the system's list is read for each of them only once.
#[derive(Default)]
struct Users(BTreeMap<u32, String>);

impl Users {
    fn name(&mut self, uid: u32) -> String {
        self.0.entry(uid).or_insert_with(|| process::user_name(uid)).clone()
    }
}

fn port_view(service: &ServiceView, port: ServicePort, users: &mut Users) -> PortView {
    let arguments = port.pid.map(process::arguments);
    let user = port.pid.and_then(process::read).map(|process| users.name(process.user));
    PortView {
        port: port.port,
        service: service.name.clone(),
        held_by: port.held_by,
        pid: port.pid,
        command: arguments.map(|arguments| arguments.join(" ")),
        user,
    }
}

fn round(seconds: f64) -> f64 {
    (seconds * 1000.0).round() / 1000.0
}
