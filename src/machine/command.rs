use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::action::Action;
use super::event::{Command, Verb};
use super::fleet::Fleet;
use super::service::Service;
use super::ticket::{Answer, Awaiting, Ticket};
use crate::vocab::moment::Moment;
use crate::vocab::name::ServiceName;

impl Fleet {
    /// Sets the goals that somebody asks for, and opens the ticket that tells what it came to.
    pub(super) fn command(&mut self, command: Command, now: Moment, out: &mut Vec<Action>) {
        let Command { ticket, verb, services, deadline } = command;
        let mut awaited = BTreeMap::new();
        match verb {
            Verb::Up | Verb::Start | Verb::Restart | Verb::Roll { .. } => {
                services.iter().for_each(|name| self.change(name, Service::forgive_starts));
            }
            Verb::Fit | Verb::Stop | Verb::StopAtOnce | Verb::Kill | Verb::Await(_) => (),
        }
        match verb {
            Verb::Up => awaited.extend(self.bring_up(&services, Service::want_up)),
            Verb::Start => awaited.extend(self.bring_up(&services, Service::want_run)),
            Verb::Restart => {
                let needed = self.spec.graph().with_needs(&services);
                for name in needed.iter().filter(|name| !services.contains(name)) {
                    self.change(name, Service::want_up);
                }
                for name in services {
                    self.change(&name, Service::want_again);
                    awaited.insert(name.clone(), Awaiting::Up);
                }
            }
            Verb::Roll { ready_within } => awaited.extend(self.roll(services, ready_within)),
            Verb::Fit => awaited.extend(self.fit(services)),
            Verb::Stop => {
                for name in self.in_stop_order(services) {
                    self.change(&name, Service::want_down);
                    awaited.insert(name, Awaiting::Down);
                }
            }
            Verb::StopAtOnce => {
                for name in self.in_stop_order(services) {
                    self.change(&name, |service| {
                        service.want_down();
                        service.stop(now, out);
                    });
                    awaited.insert(name, Awaiting::Down);
                }
            }
            Verb::Kill => {
                for name in self.in_stop_order(services) {
                    self.change(&name, |service| {
                        service.want_down();
                        service.kill(now, out);
                        service.kill_second(now, out);
                    });
                    awaited.insert(name, Awaiting::Down);
                }
            }
            Verb::Await(condition) => {
                awaited.extend(services.into_iter().map(|name| (name, Awaiting::Seen(condition))));
            }
        }
        self.changed.extend(awaited.keys().cloned());
        self.tickets.insert(ticket, Ticket { awaited, answer: Answer::new(), deadline });
    }

    /// Each after those that need it: so nobody who is to go down as well is taken down by another first, and the dependents
    /// of each are gone through once. Those that the config has no more come last.
    pub(super) fn in_stop_order(&self, services: Vec<ServiceName>) -> Vec<ServiceName> {
        let mut named: BTreeSet<ServiceName> = services.into_iter().collect();
        let order = self.spec.graph().order().iter().rev();
        let mut ordered: Vec<ServiceName> = order.filter_map(|name| named.take(name)).collect();
        ordered.extend(named);
        ordered
    }

    /// Does that to services, and wants up what they need.
    fn bring_up(
        &mut self,
        services: &[ServiceName],
        want: impl Fn(&mut Service),
    ) -> Vec<(ServiceName, Awaiting)> {
        let named: BTreeSet<&ServiceName> = services.iter().collect();
        let needed = self.spec.graph().with_needs(services);
        for name in &needed {
            self.change(name, |service| if named.contains(name) { want(service) } else { service.want_up() });
        }
        // What those can be up without is no part of what is asked for.
        let awaited = self.spec.graph().with_hard_needs(services);
        awaited.into_iter().map(|name| (name, Awaiting::Up)).collect()
    }

    fn roll(&mut self, services: Vec<ServiceName>, ready_within: Duration) -> Vec<(ServiceName, Awaiting)> {
        let is_exchangeable =
            |name: &ServiceName| self.services.get(name).is_some_and(Service::is_exchangeable);
        let (living, rest): (Vec<_>, Vec<_>) = services.into_iter().partition(is_exchangeable);
        for name in self.spec.graph().with_needs(&rest).iter().filter(|name| !rest.contains(name)) {
            self.change(name, Service::want_up);
        }
        rest.iter().for_each(|name| self.change(name, Service::want_again));
        living.iter().for_each(|name| self.change(name, |service| service.want_exchange(ready_within)));
        living.into_iter().chain(rest).map(|name| (name, Awaiting::Exchanged)).collect()
    }

    fn fit(&mut self, services: Vec<ServiceName>) -> Vec<(ServiceName, Awaiting)> {
        let is_declared = |name: &ServiceName| self.spec.service(name).is_some();
        let (declared, gone): (Vec<_>, Vec<_>) = services.into_iter().partition(is_declared);
        let wanted = self.spec.graph().with_needs(&declared);
        wanted.iter().for_each(|name| self.change(name, Service::want_up));
        let awaited = self.spec.graph().with_hard_needs(&declared);
        let awaited = awaited.into_iter().map(|name| (name, Awaiting::Up));
        awaited.chain(gone.into_iter().map(|name| (name, Awaiting::Gone))).collect()
    }
}
