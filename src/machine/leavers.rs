use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::service::Service;
use crate::spec;
use crate::vocab::name::ServiceName;

/// Who has to end before whom, by who is needed. It is kept as services change: whoever asks for those that one service
/// waits for goes through no others, however many need it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Leavers(BTreeMap<ServiceName, BTreeSet<ServiceName>>);

/// A service that those which it needs wait for at their end, or none.
pub(super) type Leaver = Option<Arc<spec::service::Service>>;

impl Service {
    /// As one that is on the way out and has a process still, if it is that. One that hangs in the kernel is not waited
    /// for: nobody knows whether it ever ends.
    pub(super) fn as_leaver(&self) -> Leaver {
        let is_waited_for = self.is_leaving() && (self.holds_up_order() || self.is_after_stop());
        is_waited_for.then(|| Arc::clone(&self.spec))
    }
}

impl Leavers {
    /// Those who have to end before a service, by name.
    pub(super) fn before(&self, name: &ServiceName) -> impl ExactSizeIterator<Item = &ServiceName> {
        const NOBODY: &BTreeSet<ServiceName> = &BTreeSet::new();
        self.0.get(name).unwrap_or(NOBODY).iter()
    }

    /// A service was the one before a change, and is the other after it.
    pub(super) fn turn(&mut self, before: &Leaver, after: &Leaver) {
        if before == after {
            return;
        }
        for (spec, needed) in before.iter().flat_map(|spec| spec.depends_on.keys().map(move |it| (spec, it)))
        {
            if let Some(leavers) = self.0.get_mut(needed) {
                leavers.remove(&spec.name);
                if leavers.is_empty() {
                    self.0.remove(needed);
                }
            }
        }
        for (spec, needed) in after.iter().flat_map(|spec| spec.depends_on.keys().map(move |it| (spec, it))) {
            self.0.entry(needed.clone()).or_default().insert(spec.name.clone());
        }
    }

    /// As they are without any memory of changes.
    #[cfg(test)]
    pub(super) fn of<'a>(services: impl Iterator<Item = &'a Service>) -> Self {
        let mut leavers = Self::default();
        services.for_each(|service| leavers.turn(&None, &service.as_leaver()));
        leavers
    }
}
