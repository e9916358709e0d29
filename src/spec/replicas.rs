use std::collections::{BTreeMap, BTreeSet};

use super::fleet::{Fleet, NotAFleet};
use super::service::Service;
use super::supervisor::Supervisor;
use crate::vocab::name::ServiceName;

/// Which of the replicas of a declared service this is. The first has the plain name, the others are `NAME-2`, `NAME-3`
/// and so on, so that another count renames nobody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replica {
    /// The declared service.
    pub of: ServiceName,
    /// From 1.
    pub number: u32,
}

/// How many replicas declared services have; one, where nothing is said.
pub type Counts = BTreeMap<ServiceName, u32>;

/// Services of which two runs cannot live beside each other.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "cannot exchange {} run by run: each run binds its ports for itself, and one alone can hold them; nothing was touched\n\
     hint: declare `hold`, so that its runs share what procman holds, or restart without `--rolling`",
    names(.services)
)]
pub struct NoOverlap {
    /// Which.
    pub services: Vec<ServiceName>,
}

fn names(services: &[ServiceName]) -> String {
    services.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

impl Replica {
    /// No service has more replicas than this.
    pub const COUNT_MAX: u32 = 1000;

    /// The environment variable that tells a process its number.
    pub const VARIABLE: &'static str = "PROCMAN_REPLICA";

    /// The first replica of a service, which may be its only one.
    pub fn first(of: &ServiceName) -> Self {
        Self { of: of.clone(), number: 1 }
    }
}

impl Fleet {
    /// The declared services that have more than one replica.
    pub fn replicated(&self) -> BTreeSet<&ServiceName> {
        let further = self.services().values().filter(|service| service.replica.number > 1);
        further.map(|service| &service.replica.of).collect()
    }

    /// Proves that runs of these services may live beside each other.
    ///
    /// # Errors
    /// Those of which one run alone can live.
    pub fn prove_overlap(&self, services: &[ServiceName]) -> Result<(), NoOverlap> {
        let may_not = |name: &&ServiceName| self.service(name).is_some_and(|service| !service.may_overlap());
        let alone: Vec<ServiceName> = services.iter().filter(may_not).cloned().collect();
        if alone.is_empty() { Ok(()) } else { Err(NoOverlap { services: alone }) }
    }

    /// The same fleet with other counts of replicas; services that are not counted stay as they are.
    ///
    /// # Errors
    /// Everything that keeps these from being a fleet.
    pub fn scaled(&self, counts: &Counts) -> Result<Self, Vec<NotAFleet>> {
        let services = self.services().values().map(|service| (**service).clone()).collect();
        let scaled = Self::replicate(self.supervisor().clone(), services, counts)?;
        Ok(scaled.with_env_files(self.env_files().clone()))
    }

    /// Joins services to a fleet in which they have so many replicas.
    ///
    /// # Errors
    /// Everything that keeps these from being a fleet.
    pub fn replicate(
        supervisor: Supervisor,
        services: Vec<Service>,
        counts: &Counts,
    ) -> Result<Self, Vec<NotAFleet>> {
        let (services, mut problems) = with_replicas(services, counts);
        match Self::new(supervisor, services) {
            Ok(fleet) if problems.is_empty() => Ok(fleet),
            Ok(_) => Err(problems),
            Err(more) => {
                problems.extend(more);
                Err(problems)
            }
        }
    }
}

/// Gives services their replicas, made after the first of each; whoever needs the first needs all of them. What stands in
/// the way is said beside.
fn with_replicas(services: Vec<Service>, counts: &Counts) -> (Vec<Service>, Vec<NotAFleet>) {
    let mut services: BTreeMap<ServiceName, Service> =
        services.into_iter().map(|service| (service.name.clone(), service)).collect();
    let mut problems = Vec::new();
    for (of, count) in counts {
        let is_surplus = |service: &Service| service.replica.of == *of && service.replica.number > *count;
        let surplus: BTreeSet<ServiceName> =
            services.values().filter(|it| is_surplus(it)).map(|it| it.name.clone()).collect();
        services.retain(|name, _| !surplus.contains(name));
        let Some(first) = services.get(of).cloned() else { continue };
        if *count > 1 {
            problems.extend(name_of(of, 1).ok().and_then(|name| taken(of, &name, &services)));
            problems.extend(unshareable(&first, *count));
        }
        let mut names = Vec::new();
        for number in 2..=*count {
            match name_of(of, number) {
                Ok(name) => {
                    problems.extend(taken(of, &name, &services));
                    services.entry(name.clone()).or_insert_with(|| first.as_replica(&name, number));
                    names.push(name);
                }
                Err(problem) => problems.push(problem),
            }
        }
        services.values_mut().for_each(|service| need_all(service, (of, &names), &surplus));
    }
    (services.into_values().collect(), problems)
}

fn name_of(of: &ServiceName, number: u32) -> Result<ServiceName, NotAFleet> {
    let text = format!("{of}-{number}");
    ServiceName::parse(&text).map_err(|_| NotAFleet::NoReplicaName { of: of.clone(), text })
}

/// The name of a replica that somebody else has. Nobody may be called as commands call the first, either.
fn taken(
    of: &ServiceName,
    name: &ServiceName,
    services: &BTreeMap<ServiceName, Service>,
) -> Option<NotAFleet> {
    let holder = services.get(name).filter(|holder| holder.replica.of != *of)?;
    Some(NotAFleet::ReplicaNameTaken { of: of.clone(), name: holder.name.clone() })
}

fn unshareable(first: &Service, replicas: u32) -> Option<NotAFleet> {
    let port = first.ports.first().filter(|_| !first.may_overlap())?;
    Some(NotAFleet::PortShared { service: first.name.clone(), port: *port, replicas })
}

/// Who needs the first needs the others, and those no more that are gone.
fn need_all(
    service: &mut Service,
    (first, others): (&ServiceName, &[ServiceName]),
    gone: &BTreeSet<ServiceName>,
) {
    let Some(need) = service.depends_on.get(first).copied() else { return };
    service.depends_on.retain(|needed, _| !gone.contains(needed));
    service.depends_on.extend(others.iter().map(|needed| (needed.clone(), need)));
}

impl Service {
    fn as_replica(&self, name: &ServiceName, number: u32) -> Self {
        Self {
            name: name.clone(),
            replica: Replica { of: self.name.clone(), number },
            logs: self.logs.renamed(&self.name, name),
            ..self.clone()
        }
    }
}
