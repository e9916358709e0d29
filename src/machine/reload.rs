use std::sync::Arc;

use super::action::Action;
use super::fleet::Fleet;
use super::memory::Survivor;
use super::phase::Live;
use super::service::{Service, Standing};
use super::watch::Watched;
use crate::spec;
use crate::vocab::moment::Moment;
use crate::vocab::name::ServiceName;
use crate::vocab::state::Goal;

/// Whether services were forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Removal {
    None,
    Some,
}

impl Fleet {
    /// The config was read again. What differs is applied, and nothing else is touched.
    pub(super) fn reconfigure(&mut self, spec: Arc<spec::fleet::Fleet>, now: Moment) {
        self.spec = spec;
        for (name, spec) in Arc::clone(&self.spec).services() {
            match self.services.get(name) {
                Some(service) if service.spec == *spec && service.standing == Standing::Declared => (),
                Some(_) => self.change(name, |service| service.reconfigure(Arc::clone(spec), now)),
                None => self.add(name, spec),
            }
            self.removed.remove(name);
        }
        let names: Vec<ServiceName> = self.services.keys().cloned().collect();
        for name in names {
            if self.spec.service(&name).is_none() {
                self.change(&name, Service::remove);
                self.removed.insert(name.clone());
            }
            // Whoever waited for its turn may wait for nobody any more: who needs whom has changed.
            self.note(&name);
        }
    }

    fn add(&mut self, name: &ServiceName, spec: &Arc<spec::service::Service>) {
        self.services.insert(name.clone(), Service::new(Arc::clone(spec), self.dice.of(name)));
        self.revision.advance();
        let looks = self.looks(std::iter::once(name));
        self.published.extend(looks);
        if spec.autostart {
            self.change(name, Service::want_up);
        }
    }

    /// Takes over what an earlier supervisor knew.
    pub(super) fn resume(&mut self, survivors: &[Survivor], now: Moment) {
        for survivor in survivors {
            for Live { run, .. } in survivor.runs() {
                self.last_run = self.last_run.max(run);
                self.revision.advance();
            }
            self.change(&survivor.service, |service| service.resume(survivor, now));
        }
    }

    /// Forgets services that the config has no more once nothing of them is left to be ended. Their tickets can be
    /// judged once more: what else was awaited of them will not come to pass.
    pub(super) fn forget_removed(&mut self, out: &mut Vec<Action>) -> Removal {
        let has_ended = |name: &&ServiceName| self.services.get(*name).is_none_or(|it| !it.is_occupied());
        let over: Vec<ServiceName> = self.removed.iter().filter(has_ended).cloned().collect();
        for name in &over {
            self.removed.remove(name);
            self.services.remove(name);
            self.deadlines.set(name, None);
            self.revision.advance();
            self.published.remove(name);
            self.changed.insert(name.clone());
            out.push(Action::Forget(name.clone()));
        }
        if over.is_empty() { Removal::None } else { Removal::Some }
    }
}

impl Service {
    /// The config has it in another shape: what can be applied to a living process is, the rest by a new run. One that
    /// an earlier config had removed is as good as a new one.
    pub(super) fn reconfigure(&mut self, spec: Arc<spec::service::Service>, now: Moment) {
        let before = std::mem::replace(&mut self.spec, spec);
        let standing = std::mem::replace(&mut self.standing, Standing::Declared);
        self.look_anew(&before, now);
        if before.limits != self.spec.limits || before.max_age != self.spec.max_age {
            let since = self.phase.live().map_or(now, |live| live.since);
            self.begin_upkeep(since, now);
        }
        if before.watch != self.spec.watch {
            self.watched = Watched::default();
        }
        self.plan_anew(before.schedule.as_deref());
        match standing {
            Standing::Removed if self.spec.autostart => self.want_up(),
            Standing::Removed => (),
            Standing::Declared if self.goal == Goal::Down || before.runs_like(&self.spec) => (),
            Standing::Declared => self.want_again(),
        }
    }

    /// The config has it no more.
    pub(super) fn remove(&mut self) {
        self.want_down();
        self.standing = Standing::Removed;
    }
}
