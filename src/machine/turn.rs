use super::action::Action;
use super::exchange::Roll;
use super::fleet::Fleet;
use super::service::Service;
use crate::spec::replicas::Replica;
use crate::vocab::moment::Moment;
use crate::vocab::name::ServiceName;

/// What of a service its fellow replicas may be waiting for.
#[derive(PartialEq, Eq)]
pub(super) struct Exchanging {
    is_under_way: bool,
    is_due: bool,
    has_failed: bool,
}

impl Exchanging {
    pub(super) fn of(service: &Service) -> Self {
        Self {
            is_under_way: service.second.is_some(),
            is_due: service.awaits_exchange(),
            has_failed: matches!(service.roll, Roll::Failed { .. }),
        }
    }
}

impl Fleet {
    /// Begins an exchange whose turn has come, and drops an understudy that is not wanted any more.
    pub(super) fn settle_exchange(&mut self, name: &ServiceName, now: Moment, out: &mut Vec<Action>) {
        let Some(service) = self.services.get(name) else { return };
        if service.is_leaving() && service.has_understudy() {
            self.change(name, |service| service.drop_understudy(now, out));
        } else if service.drains_in_vain() {
            self.change(name, |service| service.end_drain(now, out));
        } else if self.is_turn_of(service) {
            match self.forbids_exchange(service) {
                Some(why) => self.change(name, |service| service.fail_exchange(why)),
                None => {
                    let run = self.next_run();
                    self.change(name, |service| service.begin_exchange(run, out));
                }
            }
        }
    }

    /// Fellow replicas may have their turn after a change. When one exchange has failed, no other is begun: what is wrong
    /// with the one is most likely wrong with all.
    pub(super) fn tell_fellows(&mut self, name: &ServiceName, before: &Exchanging) {
        let Some(service) = self.services.get(name) else { return };
        let after = Exchanging::of(service);
        if after == *before {
            return;
        }
        let fails = after.has_failed && !before.has_failed;
        let of = service.spec.replica.of.clone();
        let waiting = self.services.values().filter(|it| it.spec.replica.of == of && it.awaits_exchange());
        let waiting: Vec<ServiceName> = waiting.map(|it| it.spec.name.clone()).collect();
        for fellow in waiting {
            if fails {
                let why = format!("was not tried: the exchange of `{name}` failed");
                self.fail_exchange_of(&fellow, why.clone());
            }
            self.note(&fellow);
        }
    }

    /// Nobody else is told: all fellows fail for the same reason.
    fn fail_exchange_of(&mut self, name: &ServiceName, why: String) {
        let Some(service) = self.services.get_mut(name) else { return };
        service.fail_exchange(why);
        self.deadlines.set(name, service.timers().min());
    }

    /// Of replicas the lowest numbers go first, and only so many at once.
    fn is_turn_of(&self, service: &Service) -> bool {
        if !service.awaits_exchange() || service.second.is_some() || !service.may_be_exchanged() {
            return false;
        }
        let Replica { of, number } = &service.spec.replica;
        let fellows = self.services.values().filter(|it| it.spec.replica.of == *of);
        let goes_first =
            |it: &&Service| it.second.is_some() || (it.awaits_exchange() && it.spec.replica.number < *number);
        let limit = usize::try_from(service.spec.max_unavailable).unwrap_or(usize::MAX);
        fellows.filter(goes_first).count() < limit
    }

    fn forbids_exchange(&self, service: &Service) -> Option<String> {
        let name = &service.spec.name;
        if service.has_hooks_of_stop() {
            return Some(
                "cannot be exchanged: its hooks of a stop run when no other run is there".to_owned(),
            );
        }
        if !service.spec.may_overlap() {
            return Some("cannot be exchanged: only one of its runs can hold its ports".to_owned());
        }
        let (needed, _) = self.order().lacks(name)?;
        let state = self.services.get(needed).map_or("gone", |needed| needed.state().word());
        Some(format!("cannot be exchanged: it needs `{needed}`, which is {state}"))
    }
}
