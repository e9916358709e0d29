use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::fleet::NotAFleet;
use crate::vocab::name::ServiceName;

/// What of a dependency must hold before its dependent starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Condition {
    /// Its process was started.
    Started,
    /// It is running: ports held, checks passed.
    Ready,
    /// It ran to its end with success.
    Completed,
}

/// Whether a dependent can be up without what it needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Bond {
    /// It cannot: it waits for it, goes down with it, and comes back after it (systemd's `Requires=`, dinit's `depends-on`).
    Hard,
    /// It can: it waits for it while it is on its way, and for nothing more (systemd's `Wants=`, dinit's `waits-for`).
    Soft,
}

/// What a service needs of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Need {
    /// What must hold of it.
    pub condition: Condition,
    /// And if it does not.
    pub bond: Bond,
}

impl Need {
    /// This must hold.
    pub fn hard(condition: Condition) -> Self {
        Self { condition, bond: Bond::Hard }
    }

    /// This should hold.
    pub fn soft(condition: Condition) -> Self {
        Self { condition, bond: Bond::Soft }
    }

    /// Whether the dependent goes down when this ceases to hold. What has completed has: that cannot cease.
    pub fn is_lasting(self) -> bool {
        match (self.bond, self.condition) {
            (Bond::Hard, Condition::Started | Condition::Ready) => true,
            (Bond::Hard, Condition::Completed) | (Bond::Soft, _) => false,
        }
    }
}

/// What each service needs, by the name of the needed one.
pub type Needs = BTreeMap<ServiceName, Need>;

/// The dependency graph: every name exists, and no service needs itself by any path.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Graph {
    needs: BTreeMap<ServiceName, Needs>,
    needed_by: BTreeMap<ServiceName, BTreeSet<ServiceName>>,
    order: Vec<ServiceName>,
    has_soft_needs: bool,
}

impl Graph {
    /// Proves the graph, or names every missing dependency and a circle for every dependency that closes one.
    pub fn new<'a>(
        services: impl Iterator<Item = (&'a ServiceName, &'a Needs)>,
    ) -> Result<Self, Vec<NotAFleet>> {
        let needs: BTreeMap<ServiceName, Needs> =
            services.map(|(name, needs)| (name.clone(), needs.clone())).collect();
        let unknown = unknown(&needs);
        let order = match dependencies_first(&needs) {
            Ok(order) if unknown.is_empty() => order,
            Ok(_) => return Err(unknown),
            Err(circle) => return Err([unknown, circles(&needs, circle)].concat()),
        };
        let mut needed_by: BTreeMap<ServiceName, BTreeSet<ServiceName>> = BTreeMap::new();
        for (service, needed) in &needs {
            for dependency in needed.keys() {
                needed_by.entry(dependency.clone()).or_default().insert(service.clone());
            }
        }
        let has_soft_needs = needs.values().flat_map(Needs::values).any(|need| need.bond == Bond::Soft);
        Ok(Self { needs, needed_by, order, has_soft_needs })
    }

    /// Whether nobody needs anybody.
    pub fn is_flat(&self) -> bool {
        self.needed_by.is_empty()
    }

    /// Whether some service can be up without something that it names.
    pub fn has_soft_needs(&self) -> bool {
        self.has_soft_needs
    }

    /// What `service` needs directly.
    pub fn needs_of(&self, service: &ServiceName) -> impl Iterator<Item = (&ServiceName, Need)> {
        self.needs.get(service).into_iter().flatten().map(|(name, need)| (name, *need))
    }

    /// Who needs `service` directly.
    pub fn dependents_of(&self, service: &ServiceName) -> impl Iterator<Item = &ServiceName> {
        self.needed_by.get(service).into_iter().flatten()
    }

    /// `services` and all that they need, by any path.
    pub fn with_needs(&self, services: &[ServiceName]) -> BTreeSet<ServiceName> {
        closure(services, |name| self.needs_of(name).map(|(needed, _)| needed).collect())
    }

    /// `services` and all that they cannot be up without, by any path.
    pub fn with_hard_needs(&self, services: &[ServiceName]) -> BTreeSet<ServiceName> {
        let is_hard = |need: Need| need.bond == Bond::Hard;
        closure(services, |name| {
            self.needs_of(name).filter(|(_, need)| is_hard(*need)).map(|(needed, _)| needed).collect()
        })
    }

    /// Who goes down when `service` does, directly.
    pub fn leaning_on(&self, service: &ServiceName) -> impl Iterator<Item = &ServiceName> {
        let need = |name: &ServiceName| self.needs.get(name)?.get(service).copied();
        self.dependents_of(service).filter(move |name| need(name).is_some_and(Need::is_lasting))
    }

    /// `services` and all that need them, by any path.
    pub fn with_dependents(&self, services: &[ServiceName]) -> BTreeSet<ServiceName> {
        closure(services, |name| self.dependents_of(name).collect())
    }

    /// All services, each after those it needs.
    pub fn order(&self) -> &[ServiceName] {
        &self.order
    }
}

/// The dependencies that name nobody.
fn unknown(needs: &BTreeMap<ServiceName, Needs>) -> Vec<NotAFleet> {
    let edges = needs.iter().flat_map(|(service, needed)| needed.keys().map(move |name| (service, name)));
    let unknown = edges.filter(|(_, dependency)| !needs.contains_key(*dependency));
    unknown
        .map(|(service, dependency)| NotAFleet::UnknownDependency {
            service: service.clone(),
            dependency: dependency.clone(),
        })
        .collect()
}

