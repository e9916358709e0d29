use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::action::Action;
use super::deadlines::Deadlines;
use super::dice::Dice;
use super::event::{Event, Taken};
use super::explain;
use super::fall::Footing;
use super::hooks::Hold;
use super::leavers::Leavers;
use super::order::{Order, Outlook, Prospect};
use super::phase::Phase;
use super::publish::Look;
use super::reload::Removal;
use super::runs::Place;
use super::service::Service;
use super::ticket::{Ticket, TicketId};
use super::turn::Exchanging;
use crate::spec;
use crate::vocab::moment::Moment;
use crate::vocab::name::ServiceName;
use crate::vocab::run::RunId;

/// All services together: the whole state of the supervisor. One owner holds it and tells it what happens.
#[derive(Debug, Clone)]
pub struct Fleet {
    pub(super) spec: Arc<spec::fleet::Fleet>,
    pub(super) services: BTreeMap<ServiceName, Service>,
    /// Services that the config has no more and that have a process still.
    pub(super) removed: BTreeSet<ServiceName>,
    pub(super) tickets: BTreeMap<TicketId, Ticket>,
    runs: BTreeMap<RunId, ServiceName>,
    pub(super) deadlines: Deadlines,
    pub(super) leavers: Leavers,
    pub(super) last_run: RunId,
    /// Services whose surroundings changed: they may be able to start or stop now. Lower priority values go first.
    pending: BTreeSet<(i32, ServiceName)>,
    /// Services that themselves may look different since the last publication.
    pub(super) changed: BTreeSet<ServiceName>,
    pub(super) published: BTreeMap<ServiceName, Look>,
    pub(super) revision: Revision,
    /// The time of what is being handled.
    now: Moment,
    pub(super) dice: Dice,
}

/// Tells apart what a fleet remembers at two moments: while it is the same, so is what the next supervisor must know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Revision(u64);

impl Revision {
    pub(super) fn advance(&mut self) {
        self.0 += 1;
    }
}

impl Fleet {
    /// A fleet at rest. Runs are numbered from the one after `last_run`.
    pub fn new(spec: Arc<spec::fleet::Fleet>, last_run: RunId) -> Self {
        Self::with_dice(spec, last_run, Dice::new(0))
    }

    /// The same with a seed for all that is left to chance.
    pub fn with_dice(spec: Arc<spec::fleet::Fleet>, last_run: RunId, dice: Dice) -> Self {
        let services = spec
            .services()
            .iter()
            .map(|(name, spec)| (name.clone(), Service::new(Arc::clone(spec), dice.of(name))))
            .collect();
        let mut fleet = Self {
            spec,
            services,
            removed: BTreeSet::new(),
            tickets: BTreeMap::new(),
            runs: BTreeMap::new(),
            deadlines: Deadlines::default(),
            leavers: Leavers::default(),
            last_run,
            pending: BTreeSet::new(),
            changed: BTreeSet::new(),
            published: BTreeMap::new(),
            revision: Revision::default(),
            now: Moment::since_boot(Duration::ZERO),
            dice,
        };
        fleet.published = fleet.looks(fleet.services.keys());
        fleet
    }

