use std::collections::BTreeSet;

use super::check::require;
use super::world::{Verdict, World};
use crate::machine::event::{Event, Verb};
use crate::machine::fleet::Fleet;
use crate::machine::memory::Survivor;
use crate::machine::phase::{Phase, Rest};
use crate::machine::service::Service;
use crate::spec;
use crate::spec::graph::{Bond, Condition, Need};
use crate::spec::policy::{Recovery, RestartPolicy};
use crate::vocab::name::ServiceName;
use crate::vocab::run::RunId;
use crate::vocab::state::{Goal, Health};

/// What has to be known from before a decision to tell who fell, and who was taken down.
pub(super) struct Before {
    /// Those that were up and to stay so.
    standing: BTreeSet<ServiceName>,
    /// Whose run ended by itself with this event.
    ended: Option<ServiceName>,
    /// Those that somebody asked to begin anew with this event; none when that may be any.
    renewed: Option<BTreeSet<ServiceName>>,
}

impl Before {
    pub(super) fn of(fleet: &Fleet, event: &Event) -> Self {
        let standing = fleet.services().values().filter(|service| stands(service));
        let counts = |run: &RunId| {
            let service = fleet.service_of(*run)?;
            (service.phase().run() == Some(*run) && stands(service)).then(|| service.spec().name.clone())
        };
        let (ended, renewed) = match event {
            Event::Exited { run, .. } => (counts(run), Some(BTreeSet::new())),
            Event::Command(command) => match command.verb {
                Verb::Restart | Verb::Roll { .. } => (None, Some(command.services.iter().cloned().collect())),
                Verb::Up
                | Verb::Start
                | Verb::Fit
                | Verb::Stop
                | Verb::StopAtOnce
                | Verb::Kill
                | Verb::Await(_) => (None, Some(BTreeSet::new())),
            },
            Event::FileChanged { service, .. } | Event::ScheduleDue { service } => {
                (None, Some([service.clone()].into()))
            }
            Event::Reconfigured(_) | Event::Resumed(_) => (None, None),
            Event::Abandoned(_) | Event::Spawned { .. } | Event::NotSpawned { .. } | Event::Probed { .. } => {
                (None, Some(BTreeSet::new()))
            }
            Event::CalledOff { .. }
            | Event::Planned { .. }
            | Event::Hooked { .. }
            | Event::Measured { .. }
            | Event::HandedOver { .. }
            | Event::Notified { .. } => (None, Some(BTreeSet::new())),
            Event::PortsSeen { .. } | Event::Drained { .. } | Event::Repaired(_) | Event::Tick => {
                (None, Some(BTreeSet::new()))
            }
        };
        Self { standing: standing.map(|service| service.spec().name.clone()).collect(), ended, renewed }
    }
}

/// Those that have fallen with what they need before an event is handled.
pub(super) fn fallen(fleet: &Fleet, event: &Event) -> BTreeSet<ServiceName> {
    let survivors = if let Event::Resumed(survivors) = event { survivors.as_slice() } else { &[] };
    let remembered = survivors.iter().filter(|it| it.fallen_with.is_some()).map(|it| it.service.clone());
    let fallen = fleet.services().values().filter(|it| it.fallen_with.is_some());
    fallen.map(|it| it.spec().name.clone()).chain(remembered).collect()
}

/// Whether it has a run that is to stay.
fn stands(service: &Service) -> bool {
    let has_run =
        matches!(service.phase(), Phase::Spawning { .. } | Phase::Starting(..) | Phase::Running(..));
    has_run && service.goal() == Goal::Up
}

/// Whether nothing brings it back but people, or most likely a change of its file.
fn is_lost(service: &Service) -> bool {
    let has_failed = matches!(service.phase(), Phase::Resting(Rest::Failed | Rest::Fatal));
    has_failed || service.awaits_change() || service.goal() == Goal::Down
}

fn lasting_needs(service: &Service) -> impl Iterator<Item = (&ServiceName, Condition)> {
    let needs = service.spec().depends_on.iter().filter(|(_, need)| match (need.bond, need.condition) {
        (Bond::Hard, Condition::Started | Condition::Ready) => true,
        (Bond::Hard, Condition::Completed) | (Bond::Soft, _) => false,
    });
    needs.map(|(needed, need)| (needed, need.condition))
}

fn needs_lastingly(service: &Service, name: &ServiceName) -> bool {
    lasting_needs(service).any(|(needed, _)| needed == name)
}