/// This circle, and those that are left when the dependency that closes it is taken away, and so on.
fn circles(needs: &BTreeMap<ServiceName, Needs>, first: Vec<ServiceName>) -> Vec<NotAFleet> {
    let mut needs = needs.clone();
    let mut found = Vec::new();
    let mut next = Some(first);
    while let Some(circle) = next {
        let closing = circle.last().zip(circle.first());
        let removed = closing.and_then(|(last, first)| needs.get_mut(last)?.remove(first));
        assert!(removed.is_some(), "the last of a circle needs the first");
        found.push(NotAFleet::Cycle { circle });
        next = dependencies_first(&needs).err();
    }
    found
}

fn closure<'a>(
    start: &[ServiceName],
    neighbours: impl Fn(&ServiceName) -> Vec<&'a ServiceName>,
) -> BTreeSet<ServiceName> {
    let mut reached: BTreeSet<ServiceName> = start.iter().cloned().collect();
    let mut open: Vec<ServiceName> = start.to_vec();
    while let Some(name) = open.pop() {
        for neighbour in neighbours(&name) {
            if reached.insert(neighbour.clone()) {
                open.push(neighbour.clone());
            }
        }
    }
    reached
}

#[derive(Clone, Copy, PartialEq)]
enum Visit {
    Open,
    Done,
}

/// Depth first, without recursion: a chain of ten thousand services must not overflow the stack. Names of nobody are
/// passed over.
fn dependencies_first(needs: &BTreeMap<ServiceName, Needs>) -> Result<Vec<ServiceName>, Vec<ServiceName>> {
    let mut visits: BTreeMap<&ServiceName, Visit> = BTreeMap::new();
    let mut order = Vec::with_capacity(needs.len());
    for root in needs.keys() {
        if visits.contains_key(root) {
            continue;
        }
        let mut path = vec![(root, needs[root].keys())];
        visits.insert(root, Visit::Open);
        while let Some((name, rest)) = path.last_mut() {
            let Some(next) = rest.next() else {
                visits.insert(*name, Visit::Done);
                order.push((*name).clone());
                path.pop();
                continue;
            };
            let Some(needed) = needs.get(next) else { continue };
            match visits.get(next) {
                Some(Visit::Done) => (),
                Some(Visit::Open) => {
                    let circle = path.iter().map(|(name, _)| (*name).clone());
                    return Err(circle.skip_while(|name| name != next).collect());
                }
                None => {
                    visits.insert(next, Visit::Open);
                    path.push((next, needed.keys()));
                }
            }
        }
    }
    Ok(order)
}

#[cfg(test)]
mod tests {
    use super::{Condition, Graph, Need, Needs};
    use crate::spec::fleet::NotAFleet;
    use crate::vocab::name::ServiceName;
    use std::collections::BTreeMap;

    fn name(text: &str) -> ServiceName {
        ServiceName::parse(text).unwrap()
    }

    fn graph(edges: &[(&str, &[&str])]) -> Result<Graph, Vec<NotAFleet>> {
        let services: BTreeMap<ServiceName, Needs> = edges
            .iter()
            .map(|(service, needs)| {
                (name(service), needs.iter().map(|n| (name(n), Need::hard(Condition::Ready))).collect())
            })
            .collect();
        Graph::new(services.iter())
    }

    #[test]
    fn the_order_puts_every_service_after_what_it_needs() {
        let graph = graph(&[("a", &["b", "c"]), ("b", &["d"]), ("c", &["d"]), ("d", &[])]).unwrap();
        let words: Vec<_> = graph.order().iter().map(ServiceName::as_str).collect();
        assert_eq!(words, ["d", "b", "c", "a"]);
        assert_eq!(graph.with_dependents(&[name("b")]), [name("a"), name("b")].into());
        assert_eq!(graph.with_needs(&[name("c")]), [name("c"), name("d")].into());
    }

    #[test]
    fn a_circle_is_named_without_what_leads_to_it() {
        let problems = graph(&[("a", &["b"]), ("b", &["c"]), ("c", &["b"])]).unwrap_err();
        assert_eq!(problems, [NotAFleet::Cycle { circle: vec![name("b"), name("c")] }]);
        assert!(problems[0].to_string().ends_with("b -> c -> b"));
        assert!(graph(&[("a", &["a"])]).is_err());
    }

    #[test]
    fn every_circle_is_named_and_beside_it_every_missing_dependency() {
        let problems = graph(&[("a", &["b", "x"]), ("b", &["a"]), ("c", &["c"]), ("d", &["a"])]).unwrap_err();
        let words: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(
            words,
            [
                "`a` depends on `x`, which is not a service",
                "services depend on each other in a circle: a -> b -> a",
                "services depend on each other in a circle: c -> c",
            ]
        );
    }

    #[test]
    fn every_missing_dependency_is_named() {
        let problems = graph(&[("a", &["x"]), ("b", &["y"])]).unwrap_err();
        assert_eq!(problems.len(), 2);
    }

    #[test]
    fn a_chain_of_ten_thousand_does_not_overflow() {
        let services: BTreeMap<ServiceName, Needs> = (0..10_000)
            .map(|i| {
                let needs =
                    (i > 0).then(|| (name(&format!("s{:05}", i - 1)), Need::hard(Condition::Started)));
                (name(&format!("s{i:05}")), needs.into_iter().collect())
            })
            .collect();
        assert_eq!(Graph::new(services.iter()).unwrap().order().len(), 10_000);
    }
}
