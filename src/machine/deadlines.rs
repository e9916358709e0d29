use std::collections::{BTreeMap, BTreeSet};

use crate::vocab::moment::Moment;
use crate::vocab::name::ServiceName;

/// When something is due, and what.
pub(super) type Deadline = (Moment, &'static str);

/// The first timer of each service that has one, in the order of time: whoever asks for what is due next goes through no
/// services.
#[derive(Debug, Clone, Default)]
pub(super) struct Deadlines {
    in_order: BTreeSet<(Deadline, ServiceName)>,
    of_service: BTreeMap<ServiceName, Deadline>,
}

impl Deadlines {
    /// The first timer of a service is this one from here on, or it has none.
    pub(super) fn set(&mut self, name: &ServiceName, deadline: Option<Deadline>) {
        let before = match deadline {
            Some(deadline) => self.of_service.insert(name.clone(), deadline),
            None => self.of_service.remove(name),
        };
        if before == deadline {
            return;
        }
        if let Some(before) = before {
            self.in_order.remove(&(before, name.clone()));
        }
        self.in_order.extend(deadline.map(|deadline| (deadline, name.clone())));
    }

    /// What is due first.
    pub(super) fn first(&self) -> Option<Deadline> {
        self.in_order.first().map(|(deadline, _)| *deadline)
    }

    /// The services that something is due of by this time.
    pub(super) fn due(&self, now: Moment) -> BTreeSet<ServiceName> {
        self.in_order.iter().take_while(|((at, _), _)| *at <= now).map(|(_, name)| name.clone()).collect()
    }

    /// All of them, in the order of time.
    #[cfg(test)]
    pub(super) fn all(&self) -> impl Iterator<Item = &(Deadline, ServiceName)> {
        self.in_order.iter()
    }
}
