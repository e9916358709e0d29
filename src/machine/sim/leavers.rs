use super::check::require;
use super::world::{Verdict, World};
use crate::machine::fleet::Fleet;
use crate::machine::leavers::Leavers;
use crate::machine::service::Service;
use crate::spec::supervisor::StopOrder;
use crate::vocab::name::ServiceName;
use crate::vocab::state::Goal;

/// After a decision: the machine knows of each service who has to end before it, as if it had gone through all of them.
pub(super) fn check(fleet: &Fleet) -> Verdict {
    let expected = Leavers::of(fleet.services().values());
    require(fleet.leavers == expected, || {
        format!("{:?} are thought to end before others, and {expected:?} do", fleet.leavers)
    })
}

impl World {
    /// Those who have to end before a service, because they need it or by their priority, and have a process.
    pub(super) fn leave_before<'a>(
        &self,
        fleet: &'a Fleet,
        name: &ServiceName,
    ) -> impl Iterator<Item = &'a ServiceName> {
        let is_flat = fleet.services().values().all(|it| it.spec().depends_on.is_empty());
        let goes_by_priority = is_flat && fleet.spec().supervisor().stops == StopOrder::ByPriority;
        let own = fleet.services().get(name).map(|it| it.spec().priority);
        let in_the_way = move |service: &&Service| {
            let is_above = goes_by_priority && own.is_some_and(|own| service.spec().priority > own);
            let goes_first = is_above || service.spec().depends_on.contains_key(name);
            goes_first
                && service.goal() != Goal::Up
                && (service.holds_up_order() || self.is_after_stop(&service.spec().name))
        };
        fleet.services().values().filter(in_the_way).map(|service| &service.spec().name)
    }
}
