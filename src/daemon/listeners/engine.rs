use std::collections::{BTreeMap, BTreeSet};

use super::line::{Line, OwnEnds};
use super::switchboard::News;
use super::words::Look;
use crate::daemon::engine::Engine;
use crate::daemon::roster::Unit;
use crate::machine::action::Change;
use crate::machine::event::{Command, Event, Verb};
use crate::machine::service::Service;
use crate::protocol::event::{Event as Told, What};
use crate::spec::listener::{EventType, Listener};
use crate::sys::clock;
use crate::vocab::name::ServiceName;
use crate::vocab::run::RunId;

/// How a service looks.
fn look<'a>(service: &Service, unit: &'a Unit) -> Look<'a> {
    let live = service.phase().live();
    Look {
        unit,
        state: service.state(),
        run: live.map(|live| live.run),
        pid: live.map(|live| live.identity.pid.as_raw()),
        tries: service.failures(),
        expected: service.has_succeeded(),
    }
}

impl Engine {
    /// Tells listeners by the config as it is acted on from here, and of the groups that came and went by it.
    pub(in crate::daemon) fn declare_listeners(&mut self, groups_before: &BTreeSet<String>) {
        let was_idle = self.switchboard.is_idle();
        self.switchboard.declare(self.fleet.spec(), &self.roster.identifier, &self.mailbox);
        if was_idle && !self.switchboard.is_idle() {
            self.note_how_all_are();
        }
        let groups = self.active_groups();
        let words = |group: &String| format!("groupname:{group}\n");
        let units = self.fleet.services().values().map(|service| self.roster.unit(service.spec()));
        let priorities: BTreeMap<String, i64> =
            units.map(|unit| (unit.group.clone(), unit.group_priority)).collect();
        let mut added: Vec<&String> = groups.difference(groups_before).collect();
        added.sort_by_key(|group| priorities.get(*group));
        for group in added {
            self.switchboard.tell(EventType::ProcessGroupAdded, words(group));
        }
        for group in groups_before.difference(&groups) {
            self.switchboard.tell(EventType::ProcessGroupRemoved, words(group));
        }
    }

    /// The pipes of a listener end with the supervisor that made them: those that live on are started again.
    pub(in crate::daemon) fn renew_listeners(&mut self) {
        let is_cut_off = |name: &ServiceName| {
            let service = self.fleet.services().get(name);
            service.is_some_and(|it| it.spec().listener.is_some() && it.has_live_process())
        };
        let services: Vec<ServiceName> =
            self.fleet.services().keys().filter(|it| is_cut_off(it)).cloned().collect();
        if !services.is_empty() {
            let ticket = self.mailbox.ticket();
            self.feed(Event::Command(Command { ticket, verb: Verb::Restart, services, deadline: None }));
        }
    }

    /// A run of a listener has begun, and these are the supervisor's ends of its pipes.
    pub(in crate::daemon) fn join_listeners(&mut self, run: RunId, listener: &Listener, ends: OwnEnds) {
        match Line::open(run, ends, &self.mailbox) {
            Ok(line) => self.switchboard.join(run, listener, line),
            Err(error) => tracing::warn!(pool = listener.pool, %error, "cannot talk to a listener"),
        }
    }

    pub(in crate::daemon) fn tell_listeners(&mut self, news: News) {
        match news {
            News::Said(run, bytes) => self.switchboard.hear(run, &bytes),
            News::Tick(tick, seconds) => self.switchboard.tell(tick, format!("when:{seconds}")),
            News::Supervisor(change) => self.switchboard.tell(change, String::new()),
            News::Remote { kind, data } => {
                self.switchboard.tell(EventType::RemoteCommunication, format!("type:{kind}\n{data}"));
                let what = What::RemoteCommunication { kind, data };
                self.mailbox.publish(Told { unix_ms: clock::unix_ms(), what });
            }
        }
    }

    /// Tells listeners of a service that looks different.
    pub(in crate::daemon) fn tell_listeners_of(&mut self, change: &Change) {
        if self.switchboard.is_idle() {
            return;
        }
        let Some(service) = self.fleet.services().get(&change.service) else { return };
        let unit = self.roster.unit(service.spec());
        let look = Look { state: change.state, run: change.run, ..look(service, &unit) };
        self.switchboard.look(&change.service, &look);
    }

    /// What was before the first listener is told to nobody.
    fn note_how_all_are(&mut self) {
        for (name, service) in self.fleet.services() {
            let unit = self.roster.unit(service.spec());
            self.switchboard.note(name, &look(service, &unit));
        }
    }
}
