use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::action::{Action, Change};
use super::event::{Command, Event, Verb};
use super::explain;
use super::memory::Survivor;
use super::order::{Order, Wait};
use super::phase::Phase;
use super::service::{Service, Standing};
use super::ticket::{Answer, Awaiting, Ticket, TicketId};
use crate::spec;
use crate::vocab::moment::Moment;
use crate::vocab::name::ServiceName;
use crate::vocab::run::RunId;

/// All services together: the whole state of the supervisor. One owner holds it and tells it what happens.
#[derive(Debug, Clone)]
pub struct Fleet {
    spec: Arc<spec::fleet::Fleet>,
    services: BTreeMap<ServiceName, Service>,
    pub(super) tickets: BTreeMap<TicketId, Ticket>,
    runs: BTreeMap<RunId, ServiceName>,
    last_run: RunId,
    /// Services whose surroundings changed: they may be able to start or stop now. Lower priority values go first.
    pending: BTreeSet<(i32, ServiceName)>,
    /// Services that themselves may look different since the last publication.
    pub(super) changed: BTreeSet<ServiceName>,
    published: BTreeMap<ServiceName, Change>,
}

impl Fleet {
    /// A fleet at rest. Runs are numbered from the one after `last_run`.
    pub fn new(spec: Arc<spec::fleet::Fleet>, last_run: RunId) -> Self {
        let services = spec
            .services()
            .iter()
            .map(|(name, spec)| (name.clone(), Service::new(Arc::clone(spec))))
            .collect();
        let mut fleet = Self {
            spec,
            services,
            tickets: BTreeMap::new(),
            runs: BTreeMap::new(),
            last_run,
            pending: BTreeSet::new(),
            changed: BTreeSet::new(),
            published: BTreeMap::new(),
        };
        fleet.published =
            fleet.services.keys().filter_map(|name| Some((name.clone(), fleet.look_of(name)?))).collect();
        fleet
    }

    /// The one entry: takes an event, decides, and appends what is to be done. Due timers fire in the same call.
    pub fn handle(&mut self, event: Event, now: Moment, out: &mut Vec<Action>) {
        match event {
            Event::Command(command) => self.command(command, now, out),
            Event::Abandoned(ticket) => {
                self.tickets.remove(&ticket);
            }
            Event::Spawned { run, identity } => {
                self.of_run(run, |service| service.on_spawned(run, identity, now));
            }
            Event::NotSpawned { run, obstacle } => {
                self.of_run(run, |service| service.on_not_spawned(obstacle, now));
            }
            Event::Exited { run, end } => self.of_run(run, |service| service.on_exited(end, now)),
            Event::Probed { run, finding } => self.of_run(run, |service| service.on_probed(finding, now)),
            Event::Reconfigured(spec) => self.reconfigure(spec, now),
            Event::Resumed(survivors) => self.resume(&survivors, now),
            Event::Tick => (),
        }
        self.fire_timers(now, out);
        self.settle(now, out);
        self.publish(out);
        self.answer(now, out);
        self.forget_removed(out);
    }

    /// When to call [`Fleet::handle`] next even if nothing happens, and what for.
    pub fn deadline(&self) -> Option<(Moment, &'static str)> {
        let of_services = self.services.values().filter_map(Service::timer);
        let of_tickets =
            self.tickets.values().filter_map(|ticket| Some((ticket.deadline?, "a command's answer is due")));
        of_services.chain(of_tickets).min()
    }

    /// The config it acts on.
    pub fn spec(&self) -> &Arc<spec::fleet::Fleet> {
        &self.spec
    }

    /// Every service by name; those that the config has no more stay until they have ended.
    pub fn services(&self) -> &BTreeMap<ServiceName, Service> {
        &self.services
    }

    /// The service of a live run.
    pub fn service_of(&self, run: RunId) -> Option<&Service> {
        self.services.get(self.runs.get(&run)?)
    }

    /// The last run number given.
    pub fn last_run(&self) -> RunId {
        self.last_run
    }

    /// Why a service is not running, or not well; none when it is as it should be.
    pub fn reason(&self, name: &ServiceName) -> Option<String> {
        explain::reason(self.order(), name)
    }

