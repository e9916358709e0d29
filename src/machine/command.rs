use std::collections::BTreeMap;

use super::action::Action;
use super::event::{Command, Verb};
use super::fleet::Fleet;
use super::service::Service;
use super::ticket::{Answer, Awaiting, Ticket};
use crate::vocab::moment::Moment;

impl Fleet {
    /// Sets the goals that somebody asks for, and opens the ticket that tells what it came to.
    pub(super) fn command(&mut self, command: Command, now: Moment, out: &mut Vec<Action>) {
        let Command { ticket, verb, services, deadline } = command;
        let mut awaited = BTreeMap::new();
        match verb {
            Verb::Start => {
                for name in self.spec.graph().with_needs(&services) {
                    self.change(&name, Service::want_up);
                    awaited.insert(name.clone(), Awaiting::Up);
                }
            }
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
            Verb::Stop => {
                for name in services {
                    self.change(&name, Service::want_down);
                    awaited.insert(name, Awaiting::Down);
                }
            }
            Verb::StopAtOnce => {
                for name in services {
                    self.change(&name, |service| {
                        service.want_down();
                        service.stop(now, out);
                    });
                    awaited.insert(name, Awaiting::Down);
                }
            }
            Verb::Kill => {
                for name in services {
                    self.change(&name, |service| {
                        service.want_down();
                        service.kill(now, out);
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
}
