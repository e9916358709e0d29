use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::service::Service;
use crate::spec;
use crate::vocab::name::ServiceName;

/// Who has to end before whom, by who is needed and by priority. It is kept as services change: whoever asks for those that one service
/// waits for goes through no others, however many need it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Leavers {
    before: BTreeMap<ServiceName, BTreeSet<ServiceName>>,
    /// How many have each priority.
    ranks: BTreeMap<i32, usize>,
    /// How many need something.
    needy: usize,
}

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
        self.before.get(name).unwrap_or(NOBODY).iter()
    }

    /// The highest of their priorities; none if nobody leaves.
    pub(super) fn rank_max(&self) -> Option<i32> {
        self.ranks.last_key_value().map(|(rank, _)| *rank)
    }

    /// Whether nobody of them needs anybody.
    pub(super) fn need_nothing(&self) -> bool {
        self.needy == 0
    }

    /// A service was the one before a change, and is the other after it.
    pub(super) fn turn(&mut self, before: &Leaver, after: &Leaver) {
        // Each change of any service comes by here: whole specs are not compared.
        let is_same = match (before, after) {
            (None, None) => true,
            (Some(before), Some(after)) => Arc::ptr_eq(before, after),
            (None, Some(_)) | (Some(_), None) => false,
        };
        if is_same {
            return;
        }
        before.iter().for_each(|spec| self.count_out(spec));
        after.iter().for_each(|spec| self.count_in(spec));
    }

    fn count_in(&mut self, spec: &spec::service::Service) {
        for needed in spec.depends_on.keys() {
            self.before.entry(needed.clone()).or_default().insert(spec.name.clone());
        }
        *self.ranks.entry(spec.priority).or_default() += 1;
        self.needy += usize::from(!spec.depends_on.is_empty());
    }

    fn count_out(&mut self, spec: &spec::service::Service) {
        for needed in spec.depends_on.keys() {
            if let Some(leavers) = self.before.get_mut(needed) {
                leavers.remove(&spec.name);
                if leavers.is_empty() {
                    self.before.remove(needed);
                }
            }
        }
        self.needy -= usize::from(!spec.depends_on.is_empty());
        if let Some(count) = self.ranks.get_mut(&spec.priority) {
            *count -= 1;
            if *count == 0 {
                self.ranks.remove(&spec.priority);
            }
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