    pub(super) fn order(&self) -> Order<'_> {
        Order { graph: self.spec.graph(), services: &self.services }
    }

    /// Changes one service and notes whose turn it may be because of it.
    fn change(&mut self, name: &ServiceName, change: impl FnOnce(&mut Service)) {
        let Some(service) = self.services.get_mut(name) else { return };
        let run_before = service.phase.run();
        change(service);
        let run_after = service.phase.run();
        if run_before != run_after {
            run_before.map(|run| self.runs.remove(&run));
            run_after.map(|run| self.runs.insert(run, name.clone()));
        }
        self.note(name);
    }

    fn note(&mut self, name: &ServiceName) {
        let graph = self.spec.graph();
        let neighbours = graph.dependents_of(name).chain(graph.needs_of(name).map(|(needed, _)| needed));
        for affected in neighbours.chain(std::iter::once(name)) {
            if let Some(service) = self.services.get(affected) {
                self.pending.insert((service.spec.priority, affected.clone()));
            }
        }
        self.changed.insert(name.clone());
    }

    fn of_run(&mut self, run: RunId, change: impl FnOnce(&mut Service)) {
        if let Some(name) = self.runs.get(&run).cloned() {
            self.change(&name, change);
        }
    }

    fn command(&mut self, command: Command, now: Moment, out: &mut Vec<Action>) {
        let Command { ticket, verb, services, deadline } = command;
        let mut open = BTreeMap::new();
        match verb {
            Verb::Start => {
                for name in self.spec.graph().with_needs(&services) {
                    self.change(&name, Service::want_up);
                    open.insert(name.clone(), Awaiting::Up { after: self.run_to_outlive(&name) });
                }
            }
            Verb::Restart => {
                let needed = self.spec.graph().with_needs(&services);
                for name in needed.iter().filter(|name| !services.contains(name)) {
                    self.change(name, Service::want_up);
                }
                for name in services {
                    self.change(&name, Service::want_again);
                    open.insert(name.clone(), Awaiting::Up { after: self.run_to_outlive(&name) });
                }
            }
            Verb::Stop => {
                for name in services {
                    self.change(&name, Service::want_down);
                    open.insert(name, Awaiting::Down);
                }
            }
            Verb::Kill => {
                for name in services {
                    self.change(&name, |service| {
                        service.want_down();
                        service.kill(now, out);
                    });
                    open.insert(name, Awaiting::Down);
                }
            }
            Verb::Await(awaited) => {
                open.extend(services.into_iter().map(|name| (name, Awaiting::Seen(awaited))));
            }
        }
        self.changed.extend(open.keys().cloned());
        self.tickets.insert(ticket, Ticket { open, answer: Answer::new(), deadline });
    }

    /// The run that a service must leave behind before it counts as up: its own, if that is on the way out.
    fn run_to_outlive(&self, name: &ServiceName) -> Option<RunId> {
        let service = self.services.get(name)?;
        if service.is_leaving() { service.phase.run() } else { None }
    }

    fn reconfigure(&mut self, spec: Arc<spec::fleet::Fleet>, now: Moment) {
        let removed: Vec<ServiceName> =
            self.services.keys().filter(|name| spec.service(name).is_none()).cloned().collect();
        self.spec = spec;
        for (name, spec) in Arc::clone(&self.spec).services() {
            if let Some(service) = self.services.get(name) {
                if service.spec != *spec || service.standing == Standing::Removed {
                    self.change(name, |service| service.reconfigure(Arc::clone(spec), now));
                }
            } else {
                let mut service = Service::new(Arc::clone(spec));
                if spec.autostart {
                    service.want_up();
                }
                self.services.insert(name.clone(), service);
            }
            self.note(name);
        }
        for name in removed {
            self.change(&name, |service| {
                service.standing = Standing::Removed;
                service.want_down();
            });
        }
    }

    fn resume(&mut self, survivors: &[Survivor], now: Moment) {
        for survivor in survivors {
            if let Some(live) = survivor.live {
                self.last_run = self.last_run.max(live.run);
            }
            self.change(&survivor.service, |service| service.resume(survivor, now));
        }
    }

    fn fire_timers(&mut self, now: Moment, out: &mut Vec<Action>) {
        let is_due = |service: &Service| service.timer().is_some_and(|(at, _)| at <= now);
        let due: Vec<ServiceName> =
            self.services.iter().filter(|(_, it)| is_due(it)).map(|(name, _)| name.clone()).collect();
        for name in due {
            self.change(&name, |service| service.on_time(now, out));
        }
    }

    /// Stops who may be stopped and starts who may start, until nobody's turn comes any more.
    fn settle(&mut self, now: Moment, out: &mut Vec<Action>) {
        while let Some((_, name)) = self.pending.pop_first() {
            let Some(service) = self.services.get(&name) else { continue };
            let is_up = matches!(service.phase, Phase::Starting(..) | Phase::Running(..));
            if is_up && service.is_leaving() && self.order().may_stop(&name) {
                self.change(&name, |service| service.stop(now, out));
            } else if service.phase == Phase::Waiting {
                match self.order().wait_of(&name) {
                    None => {
                        self.last_run = self.last_run.next();
                        let run = self.last_run;
                        self.change(&name, |service| service.spawn(run, out));
                    }
                    Some(Wait::For(..) | Wait::InVain(_)) => {
                        self.changed.insert(name);
                    }
                }
            }
        }
    }

    /// Tells of every service that looks different from when it was last told of; stuck ones take their dependents along.
    fn publish(&mut self, out: &mut Vec<Action>) {
        let roots: Vec<ServiceName> = self.changed.iter().cloned().collect();
        let stuck: Vec<ServiceName> = roots.into_iter().filter(|name| self.order().is_stuck(name)).collect();
        self.changed.extend(self.spec.graph().with_dependents(&stuck));
        for name in &self.changed {
            let Some(mut look) = self.look_of(name) else { continue };
            if let Some(before) = self.published.get(name) {
                look.previous = before.state;
                let is_same = before.state == look.state
                    && before.health == look.health
                    && before.run == look.run
                    && before.reason == look.reason;
                if is_same {
                    continue;
                }
            }
            self.published.insert(name.clone(), look.clone());
            out.push(Action::Publish(look));
        }
    }

    fn look_of(&self, name: &ServiceName) -> Option<Change> {
        let service = self.services.get(name)?;
        Some(Change {
            service: name.clone(),
            previous: service.state(),
            state: service.state(),
            health: service.health(),
            run: service.phase.run(),
            reason: self.reason(name),
        })
    }

    fn forget_removed(&mut self, out: &mut Vec<Action>) {
        let is_over = |service: &Service| service.standing == Standing::Removed && !service.has_process();
        let over: Vec<ServiceName> =
            self.services.iter().filter(|(_, it)| is_over(it)).map(|(name, _)| name.clone()).collect();
        for name in over {
            self.services.remove(&name);
            self.published.remove(&name);
            out.push(Action::Forget(name));
        }
    }
}
