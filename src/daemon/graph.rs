use super::engine::Engine;
use crate::machine::service::Service;
use crate::machine::startup::Startup;
use crate::protocol::graph::{Condition, Dependency, Graph, Node, Start};
use crate::spec;
use crate::spec::graph::Bond;
use crate::sys::clock;
use crate::vocab::measure::millis;
use crate::vocab::moment::Moment;

impl Engine {
    /// Who depends on whom, with the times of the last start of each.
    pub(super) fn graph(&self) -> Graph {
        let (now, now_unix_ms) = (clock::now(), clock::unix_ms());
        let at = |moment: Moment| {
            let ago_ms = millis(now.since(moment));
            now_unix_ms.saturating_sub(ago_ms)
        };
        let node = |service: &Service| Node {
            state: Some(service.state()),
            start: service.startup().map(|startup| start(startup, at)),
            ..node(service.spec())
        };
        Graph { services: self.fleet.services().values().map(node).collect() }
    }
}

/// What the config says of a service's place in the graph.
pub fn node(service: &spec::service::Service) -> Node {
    let dependency = |(needed, need): (&_, &spec::graph::Need)| Dependency {
        service: Clone::clone(needed),
        condition: match need.condition {
            spec::graph::Condition::Started => Condition::Started,
            spec::graph::Condition::Ready => Condition::Ready,
            spec::graph::Condition::Completed => Condition::Completed,
        },
        required: need.bond == Bond::Hard,
    };
    let depends_on = service.depends_on.iter().map(dependency).collect();
    Node { name: service.name.clone(), state: None, depends_on, start: None }
}

fn start(startup: Startup, at: impl Fn(Moment) -> u64) -> Start {
    Start {
        begun_unix_ms: at(startup.begun),
        spawned_unix_ms: startup.spawned.map(&at),
        ready_unix_ms: startup.ready.map(&at),
        completed_unix_ms: startup.completed.map(&at),
    }
}
