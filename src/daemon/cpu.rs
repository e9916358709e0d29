use super::engine::Engine;
use super::notes::Note;
use super::warden::Warden;
use crate::spec::service::Service;
use crate::sys::cgroup::Cgroup;
use crate::vocab::name::ServiceName;
use crate::vocab::run::Tag;

impl Engine {
    /// Holds a run that is about to begin to its share of the processors, where its cgroup can be. Where it cannot, that is
    /// said: by this line, and by a note of the service for as long as it runs.
    pub(super) fn limit_cpu(&self, service: &Service, tag: &Tag) {
        if service.limits.cpu_millis.is_none() {
            return;
        }
        let limited = match &self.cgroups {
            Some(home) => {
                let cgroup = home.of(tag);
                let limited = cgroup.make().and_then(|()| home.limit_cpu(&cgroup, service.limits.cpu_millis));
                limited.map_err(|error| error.to_string())
            }
            None => Err("there are no cgroups of version 2 that this user may write in".to_owned()),
        };
        if let Err(why) = limited {
            tracing::warn!(service = %service.name, why, "it is not held to limits.cpu");
        }
    }

    /// Holds the runs of some services, which began under another config, to what this one says: to a share, or to none. Those
    /// that are held so are left as they are: a write of the same value has the kernel go through all processors again.
    pub(super) fn limit_cpu_anew(&self, is_meant: impl Fn(&ServiceName) -> bool) {
        let Some(home) = &self.cgroups else { return };
        for charge in self.wardens.values().map(Warden::charge).filter(|it| is_meant(&it.tag.service)) {
            let service = self.fleet.services().get(&charge.tag.service);
            let (Some(service), Some(cgroup)) = (service, &charge.cgroup) else { continue };
            let millis = service.spec().limits.cpu_millis;
            if !cgroup.is_held_to(millis) {
                // One that cannot be held to it says so by its note.
                let _ = home.limit_cpu(cgroup, millis);
            }
        }
    }
}

/// That a run is not held to its share of the processors, if it is to be.
pub(super) fn note(service: &Service, cgroup: Option<&Cgroup>) -> Option<Note> {
    let millis = service.limits.cpu_millis?;
    let is_held = cgroup.is_some_and(|cgroup| cgroup.is_held_to(Some(millis)));
    (!is_held).then_some(Note::CpuIsFree)
}
