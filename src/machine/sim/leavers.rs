use super::check::require;
use super::world::Verdict;
use crate::machine::fleet::Fleet;
use crate::machine::leavers::Leavers;

/// After a decision: the machine knows of each service who has to end before it, as if it had gone through all of them.
pub(super) fn check(fleet: &Fleet) -> Verdict {
    let expected = Leavers::of(fleet.services().values());
    require(fleet.leavers == expected, || {
        format!("{:?} are thought to end before others, and {expected:?} do", fleet.leavers)
    })
}