    /// The one entry: takes an event, decides, and appends what is to be done. Due timers fire in the same call.
    pub fn handle(&mut self, event: Event, now: Moment, out: &mut Vec<Action>) {
        self.now = now;
        match event {
            Event::Command(command) => self.command(command, now, out),
            Event::Abandoned(ticket) => {
                self.tickets.remove(&ticket);
            }
            Event::Spawned { run, identity } => self.of_run(run, |service, place| match place {
                Place::First => service.on_spawned(run, identity, now),
                Place::Second => service.on_second_spawned(identity, now, out),
            }),
            Event::NotSpawned { run, obstacle } => self.of_run(run, |service, place| match place {
                Place::First => service.on_not_spawned(obstacle, now, out),
                Place::Second => service.on_second_not_spawned(&obstacle),
            }),
            Event::CalledOff { run } => self.of_run(run, |service, place| match place {
                Place::First => service.on_called_off(),
                Place::Second => service.on_second_called_off(),
            }),
            Event::HandedOver { run, main } => self.of_run(run, |it, place| it.on_handed_over(place, main)),
            Event::Hooked { service, run, occasion } => {
                let over = Hold::of(run, occasion);
                self.change(&service, |service| service.on_hooked(over, now, out));
            }
            Event::FileChanged { service, path } => self.change(&service, |it| it.on_file_changed(path, now)),
            Event::ScheduleDue { service } => self.change(&service, |it| it.on_schedule_due(now, out)),
            Event::Planned { service, next_unix_ms } => {
                self.change(&service, |it| it.on_planned(next_unix_ms));
            }
            Event::Repaired(service) => self.change(&service, Service::on_repaired),
            Event::Measured { run, memory_bytes } => self.of_run(run, |service, place| match place {
                Place::First => service.on_measured(memory_bytes, now, out),
                Place::Second => (),
            }),
            Event::Exited { run, end } => self.of_run(run, |service, place| match place {
                Place::First => service.on_exited(end, now, out),
                Place::Second => service.on_second_exited(end, now),
            }),
            Event::PortsSeen { service, taken } => self.on_ports_seen(&service, taken, out),
            Event::Drained { run, traffic } => self.of_run(run, |service, place| match place {
                Place::First => (),
                Place::Second => service.on_second_drained(traffic, now, out),
            }),
            Event::Probed { run, finding } => self.of_run(run, |service, place| match place {
                Place::First => service.on_probed(finding, now, out),
                Place::Second => service.on_second_probed(finding, now, out),
            }),
            Event::Notified { run, extension } => self.of_run(run, |service, place| match place {
                Place::First => service.on_notified(extension, now),
                Place::Second => service.on_second_notified(extension, now),
            }),
            Event::Reconfigured(spec) => self.reconfigure(spec, now),
            Event::Resumed(survivors) => self.resume(&survivors, now),
            Event::Tick => (),
        }
        self.fire_timers(now, out);
        self.settle(now, out);
        self.call_hooks_off(out);
        self.tell(now, out);
    }

    fn on_ports_seen(&mut self, name: &ServiceName, taken: Option<Taken>, out: &mut Vec<Action>) {
        let now = self.now;
        self.change(name, |service| service.on_ports_seen(taken, now, out));
    }

    /// Publishes what looks different, and answers whom it concerns.
    fn tell(&mut self, now: Moment, out: &mut Vec<Action>) {
        self.publish(out);
        self.answer(now, out);
        if self.forget_removed(out) == Removal::Some {
            self.answer(now, out);
        }
    }

    /// When to call [`Fleet::handle`] next even if nothing happens, and what for.
    pub fn deadline(&self) -> Option<(Moment, &'static str)> {
        let of_tickets =
            self.tickets.values().filter_map(|ticket| Some((ticket.deadline?, "a command's answer is due")));
        of_tickets.chain(self.deadlines.first()).min()
    }

    /// The config it acts on.
    pub fn spec(&self) -> &Arc<spec::fleet::Fleet> {
        &self.spec
    }

    /// Every service by name; those that the config has no more stay until they have ended.
    pub fn services(&self) -> &BTreeMap<ServiceName, Service> {
        &self.services
    }

    /// The service of a live run, be it the one that counts or the second.
    pub fn service_of(&self, run: RunId) -> Option<&Service> {
        self.services.get(self.runs.get(&run)?)
    }

    /// The last run number given.
    pub fn last_run(&self) -> RunId {
        self.last_run
    }

    /// Which state this is.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// Why a service is not running, or not well; none when it is as it should be.
    pub fn reason(&self, name: &ServiceName) -> Option<String> {
        explain::reason(&mut Outlook::new(self.order()), name)
    }

