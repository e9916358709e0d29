use std::collections::BTreeSet;

use super::check::require;
use super::world::Verdict;
use crate::machine::fleet::Fleet;

/// After a decision: the machine knows of each service when it has to be looked after next, as if it had gone through all
/// of them.
pub(super) fn check(fleet: &Fleet) -> Verdict {
    let first_of_each = fleet.services().iter();
    let first_of_each = first_of_each.filter_map(|(name, it)| Some((it.timers().min()?, name.clone())));
    let expected: BTreeSet<_> = first_of_each.collect();
    require(fleet.deadlines.all().eq(&expected), || {
        format!("{:?} is thought to be due, and {expected:?} is", fleet.deadlines)
    })
}
