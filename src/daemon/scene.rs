use std::collections::{BTreeMap, BTreeSet};

use super::charge::Charge;
use super::engine::Engine;
use super::notes;
use crate::ports::holder::{self, Holder};
use crate::sys::listeners::{Held, Index, Listener};
use crate::sys::process::Process;
use crate::sys::tree::{self, Reach::Anywhere, Stem};
use crate::sys::{clock, forest};
use crate::vocab::identity::{Identity, Pid};
use crate::vocab::name::ServiceName;
use crate::vocab::port::{Endpoint, HeldBy, Port, Whose};
use crate::vocab::run::Tag;

/// Everything that is looked at once for a whole status, so ordered that a thousand services are found in it.
pub(super) struct Scene {
    trees: BTreeMap<ServiceName, Vec<Process>>,
    /// Where somebody listens, by number.
    listening: BTreeMap<Port, Vec<Endpoint>>,
    /// Where processes of ours do, by number, each with its service.
    held: BTreeMap<Port, Vec<(Held, ServiceName)>>,
    /// The same by service.
    held_by: BTreeMap<ServiceName, Vec<Held>>,
    /// Whether the supervisor keeps them open, of those that it is to hold.
    kept: BTreeMap<Endpoint, bool>,
    /// Who holds assigned ports that none of ours does, and whose that is.
    strangers: BTreeMap<Endpoint, (Holder, Whose)>,
}

/// Who holds an assigned port.
pub(super) struct Found {
    pub(super) port: Endpoint,
    pub(super) held_by: HeldBy,
    pub(super) pid: Option<Pid>,
    pub(super) whose: Option<Whose>,
    /// Whether the supervisor keeps it open; none if it is not to.
    pub(super) kept: Option<bool>,
}

impl Engine {
    pub(super) fn look_around(&mut self) -> Scene {
        self.looked_around = Some(clock::now());
        let trees = self.trees();
        let mut wanted: BTreeSet<Endpoint> = self.fleet.spec().ports().into_keys().collect();
        let listening = notes::listening(wanted.iter()).unwrap_or_else(|error| {
            tracing::warn!(%error, "cannot see who listens");
            Vec::new()
        });
        let mut held: BTreeMap<Port, Vec<(Held, ServiceName)>> = BTreeMap::new();
        let mut held_by: BTreeMap<ServiceName, Vec<Held>> = BTreeMap::new();
        let index = Index::of(&listening);
        for (owner, tree) in &trees {
            let first = self.fleet.services()[owner].spec().first_taken();
            for Identity { pid, .. } in tree.iter().map(|process| process.identity) {
                let sockets = self.known.sockets(pid).iter().copied();
                for found in index.held(pid, sockets, first) {
                    held.entry(found.endpoint.port).or_default().push((found, owner.clone()));
                    held_by.entry(owner.clone()).or_default().push(found);
                }
            }
        }
        let kept = self.kept();
        // Who else has a socket that is held, has it from us.
        wanted.retain(|port| on(&held, *port).next().is_none() && kept.get(port) != Some(&true));
        let strangers = self.strangers(&wanted, &listening);
        let mut by_number: BTreeMap<Port, Vec<Endpoint>> = BTreeMap::new();
        for listener in listening {
            by_number.entry(listener.endpoint.port).or_default().push(listener.endpoint);
        }
        Scene { trees, listening: by_number, held, held_by, kept, strangers }
    }

    fn kept(&self) -> BTreeMap<Endpoint, bool> {
        let specs = self.fleet.services().values().map(|service| service.spec());
        let ports = specs.flat_map(|spec| spec.ports.iter().map(move |port| (spec, *port)));
        ports.filter_map(|(spec, port)| Some((port, self.holdings.keeps(spec, port)?))).collect()
    }

    fn strangers(
        &self,
        wanted: &BTreeSet<Endpoint>,
        listening: &[Listener],
    ) -> BTreeMap<Endpoint, (Holder, Whose)> {
        let is_wanted = |listener: &&Listener| wanted.iter().any(|port| port.overlaps(&listener.endpoint));
        let listening: Vec<Listener> = listening.iter().filter(is_wanted).cloned().collect();
        let ours = self.ours();
        let found = holder::among(&listening, wanted).into_iter();
        found
            .filter_map(|(port, holders)| {
                let holder = holders.into_iter().next()?;
                let whose = ours.judge(&holder);
                Some((port, (holder, whose)))
            })
            .collect()
    }

    /// The processes of each service that has a live run.
    pub(super) fn trees(&mut self) -> BTreeMap<ServiceName, Vec<Process>> {
        let lives = self.fleet.services().values().filter_map(|service| service.phase().live());
        let charges: Vec<&Charge> =
            lives.filter_map(|live| self.wardens.get(&live.run)).map(|it| it.charge().as_ref()).collect();
        let runs: Vec<(Vec<Stem>, &Tag)> = charges.iter().map(|it| (it.lead.stems(), &it.tag)).collect();
        let forest = forest::look(&runs, &mut self.known);
        let whole = |(charge, tree): (&&Charge, Vec<Process>)| {
            // Who left everything behind but its cgroup is a stranger among our own orphans, or, of a run that an earlier
            // supervisor started, one of somebody else's. To look into a thousand cgroups for nobody takes long.
            let may_lack_some = forest.are_strangers || charge.reach == Anywhere;
            let cgroup = charge.cgroup.as_ref().filter(|_| may_lack_some);
            (charge.tag.service.clone(), tree::with_cgroup(tree, cgroup))
        };
        charges.iter().zip(forest.trees).map(whole).collect()
    }
}

fn on(
    held: &BTreeMap<Port, Vec<(Held, ServiceName)>>,
    port: Endpoint,
) -> impl Iterator<Item = &(Held, ServiceName)> {
    let of_number = held.get(&port.port).into_iter().flatten();
    of_number.filter(move |(held, _)| held.endpoint.overlaps(&port))
}

impl Scene {
    /// The processes of a service.
    pub(super) fn tree_of(&self, service: &ServiceName) -> &[Process] {
        self.trees.get(service).map_or(&[], Vec::as_slice)
    }

    /// Where a service listens.
    pub(super) fn held_by(&self, service: &ServiceName) -> &[Held] {
        self.held_by.get(service).map_or(&[], Vec::as_slice)
    }

    /// Who holds a port of a service. Its own processes speak before those of others.
    pub(super) fn port(&self, port: Endpoint, service: &ServiceName) -> Found {
        let ours = on(&self.held, port).min_by_key(|(_, owner)| owner != service);
        let mut listening = self.listening.get(&port.port).into_iter().flatten();
        let kept = self.kept.get(&port).copied();
        let (held_by, pid, whose) = match (ours, self.strangers.get(&port)) {
            (Some((held, owner)), _) => {
                let held_by = if owner == service { HeldBy::Service } else { HeldBy::Other };
                (held_by, Some(held.pid), Some(Whose::Live(owner.clone())))
            }
            (None, Some((holder, whose))) => (HeldBy::Other, Some(holder.identity.pid), Some(whose.clone())),
            (None, None) if kept == Some(true) => (HeldBy::Nobody, None, Some(Whose::Supervisor)),
            // Whoever it is may not be seen.
            (None, None) if listening.any(|endpoint| endpoint.overlaps(&port)) => {
                (HeldBy::Other, None, Some(Whose::Foreign))
            }
            (None, None) => (HeldBy::Nobody, None, None),
        };
        Found { port, held_by, pid, whose, kept }
    }
}
