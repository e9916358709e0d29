use super::engine::Engine;
use super::notes::Note;
use crate::spec::service::Service;
use crate::sys::cgroup::Cgroup;
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
                home.limit_cpu(&home.of(tag), service.limits.cpu_millis).map_err(|error| error.to_string())
            }
            None => Err("there are no cgroups of version 2 that this user may write in".to_owned()),
        };
        if let Err(why) = limited {
            tracing::warn!(service = %service.name, why, "it is not held to limits.cpu");
        }
    }

    /// Holds the runs that live to what another config says.
    pub(super) fn limit_cpu_anew(&self) {
        let Some(home) = &self.cgroups else { return };
        for service in self.fleet.services().values() {
            let lives = service.phase().live().into_iter().chain(service.second().and_then(|it| it.live()));
            for cgroup in lives.filter_map(|live| self.wardens.get(&live.run)?.charge().cgroup.as_ref()) {
                // A run whose cgroup has no such file has no limit to be taken from it; one that should get one says so.
                let _ = home.limit_cpu(cgroup, service.spec().limits.cpu_millis);
            }
        }
    }
}

/// That a run is not held to its share of the processors, if it is to be.
pub(super) fn note(service: &Service, cgroup: Option<&Cgroup>) -> Option<Note> {
    let millis = service.limits.cpu_millis?;
    let is_held = cgroup.is_some_and(|cgroup| cgroup.is_held_to(millis));
    (!is_held).then_some(Note::CpuIsFree)
}