    pub(super) fn order(&self) -> Order<'_> {
        let (graph, services, removed) = (self.spec.graph(), &self.services, &self.removed);
        let stops = self.spec.supervisor().stops;
        Order { graph, services, removed, leavers: &self.leavers, stops }
    }

    /// Changes one service and notes whose turn it may be because of it.
    pub(super) fn change(&mut self, name: &ServiceName, change: impl FnOnce(&mut Service)) {
        let Some(service) = self.services.get_mut(name) else { return };
        let (runs_before, exchanging) = (service.runs(), Exchanging::of(service));
        let (memory_before, footing, prospect) =
            (service.memory(), Footing::of(service), Prospect::of(service));
        let leaver = service.as_leaver();
        change(service);
        service.note_step(self.now);
        self.deadlines.set(name, service.timers().min());
        let after = service.as_leaver();
        self.leavers.turn(&leaver, &after);
        let runs_after = service.runs();
        let has_worsened = Prospect::has_worsened(prospect, Prospect::of(service));
        if service.memory() != memory_before {
            self.revision.advance();
        }
        if runs_before != runs_after {
            runs_before.into_iter().flatten().for_each(|run| drop(self.runs.remove(&run)));
            self.runs.extend(runs_after.into_iter().flatten().map(|run| (run, name.clone())));
        }
        self.note(name);
        if leaver.is_some() && after.is_none() {
            self.note_next_to_end();
        }
        if has_worsened && self.spec.graph().has_soft_needs() {
            self.note_who_waits(name);
        }
        self.tell_fellows(name, &exchanging);
        self.topple(name, footing);
    }

    /// Notes that the turn may have come of whoever waits for a service, by any path: what it can be up without may not
    /// be on its way any more.
    fn note_who_waits(&mut self, name: &ServiceName) {
        let mut open = vec![name.clone()];
        let mut reached = BTreeSet::new();
        while let Some(next) = open.pop() {
            let dependents: Vec<ServiceName> = self.order().dependents_of(&next).cloned().collect();
            for dependent in dependents {
                let Some(service) = self.services.get(&dependent) else { continue };
                if service.phase == Phase::Waiting && reached.insert(dependent.clone()) {
                    self.pending.insert((service.spec.priority, dependent.clone()));
                    open.push(dependent);
                }
            }
        }
    }

    /// Notes that the turn may have come of who ends next by priority.
    fn note_next_to_end(&mut self) {
        let next = self.order().next_to_end();
        let next: Vec<(i32, ServiceName)> =
            next.filter_map(|name| Some((self.services.get(name)?.spec.priority, name.clone()))).collect();
        self.pending.extend(next);
    }

    /// Notes that a service and those around it may look different, and that their turn may have come.
    pub(super) fn note(&mut self, name: &ServiceName) {
        let order = self.order();
        let neighbours = order.dependents_of(name).chain(order.needs_of(name).map(|(needed, _)| needed));
        let affected: Vec<(i32, ServiceName)> = neighbours
            .chain(std::iter::once(name))
            .filter_map(|name| Some((self.services.get(name)?.spec.priority, name.clone())))
            .collect();
        self.pending.extend(affected);
        self.changed.insert(name.clone());
    }

    fn of_run(&mut self, run: RunId, change: impl FnOnce(&mut Service, Place)) {
        if let Some(name) = self.runs.get(&run).cloned() {
            self.change(&name, |service| change(service, service.place_of(run)));
        }
    }

    fn fire_timers(&mut self, now: Moment, out: &mut Vec<Action>) {
        for name in self.deadlines.due(now) {
            self.change(&name, |service| {
                service.on_time(now, out);
                service.on_time_of_upkeep(now, out);
            });
        }
    }

    /// Stops who may be stopped and starts who may start, until nobody's turn comes any more.
    fn settle(&mut self, now: Moment, out: &mut Vec<Action>) {
        while let Some((_, name)) = self.pending.pop_first() {
            let Some(service) = self.services.get(&name) else { continue };
            let is_up = service.phase.is_up();
            if is_up && service.is_leaving() && self.order().may_stop(&name) {
                self.change(&name, |service| service.stop(now, out));
            } else if let Some(run) = service.start_in_vain() {
                self.change(&name, |service| service.call_off(run, out));
            } else if service.may_spawn() && !service.is_after_stop() && self.order().may_start(&name) {
                self.start(&name, now, out);
            } else if service.is_due_again() {
                self.change(&name, Service::begin_due);
            }
            self.settle_exchange(&name, now, out);
            self.changed.insert(name);
        }
    }

    fn start(&mut self, name: &ServiceName, now: Moment, out: &mut Vec<Action>) {
        if self.services.get(name).is_some_and(|service| service.has_no_start_left(now)) {
            return self.change(name, Service::give_up_for_starts);
        }
        let run = self.next_run();
        self.change(name, |service| {
            service.note_start(now);
            service.spawn(run, out);
        });
    }

    pub(super) fn next_run(&mut self) -> RunId {
        self.last_run = self.last_run.next();
        self.revision.advance();
        self.last_run
    }
}
