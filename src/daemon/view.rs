use std::collections::{BTreeMap, BTreeSet};

use super::engine::Engine;
use super::warden::{Charge, Warden};
use crate::machine::exchange::Second;
use crate::ports::holder::{self, Holder};
use crate::protocol::status::{Part, PortView, SecondView, ServicePort, ServiceView, Status, SupervisorView};
use crate::sys::listeners::{self, Reach};
use crate::sys::process::{self, Process};
use crate::sys::{clock, forest};
use crate::vocab::identity::{Identity, Pid};
use crate::vocab::moment::Moment;
use crate::vocab::name::ServiceName;
use crate::vocab::port::{HeldBy, Port};
use crate::vocab::run::Tag;

/// Everything that is looked at once for a whole status.
struct Scene {
    trees: BTreeMap<ServiceName, Vec<Process>>,
    /// Assigned ports that somebody listens on.
    taken: BTreeSet<Port>,
    /// Which processes of ours hold which of them.
    held: BTreeMap<Port, Vec<Pid>>,
    /// Who holds those that none of ours does.
    strangers: BTreeMap<Port, Holder>,
    /// Declared services that have more than one replica.
    replicated: BTreeSet<ServiceName>,
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
        // Of replicas that share a port the first is told of.
        ports.sort_by_key(|view| view.port);
        ports.dedup_by_key(|view| view.port);
        Status { supervisor: self.supervisor_view(), services, ports, survivors: Vec::new() }
    }

    fn supervisor_view(&self) -> SupervisorView {
        SupervisorView {
            running: true,
            pid: Some(process::own().pid),
            guardian: self.guardian.filter(|it| process::is_alive(*it)).map(|guardian| guardian.pid),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            uptime_s: Some(round(clock::now().since(self.started).as_secs_f64())),
            config: self.fleet.spec().supervisor().config.clone(),
            socket: self.paths.socket.clone(),
            restarts: self.diary.takeovers(),
        }
    }

    fn look_around(&self) -> Scene {
        let trees = self.trees();
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
        let replicated = self.fleet.spec().replicated().into_iter().cloned().collect();
        Scene { trees, taken, held, strangers, replicated }
    }

    /// The processes of each service that has a live run.
    fn trees(&self) -> BTreeMap<ServiceName, Vec<Process>> {
        let lives = self.fleet.services().values().filter_map(|service| service.phase().live());
        let charges: Vec<&Charge> =
            lives.filter_map(|live| self.wardens.get(&live.run)).map(Warden::charge).collect();
        let runs: Vec<(Identity, &Tag)> = charges.iter().map(|it| (it.leader, &it.tag)).collect();
        let names = charges.iter().map(|charge| charge.tag.service.clone());
        names.zip(forest::trees(&runs)).collect()
    }

    fn service_view(&mut self, name: &ServiceName, scene: &Scene) -> ServiceView {
        let service = &self.fleet.services()[name];
        let tree = scene.trees.get(name).map_or(&[][..], Vec::as_slice);
        let now = clock::now();
        let live = service.phase().live().copied();
        let used = live.map(|live| self.meter.measure(live, tree, now));
        let spec = service.spec();
        let is_replicated = scene.replicated.contains(&spec.replica.of);
        ServiceView {
            name: name.clone(),
            replica_of: is_replicated.then(|| spec.replica.of.clone()),
            replica: spec.replica.number,
            group: spec.group.clone(),
            state: service.state(),
            goal: service.goal(),
            health: service.health(),
            pid: live.map(|live| live.identity.pid),
            second: service.second().and_then(|second| second_view(second, now)),
            ports: spec.ports.iter().map(|port| scene.port(*port, tree)).collect(),
            uptime_s: live.map(|live| round(now.since(live.since).as_secs_f64())),
            restarts: service.restarts(),
            exit: service.last().map(|last| last.end.outcome),
            cpu_percent: used.map(|used| used.cpu_percent),
            memory_bytes: used.map(|used| used.memory_bytes),
            processes: u32::try_from(tree.iter().filter(|process| process.is_alive()).count())
                .unwrap_or(u32::MAX),
            reason: self.fleet.reason(name),
            says: live
                .and_then(|live| self.wardens.get(&live.run))
                .and_then(|warden| warden.charge().notebook.says()),
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
    let user = port.pid.and_then(process::user).map(|user| users.name(user));
    PortView {
        port: port.port,
        service: service.name.clone(),
        held_by: port.held_by,
        pid: port.pid,
        command: arguments.map(|arguments| arguments.join(" ")),
        user,
    }
}

fn second_view(second: &Second, now: Moment) -> Option<SecondView> {
    let live = second.live()?;
    let part = if second.is_understudy() { Part::Understudy } else { Part::Leaving };
    Some(SecondView { pid: live.identity.pid, part, uptime_s: round(now.since(live.since).as_secs_f64()) })
}

fn round(seconds: f64) -> f64 {
    (seconds * 1000.0).round() / 1000.0
}
