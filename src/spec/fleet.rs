use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use super::graph::Graph;
use super::service::Service;
use super::supervisor::Supervisor;
use crate::vocab::enablement::Enablement;
use crate::vocab::name::ServiceName;
use crate::vocab::port::{Endpoint, Port, Protocol};
use crate::vocab::selection::{Candidate, NoSuchService, Selection};

/// Every service of one config file, its dependency graph, and the supervisor's settings.
#[derive(Debug, Clone, PartialEq)]
pub struct Fleet {
    supervisor: Supervisor,
    services: BTreeMap<ServiceName, Arc<Service>>,
    graph: Graph,
    env_files: BTreeSet<PathBuf>,
}

/// Why services do not make a fleet.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAFleet {
    /// A dependency names nobody.
    #[error("`{service}` depends on `{dependency}`, which is not a service")]
    UnknownDependency {
        /// The service that depends.
        service: ServiceName,
        /// The name that is not there.
        dependency: ServiceName,
    },
    /// Services depend on each other in a circle.
    #[error("services depend on each other in a circle: {}", circle_words(.circle))]
    Cycle {
        /// The circle, each depending on the next and the last on the first.
        circle: Vec<ServiceName>,
    },
    /// Replicas would have to share a port that one run alone can hold.
    #[error(
        "the {replicas} replicas of `{service}` cannot share port {port}: each run binds it for itself, and one can hold it"
    )]
    PortShared {
        /// The declared service.
        service: ServiceName,
        /// The port.
        port: Endpoint,
        /// How many replicas there are to be.
        replicas: u32,
    },
    /// A replica would be called as another service is.
    #[error("the replicas of `{of}` cannot have their names: `{name}` is a service of its own")]
    ReplicaNameTaken {
        /// The declared service.
        of: ServiceName,
        /// The name that is taken.
        name: ServiceName,
    },
    /// A replica would have a name that is none.
    #[error("the replicas of `{of}` cannot have their names: `{text}` is not the name of a service")]
    NoReplicaName {
        /// The declared service.
        of: ServiceName,
        /// What is no name.
        text: String,
    },
    /// Two services claim one port.
    #[error("`{first}` and `{second}` both declare port {port}")]
    PortTwice {
        /// The port.
        port: Endpoint,
        /// The first service by name.
        first: ServiceName,
        /// The other.
        second: ServiceName,
    },
    /// Two services claim one port in different words: one of the two addresses includes the other.
    #[error("`{first}` on port {taken} and `{second}` on port {port} are in each other's way")]
    PortsOverlap {
        /// What the other declares.
        port: Endpoint,
        /// What the first declares.
        taken: Endpoint,
        /// The first service by name.
        first: ServiceName,
        /// The other.
        second: ServiceName,
    },
}

impl NotAFleet {
    /// The same with other names in the places of these.
    pub fn named(&self, rename: impl Fn(&ServiceName) -> ServiceName) -> Self {
        match self {
            Self::UnknownDependency { service, dependency } => {
                Self::UnknownDependency { service: rename(service), dependency: dependency.clone() }
            }
            Self::Cycle { circle } => {
                let mut circle: Vec<ServiceName> = circle.iter().map(rename).collect();
                circle.dedup();
                // The same circle has the same words, wherever its search began.
                let least = (0..circle.len()).min_by_key(|at| &circle[*at]).unwrap_or(0);
                circle.rotate_left(least);
                Self::Cycle { circle }
            }
            Self::PortTwice { port, first, second } => {
                Self::PortTwice { port: *port, first: rename(first), second: rename(second) }
            }
            Self::PortsOverlap { port, taken, first, second } => {
                let (first, second) = (rename(first), rename(second));
                Self::PortsOverlap { port: *port, taken: *taken, first, second }
            }
            Self::PortShared { .. } | Self::ReplicaNameTaken { .. } | Self::NoReplicaName { .. } => {
                self.clone()
            }
        }
    }
}

/// `a -> b -> a`.
pub fn circle_words(circle: &[ServiceName]) -> String {
    circle.iter().chain(circle.first()).map(ServiceName::as_str).collect::<Vec<_>>().join(" -> ")
}

