use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use super::boot::keep_applied;
use super::disk::Disk;
use super::engine::Engine;
use super::roster::Roster;
use crate::config::environment::Environment;
use crate::config::load::{self, Machine};
use crate::config::problem::Problems;
use crate::machine::event::Event;
use crate::rundir::applied::{Applied, Layer};
use crate::rundir::enabled;
use crate::spec::fleet::{Fleet, NotAFleet};
use crate::spec::service::Service;
use crate::vocab::name::ServiceName;
use crate::vocab::state::State;

/// A config that was read, proven, and not applied: its groups are taken over one by one.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) text: String,
    pub(super) fleet: Fleet,
    pub(super) roster: Roster,
}

/// How a config differs from what is active, by the names of groups.
#[derive(Debug, Default)]
pub struct Reread {
    /// Those that only the config has.
    pub added: Vec<String>,
    /// Those that differ.
    pub changed: Vec<String>,
    /// Those that the config has no more.
    pub removed: Vec<String>,
}

/// Why a group is not taken in or out.
#[derive(Debug)]
pub enum Refused {
    /// There is none.
    Unknown,
    /// It is active.
    Active,
    /// Some of its processes are.
    StillRunning,
    /// The fleet would be none, in words.
    NotAFleet(String),
}

/// The services of each group.
type Groups = BTreeMap<String, BTreeMap<ServiceName, Arc<Service>>>;

fn groups(fleet: &Fleet, roster: &Roster) -> Groups {
    let mut groups = Groups::new();
    for (name, service) in fleet.services() {
        let group = groups.entry(roster.unit(service).group.clone()).or_default();
        group.insert(name.clone(), Arc::clone(service));
    }
    groups.extend(roster.empty_groups().iter().map(|group| (group.clone(), BTreeMap::new())));
    groups
}

impl Pending {
    fn prove(
        text: String,
        path: &Path,
        environment: &Environment,
        machine: Machine,
    ) -> Result<Self, Problems> {
        let fleet = load::prove(&text, path, environment, machine)?;
        Ok(Self { roster: Roster::of(&text, path, environment), fleet, text })
    }
}

impl Engine {
    /// The names of the groups that are active.
    pub(super) fn active_groups(&self) -> BTreeSet<String> {
        groups(self.fleet.spec(), &self.roster).into_keys().collect()
    }

    /// Reads the config, and says how it differs from what is active.
    pub(super) fn reread(&mut self) -> Result<Reread, String> {
        let read = load::read_whole(&self.config, &self.environment)
            .and_then(|text| Pending::prove(text, &self.config, &self.environment, Machine::Proven));
        let pending = read.map_err(|problems| words(&problems))?;
        let (active, read) =
            (groups(self.fleet.spec(), &self.roster), groups(&pending.fleet, &pending.roster));
        let mut reread = Reread::default();
        for (group, services) in &read {
            match active.get(group) {
                None => reread.added.push(group.clone()),
                Some(before) if before != services => reread.changed.push(group.clone()),
                Some(_) => (),
            }
        }
        reread.removed = active.into_keys().filter(|group| !read.contains_key(group)).collect();
        self.pending = Some(pending);
        Ok(reread)
    }

    /// Takes a group over from the config that was read last; those of its services that are to be started are.
    pub(super) fn add_group(&mut self, group: &str) -> Result<(), Refused> {
        if self.active_groups().contains(group) {
            return Err(Refused::Active);
        }
        let pending = match self.pending.take() {
            Some(pending) => pending,
            None => {
                Pending::prove(self.applied.text.clone(), &self.config, &self.environment, Machine::Trusted)
                    .map_err(|problems| Refused::NotAFleet(words(&problems)))?
            }
        };
        let added = groups(&pending.fleet, &pending.roster).remove(group);
        let outcome = added.ok_or(Refused::Unknown).and_then(|added| {
            let roster = Roster::clone(&self.roster).with(&pending.roster, group, added.keys());
            let services = self.fleet.spec().services().values().chain(added.values());
            let fleet = fleet_of(self.fleet.spec(), services)?;
            self.applied.add_group(group, &pending.text);
            self.take_over(fleet, roster, Some(&pending));
            Ok(())
        });
        self.pending = Some(pending);
        outcome
    }