impl World {
    /// Whether a need keeps nobody from starting: it holds, or it is a soft one of something that is not on its way.
    pub(super) fn lets_start(&self, needed: &ServiceName, need: Need) -> bool {
        self.holds(needed, need.condition)
            || (need.bond == Bond::Soft && !self.is_on_its_way(needed, need.condition))
    }

    /// Whether it fell within what is being handled. What was decided before that went by what stood then.
    pub(super) fn has_just_fallen(&self, name: &ServiceName) -> bool {
        let has_fallen = self.service(name).is_some_and(|service| service.fallen_with.is_some());
        has_fallen && !self.fallen.contains(name)
    }

    /// Whether a run for a time of its schedule follows one that ended well, in the same breath.
    pub(super) fn begins_anew(&self, name: &ServiceName) -> bool {
        self.service(name).is_some_and(|service| {
            let is_beginning =
                matches!(service.phase(), Phase::Waiting | Phase::Spawning { .. } | Phase::Starting(..));
            is_beginning && service.spec().is_job() && service.has_succeeded()
        })
    }

    fn service(&self, name: &ServiceName) -> Option<&Service> {
        self.supervisor.as_ref()?.fleet.services().get(name)
    }

    fn is_on_its_way(&self, name: &ServiceName, condition: Condition) -> bool {
        let Some(service) = self.service(name) else { return false };
        let never_completes =
            condition == Condition::Completed && service.spec().restart == RestartPolicy::Always;
        if never_completes || (service.goal() == Goal::Down) {
            return false;
        }
        match service.phase() {
            Phase::Resting(rest) => *rest == Rest::Completed,
            Phase::Waiting if service.hangs_in_kernel() => false,
            Phase::Waiting => {
                let mut hard = service.spec().depends_on.iter().filter(|(_, need)| need.bond == Bond::Hard);
                hard.all(|(needed, need)| {
                    self.holds(needed, need.condition) || self.is_on_its_way(needed, need.condition)
                })
            }
            Phase::Starting(_, proof) => proof.health != Health::Unhealthy || service.goal() == Goal::Again,
            Phase::Spawning { .. } | Phase::Running(..) | Phase::Stopping { .. } => true,
            Phase::Killing { .. } => !service.hangs_in_kernel(),
            Phase::Backoff { .. } => false,
            Phase::Blocked { .. } => !service.is_blocked_for_good(),
        }
    }

    /// After a decision: nobody is up whose hard need rests for good; whose run ended by itself has taken its dependents
    /// down; and nobody else was taken down.
    pub(super) fn check_falls(&self, before: &Before) -> Verdict {
        let fleet = self.fleet()?;
        for (name, service) in fleet.services() {
            if stands(service) {
                let nothing = self.nothing_under(service);
                require(nothing.is_none(), || {
                    format!("`{name}` is up, and needs {nothing:?}, which is lost")
                })?;
            }
            check_startup(service)?;
            let is_renewed = before.renewed.as_ref().is_none_or(|renewed| renewed.contains(name));
            let was_taken_down = before.standing.contains(name) && service.goal() == Goal::Again;
            if was_taken_down && !is_renewed {
                // What ended may be there again already, by a run that was to replace it.
                let ended = before.ended.as_ref().filter(|ended| needs_lastingly(service, ended));
                let has_cause = ended.is_some() || self.lacks_something(service);
                require(has_cause, || format!("`{name}` is taken down by nobody"))?;
                let is_said = service.fallen_with.is_some();
                require(is_said, || format!("nobody says whose fall takes `{name}` down: {service:?}"))?;
            }
        }
        before.ended.as_ref().map_or(Ok(()), |fallen| self.check_fall_of(fallen, before))
    }

    fn check_fall_of(&self, fallen: &ServiceName, before: &Before) -> Verdict {
        let Some(service) = self.service(fallen) else { return Ok(()) };
        let has_completed = *service.phase() == Phase::Resting(Rest::Completed) || self.begins_anew(fallen);
        let recovers = service.spec().recovery == Recovery::Smooth && !is_lost(service);
        for (name, dependent) in self.fleet()?.services() {
            if !needs_lastingly(dependent, fallen) || !before.standing.contains(name) {
                continue;
            }
            let stays = has_completed || recovers || self.has_fellow(dependent, fallen);
            require(stays || dependent.goal() != Goal::Up, || {
                format!("`{fallen}` has fallen, and `{name}` stays: {dependent:?}")
            })?;
        }
        Ok(())
    }

