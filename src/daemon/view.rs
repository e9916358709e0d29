use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::engine::Engine;
use super::mailbox::Detail;
use super::notes;
use super::scene::{Found, Scene};
use crate::logs::loss::Lost;
use crate::machine::exchange::Second;
use crate::protocol::status::{
    Does, Part, PortView, ScheduleView, SecondView, ServicePort, ServiceView, Status, SupervisorView,
};
use crate::sys::{clock, process, tree};
use crate::vocab::moment::Moment;
use crate::vocab::name::ServiceName;
use crate::vocab::port::{Verdict, Whose};
use crate::vocab::stream::Stream;

impl Engine {
    /// How things stand, looked at afresh.
    pub(super) fn status(&mut self, detail: Detail) -> Status {
        let scene = self.look_and_note();
        let wardens = &self.wardens;
        self.meter.keep_only(|run| wardens.contains_key(&run));
        let names: Vec<ServiceName> = self.fleet.services().keys().cloned().collect();
        let replicated = self.fleet.spec().replicated().into_iter().cloned().collect();
        let mut services: Vec<ServiceView> =
            names.iter().map(|name| self.service_view(name, &scene, &replicated)).collect();
        if detail == Detail::WithTrees {
            services.iter_mut().for_each(|view| view.tree = Some(tree::draw(scene.tree_of(&view.name))));
        }
        let mut users = Users::default();
        let ports =
            services.iter().flat_map(|service| service.ports.iter().map(|port| (&service.name, port.port)));
        let mut ports: Vec<PortView> = ports
            .map(|(service, port)| self.port_view(service, scene.port(port, service), &mut users))
            .collect();
        // Of replicas that share a port the first is told of.
        ports.sort_by_key(|view| view.port);
        ports.dedup_by_key(|view| view.port);
        Status { supervisor: self.supervisor_view(), services, ports, survivors: Vec::new() }
    }

    fn supervisor_view(&mut self) -> SupervisorView {
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
            config_changed: self.config_change(),
            notify: self.target_views(),
            notes: self.diary.complaint().into_iter().collect(),
        }
    }

    fn service_view(
        &mut self,
        name: &ServiceName,
        scene: &Scene,
        replicated: &BTreeSet<ServiceName>,
    ) -> ServiceView {
        let service = &self.fleet.services()[name];
        let tree = scene.tree_of(name);
        let now = clock::now();
        let live = service.phase().live().copied();
        let used = live.map(|live| self.meter.measure(live, tree, now));
        let spec = service.spec();
        let mut noted = self.noted_of(name).map_or_else(Vec::new, notes::words);
        noted.extend(notes::of_logs(&spec.logs, self.pump.waits_of(name)));
        let missing = self.pump.missing_of(name);
        noted.extend(notes::of_missing(&missing));
        let lost: Lost = missing.iter().map(|(_, missing)| missing.lost).sum();
        let is_replicated = replicated.contains(&spec.replica.of);
        ServiceView {
            name: name.clone(),
            replica_of: is_replicated.then(|| spec.replica.of.clone()),
            replica: spec.replica.number,
            group: spec.group.clone(),
            autostart: spec.autostart,
            enablement: spec.enablement,
            state: service.state(),
            goal: service.goal(),
            health: service.health(),
            pid: live.map(|live| live.identity.pid),
            second: service.second().and_then(|second| second_view(second, now)),
            ports: spec.ports.iter().map(|port| service_port(&scene.port(*port, name))).collect(),
            uptime_s: live.map(|live| round(now.since(live.since).as_secs_f64())),
            restarts: service.restarts(),
            schedule: spec.schedule.as_ref().zip(service.plan()).map(|(schedule, plan)| ScheduleView {
                next_unix_ms: plan.next_unix_ms,
                next: plan.next_unix_ms.map(|next| schedule.shown(next)),
                does: if spec.is_job() { Does::Start } else { Does::Restart },
                skipped: plan.skipped,
            }),
            exit: service.last().map(|last| last.end.outcome),
            cpu_percent: used.map(|used| used.cpu_percent),
            memory_bytes: used.map(|used| used.memory_bytes),
            processes: u32::try_from(tree.iter().filter(|process| process.is_alive()).count())
                .unwrap_or(u32::MAX),
            tree: None,
            reason: self.fleet.reason(name),
            says: live
                .and_then(|live| self.wardens.get(&live.run))
                .and_then(|warden| warden.charge().notebook.says()),
            notes: noted,
            dropped_lines: lost.lines,
            dropped_bytes: lost.bytes,
            stdout_log: spec.logs.written(Stream::Stdout).map(Path::to_path_buf),
            stderr_log: spec.logs.written(Stream::Stderr).map(Path::to_path_buf),
        }
    }

    fn port_view(&mut self, service: &ServiceName, found: Found, users: &mut Users) -> PortView {
        let (verdict, owner) = found.whose.map_or((Verdict::Free, None), Whose::verdict);
        let holder = found.pid.and_then(|pid| self.known.read(pid));
        let about = found.pid.and_then(|pid| self.known.about(pid));
        PortView {
            port: found.port,
            service: service.clone(),
            held_by: found.held_by,
            kept: found.kept,
            verdict,
            owner,
            pid: found.pid,
            command: about.map(|about| about.command.clone()),
            user: about.and_then(|about| about.user).map(|user| users.name(user)),
            age_s: holder.map(|holder| round(process::age(holder.identity).as_secs_f64())),
        }
    }
}

fn service_port(found: &Found) -> ServicePort {
    ServicePort { port: found.port, held_by: found.held_by, kept: found.kept, pid: found.pid }
}

/// The login names of users that were met once; the system's list is read for each of them only once.
#[derive(Default)]
struct Users(BTreeMap<u32, String>);

impl Users {
    fn name(&mut self, uid: u32) -> String {
        self.0.entry(uid).or_insert_with(|| process::user_name(uid)).clone()
    }
}

fn second_view(second: &Second, now: Moment) -> Option<SecondView> {
    let live = second.live()?;
    let part = if second.is_understudy() { Part::Understudy } else { Part::Leaving };
    Some(SecondView { pid: live.identity.pid, part, uptime_s: round(now.since(live.since).as_secs_f64()) })
}

/// To milliseconds: more digits tell nobody anything.
pub(super) fn round(seconds: f64) -> f64 {
    (seconds * 1000.0).round() / 1000.0
}