    /// Forgets a group whose processes have all ended.
    pub(super) fn remove_group(&mut self, group: &str) -> Result<(), Refused> {
        let members = groups(self.fleet.spec(), &self.roster).remove(group).ok_or(Refused::Unknown)?;
        let is_up = |name: &ServiceName| match self.fleet.services().get(name).map(|it| it.state()) {
            Some(State::Stopped | State::Exited | State::Fatal) | None => false,
            Some(State::Starting | State::Running | State::Backoff | State::Stopping) => true,
        };
        if members.keys().any(is_up) {
            return Err(Refused::StillRunning);
        }
        let services = self.fleet.spec().services().values().filter(|it| !members.contains_key(&it.name));
        let fleet = fleet_of(self.fleet.spec(), services)?;
        // What is known of the last config stays, so that the group can be added again.
        self.applied.remove_group(group);
        let roster = Roster::clone(&self.roster).without(&BTreeSet::from([group.to_owned()]));
        let pending = self.pending.take();
        self.take_over(fleet, roster, pending.as_ref());
        self.pending = pending;
        Ok(())
    }

    /// Acts on a fleet from here on. One that is all of the config read last is that config, applied.
    fn take_over(&mut self, fleet: Fleet, roster: Roster, pending: Option<&Pending>) {
        let is_all = |pending: &&Pending| {
            let is_same = pending.roster.empty_groups() == roster.empty_groups();
            is_same && pending.fleet.services() == fleet.services()
        };
        if let Some(pending) = pending.filter(is_all) {
            self.applied = Applied { text: pending.text.clone(), ..Applied::default() };
            self.disk = Disk::new(&pending.fleet, self.fleet.spec());
        }
        keep_applied(&self.paths, &self.applied);
        let groups = self.active_groups();
        self.roster = Arc::new(roster);
        self.declare_channels(&fleet);
        self.watch_files(&fleet);
        let env_files = pending.map_or(&**self.fleet.spec(), |pending| &pending.fleet).env_files().clone();
        let fleet = Arc::new(fleet.overruled(&enabled::read(&self.paths)).with_env_files(env_files));
        self.keep_targets(&fleet);
        self.feed(Event::Reconfigured(Arc::clone(&fleet)));
        self.declare_listeners(&groups);
        self.keep_schedules(&fleet);
    }
}

/// The fleet and the roster of groups of several configs; none if all of one config was applied.
pub(super) fn compose(
    applied: &Applied,
    (fleet, roster): (&Fleet, &Roster),
    path: &Path,
    environment: &Environment,
) -> Result<Option<(Fleet, Roster)>, String> {
    if applied.is_whole() {
        return Ok(None);
    }
    let mut all = groups(fleet, roster);
    all.retain(|group, _| !applied.without.contains(group));
    let mut roster = roster.clone().without(&applied.without);
    for Layer { text, groups: names } in &applied.beside {
        let layer =
            Pending::prove(text.clone(), path, environment, Machine::Trusted).map_err(|it| words(&it))?;
        let mut found = groups(&layer.fleet, &layer.roster);
        found.retain(|group, _| names.contains(group));
        for (group, services) in &found {
            roster = roster.with(&layer.roster, group, services.keys());
        }
        all.extend(found);
    }
    let fleet =
        fleet_of(fleet, all.values().flat_map(BTreeMap::values)).map_err(|refused| match refused {
            Refused::NotAFleet(why) => why,
            Refused::Unknown | Refused::Active | Refused::StillRunning => "its groups are gone".to_owned(),
        })?;
    Ok(Some((fleet, roster)))
}

fn fleet_of<'a>(like: &Fleet, services: impl Iterator<Item = &'a Arc<Service>>) -> Result<Fleet, Refused> {
    let services = services.map(|service| Service::clone(service)).collect();
    let fleet = Fleet::new(like.supervisor().clone(), services).map_err(|problems| {
        let words: Vec<String> = problems.iter().map(NotAFleet::to_string).collect();
        Refused::NotAFleet(words.join("; "))
    })?;
    Ok(fleet.with_env_files(like.env_files().clone()))
}

fn words(problems: &Problems) -> String {
    let whats: Vec<String> = problems.placed().into_iter().map(|problem| problem.what).collect();
    whats.join("; ")
}