    /// Whether another replica of what fell is there for somebody who needs them all.
    fn has_fellow(&self, dependent: &Service, fallen: &ServiceName) -> bool {
        let of = |name: &ServiceName| self.service(name).map(|it| &it.spec().replica.of);
        lasting_needs(dependent).any(|(needed, condition)| {
            needed != fallen && of(needed) == of(fallen) && self.holds(needed, condition)
        })
    }

    fn lacks_something(&self, service: &Service) -> bool {
        lasting_needs(service).any(|(needed, condition)| !self.holds(needed, condition))
    }

    /// What a service that is up needs, by any path through those that are not, and will not get.
    fn nothing_under(&self, service: &Service) -> Option<ServiceName> {
        let name = &service.spec().name;
        let lost = |needed: &ServiceName| {
            let Some(it) = self.service(needed) else { return Some(needed.clone()) };
            if is_lost(it) {
                return Some(needed.clone());
            }
            let is_down =
                matches!(it.phase(), Phase::Waiting | Phase::Backoff { .. } | Phase::Blocked { .. });
            if is_down { self.nothing_under(it) } else { None }
        };
        lasting_needs(service).find_map(|(needed, _)| {
            let is_excused = self.excused.contains(&(name.clone(), needed.clone()));
            if is_excused || self.has_living_fellow(service, needed) { None } else { lost(needed) }
        })
    }

    fn has_living_fellow(&self, dependent: &Service, needed: &ServiceName) -> bool {
        let of = |name: &ServiceName| self.service(name).map(|it| &it.spec().replica.of);
        let is_fellow = |other: &ServiceName| other != needed && of(other) == of(needed);
        let lives = |other: &ServiceName| self.service(other).is_some_and(|it| !is_lost(it));
        lasting_needs(dependent).any(|(other, _)| is_fellow(other) && lives(other))
    }

    /// A new config may give a service that is up a need that does not hold: that is no fall.
    pub(super) fn excuse_new_needs(&mut self) {
        let Some(supervisor) = &self.supervisor else { return };
        let up = |name: &ServiceName| supervisor.fleet.services().contains_key(name);
        let needs: Vec<(ServiceName, ServiceName)> =
            all_needs(&self.file).filter(|(name, _)| up(name)).collect();
        let unmet = needs.into_iter().filter(|(name, needed)| {
            let spec = &self.file.services()[name];
            !self.holds(needed, spec.depends_on[needed].condition)
        });
        let unmet: Vec<_> = unmet.collect();
        self.excused.extend(unmet);
    }

    /// What a daemon takes over may lack what died while nobody watched, or what the file has it need since.
    pub(super) fn excuse_survivors(&mut self, survivors: &[Survivor]) {
        let stays = |it: &Survivor| it.live.is_some() && it.goal != Goal::Down;
        let lives = |name: &ServiceName| survivors.iter().any(|it| it.service == *name && stays(it));
        let unmet = all_needs(&self.file).filter(|(_, needed)| !lives(needed));
        let unmet: Vec<_> = unmet.collect();
        self.excused.extend(unmet);
    }

    /// Whoever is started has all that it needs.
    pub(super) fn excuse_no_more(&mut self, run: RunId, spec: &spec::service::Service) {
        let is_first = self.service(&spec.name).is_some_and(|it| it.phase().run() == Some(run));
        if is_first {
            self.excused.retain(|(name, _)| *name != spec.name);
        }
    }
}

/// The steps of a start come one after another, and whoever has proven itself is known to have.
fn check_startup(service: &Service) -> Verdict {
    let Some(startup) = service.startup().filter(|it| Some(it.run) == service.phase().run()) else {
        return Ok(());
    };
    let is_ready = matches!(service.phase(), Phase::Running(..));
    let in_order = startup
        .spawned
        .is_none_or(|spawned| startup.begun <= spawned && startup.ready.is_none_or(|ready| spawned <= ready));
    require(in_order && (!is_ready || startup.ready.is_some()), || format!("{startup:?} of {service:?}"))
}

fn all_needs(fleet: &spec::fleet::Fleet) -> impl Iterator<Item = (ServiceName, ServiceName)> {
    let services = fleet.services().values();
    services.flat_map(|it| it.depends_on.keys().map(|needed| (it.name.clone(), needed.clone())))
}
