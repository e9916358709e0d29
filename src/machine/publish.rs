use std::collections::{BTreeMap, BTreeSet};

use super::action::{Action, Change};
use super::exchange::Second;
use super::explain;
use super::fleet::Fleet;
use super::order::{Outlook, Prospect};
use crate::vocab::name::ServiceName;
use crate::vocab::state::State;

/// How a service looked when it was last told of.
#[derive(Debug, Clone)]
pub(super) struct Look {
    change: Change,
    /// Whether its dependents wait for it, or in vain; they look different when this changes.
    prospect: Prospect,
}

impl Fleet {
    /// Tells of every service that looks different from when it was last told of.
    pub(super) fn publish(&mut self, out: &mut Vec<Action>) {
        let mut open = self.changed.clone();
        let mut told: BTreeSet<ServiceName> = BTreeSet::new();
        while !open.is_empty() {
            let looks = self.looks(open.iter());
            told.append(&mut open);
            for (name, mut look) in looks {
                let before = self.published.get(&name);
                if before.is_none_or(|before| look.concerns_dependents(before)) {
                    let dependents = self.order().dependents_of(&name);
                    open.extend(dependents.filter(|name| !told.contains(*name)).cloned());
                }
                if let Some(before) = before {
                    look.change.previous = before.change.state;
                }
                let is_news = before.is_none_or(|before| !looks_like(&before.change, &look.change));
                if is_news {
                    out.push(Action::Publish(look.change.clone()));
                }
                self.published.insert(name, look);
            }
        }
        self.changed = told;
    }

    /// How these services look at the moment; each is its own past until it is told of.
    pub(super) fn looks<'a>(
        &self,
        names: impl Iterator<Item = &'a ServiceName>,
    ) -> BTreeMap<ServiceName, Look> {
        let mut outlook = Outlook::new(self.order());
        names.filter_map(|name| Some((name.clone(), self.look_of(name, &mut outlook)?))).collect()
    }

    fn look_of(&self, name: &ServiceName, outlook: &mut Outlook<'_>) -> Option<Look> {
        let service = self.services().get(name)?;
        let change = Change {
            service: name.clone(),
            previous: service.state(),
            state: service.state(),
            health: service.health(),
            run: service.phase().run(),
            main: service.phase().live().map(|live| live.identity),
            second: service.second().map(Second::run),
            reason: explain::reason(outlook, name),
        };
        Some(Look { change, prospect: outlook.prospect_of(name) })
    }
}

impl Look {
    /// Whether those that wait for it look different because of this.
    fn concerns_dependents(&self, before: &Self) -> bool {
        let (is, was) = (&self.change, &before.change);
        // They tell how it stands, and of one that has failed how it ended.
        let is_told_by_them = self.prospect == Prospect::Lost;
        let has_failed = matches!(is.state, State::Exited | State::Fatal);
        let tells_more = is.state != was.state || (has_failed && is.reason != was.reason);
        before.prospect != self.prospect || (is_told_by_them && tells_more)
    }
}

fn looks_like(one: &Change, other: &Change) -> bool {
    one.state == other.state
        && one.health == other.health
        && one.run == other.run
        && !has_handed_over(one, other)
        && one.second == other.second
        && one.reason == other.reason
}

/// That a run has got its process is no change: its state tells.
fn has_handed_over(before: &Change, after: &Change) -> bool {
    before.main.is_some() && after.main.is_some() && before.main != after.main
}