impl Fleet {
    /// Joins services to a fleet, or says everything that keeps them from being one.
    pub fn new(supervisor: Supervisor, services: Vec<Service>) -> Result<Self, Vec<NotAFleet>> {
        let services: BTreeMap<ServiceName, Arc<Service>> =
            services.into_iter().map(|service| (service.name.clone(), Arc::new(service))).collect();
        let mut problems = ports_twice(&services);
        match Graph::new(services.values().map(|service| (&service.name, &service.depends_on))) {
            Ok(graph) if problems.is_empty() => {
                Ok(Self { supervisor, services, graph, env_files: BTreeSet::new() })
            }
            Ok(_) => Err(problems),
            Err(more) => {
                problems.extend(more);
                Err(problems)
            }
        }
    }

    /// The same where people have said, by the declared service's name, what starts by itself.
    pub fn overruled(&self, said: &BTreeMap<ServiceName, Enablement>) -> Self {
        let mut fleet = self.clone();
        for service in fleet.services.values_mut() {
            let Some(enablement) = said.get(&service.replica.of).copied() else { continue };
            let autostart = enablement == Enablement::Enabled;
            let enablement = Some(enablement);
            *service = Arc::new(Service { autostart, enablement, ..(**service).clone() });
        }
        fleet
    }

    /// A fleet without services, whose config may have some later.
    pub fn of_nothing(supervisor: Supervisor) -> Self {
        Self { supervisor, services: BTreeMap::new(), graph: Graph::default(), env_files: BTreeSet::new() }
    }

    /// The same, of which these files say something beside the config.
    pub fn with_env_files(self, env_files: BTreeSet<PathBuf>) -> Self {
        Self { env_files, ..self }
    }

    /// The files that say something of it beside the config.
    pub fn env_files(&self) -> &BTreeSet<PathBuf> {
        &self.env_files
    }

    /// The same under a supervisor with these settings.
    pub fn with_supervisor(self, supervisor: Supervisor) -> Self {
        Self { supervisor, ..self }
    }

    /// The supervisor's settings.
    pub fn supervisor(&self) -> &Supervisor {
        &self.supervisor
    }

    /// The services by name.
    pub fn services(&self) -> &BTreeMap<ServiceName, Arc<Service>> {
        &self.services
    }

    /// One service, if there is one of that name.
    pub fn service(&self, name: &ServiceName) -> Option<&Arc<Service>> {
        self.services.get(name)
    }

    /// Who depends on whom.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// Each assigned port and the service it is assigned to; of replicas that share one, the declared service.
    pub fn ports(&self) -> BTreeMap<Endpoint, ServiceName> {
        self.services
            .values()
            .flat_map(|service| service.ports.iter().map(|port| (*port, service.replica.of.clone())))
            .collect()
    }

    /// The services that a selection means, or the word that means none.
    pub fn pick(&self, selection: &Selection) -> Result<Vec<ServiceName>, NoSuchService> {
        let replicated = self.replicated();
        selection.pick(self.services.values().map(|service| {
            Candidate {
                name: &service.name,
                group: service.group.as_deref(),
                replica: replicated
                    .contains(&service.replica.of)
                    .then_some((service.replica.of.as_str(), service.replica.number)),
            }
        }))
    }
}

fn ports_twice(services: &BTreeMap<ServiceName, Arc<Service>>) -> Vec<NotAFleet> {
    let mut declared: BTreeMap<(Port, Protocol), Vec<(Endpoint, &Service)>> = BTreeMap::new();
    let mut problems = Vec::new();
    for service in services.values() {
        for port in &service.ports {
            let others = declared.entry((port.port, port.protocol)).or_default();
            let is_in_the_way = |(taken, first): &&(Endpoint, &Service)| {
                !first.may_share_sockets_with(service) && taken.overlaps(port)
            };
            if let Some((taken, first)) = others.iter().find(is_in_the_way) {
                let (port, first, second) = (*port, first.name.clone(), service.name.clone());
                problems.push(if *taken == port {
                    NotAFleet::PortTwice { port, first, second }
                } else {
                    NotAFleet::PortsOverlap { port, taken: *taken, first, second }
                });
            }
            others.push((*port, service));
        }
    }
    problems
}
