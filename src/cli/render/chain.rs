use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use crate::protocol::graph::{Condition, Graph, Node, Start};
use crate::vocab::measure::Brief;
use crate::vocab::name::ServiceName;

/// One service of the critical chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(in crate::cli) struct Link {
    /// Which.
    pub(in crate::cli) service: ServiceName,
    /// What the one before it in this list waited for; of the first, being ready.
    pub(in crate::cli) condition: Condition,
    /// When that held, in milliseconds since the first of the chain was begun.
    pub(in crate::cli) at_ms: u64,
    /// How long that took it from its own beginning, in milliseconds.
    pub(in crate::cli) took_ms: u64,
}

/// A service begins in the moment in which the last of what it needs is there. What it needs and had long been there when
/// it was begun is not what it waited for.
const LATE_MS_MAX: u64 = 5;

/// The chain of services that the last start waited for, the last one first: each was begun when the next one was there.
pub(in crate::cli) fn critical(graph: &Graph) -> Vec<Link> {
    let nodes: BTreeMap<&ServiceName, &Node> = graph.services.iter().map(|node| (&node.name, node)).collect();
    let done = |node: &&Node| node.start.and_then(|start| Some((start.done_unix_ms()?, node.name.clone())));
    let last = graph.services.iter().filter(|node| done(node).is_some()).max_by_key(done);
    let mut steps: Vec<(&Node, Start, Condition)> = Vec::new();
    let mut next = last.and_then(|node| Some((node, node.start?, Condition::Ready)));
    while let Some((node, start, condition)) = next {
        steps.push((node, start, condition));
        let met = node.depends_on.iter().filter_map(|dependency| {
            let needed = nodes.get(&dependency.service)?;
            let of_needed = needed.start?;
            let met = of_needed.met_unix_ms(dependency.condition)?;
            let is_waited_for = met <= start.begun_unix_ms + LATE_MS_MAX
                && start.begun_unix_ms <= met + LATE_MS_MAX
                && of_needed.begun_unix_ms <= start.begun_unix_ms;
            is_waited_for.then_some((met, *needed, of_needed, dependency.condition))
        });
        let waited_for = met.max_by_key(|(met, needed, ..)| (*met, &needed.name));
        next = waited_for.map(|(_, needed, start, condition)| (needed, start, condition));
    }
    let origin = steps.last().map_or(0, |(_, start, _)| start.begun_unix_ms);
    let link = |(node, start, condition): (&Node, Start, Condition)| {
        let at = start.met_unix_ms(condition)?;
        let (at_ms, took_ms) = (at.saturating_sub(origin), at.saturating_sub(start.begun_unix_ms));
        Some(Link { service: node.name.clone(), condition, at_ms, took_ms })
    };
    steps.into_iter().filter_map(link).collect()
}

/// The chain as systemd-analyze(1) has it: when each was there, and how long that took it.
pub(in crate::cli) fn words(chain: &[Link]) -> String {
    let brief = |ms: u64| Brief(Duration::from_millis(ms));
    let total = chain.first().map_or(0, |link| link.at_ms);
    let mut lines = vec![format!(
        "critical chain of the last start, {} in all (`@`: after so long it was there, `+`: so long it took):",
        brief(total)
    )];
    for (depth, link) in chain.iter().enumerate() {
        let edge = if depth == 0 { String::new() } else { format!("{}└─ ", "   ".repeat(depth - 1)) };
        let condition = match link.condition {
            Condition::Ready => "",
            Condition::Started => " (started)",
            Condition::Completed => " (completed)",
        };
        let (at, took) = (brief(link.at_ms), brief(link.took_ms));
        lines.push(format!("  {edge}{}{condition} @{at} +{took}", link.service));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::{critical, words};
    use crate::protocol::graph::{Condition, Dependency, Graph, Node, Start};
    use crate::vocab::name::ServiceName;

    fn name(text: &str) -> ServiceName {
        ServiceName::parse(text).unwrap()
    }

    fn node(text: &str, needs: &[(&str, Condition)], times: Option<(u64, u64, u64)>) -> Node {
        let dependency = |(text, condition): &(&str, _)| Dependency {
            service: name(text),
            condition: *condition,
            required: true,
        };
        Node {
            name: name(text),
            state: None,
            depends_on: needs.iter().map(dependency).collect(),
            start: times.map(|(begun, spawned, ready)| Start {
                begun_unix_ms: begun,
                spawned_unix_ms: Some(spawned),
                ready_unix_ms: Some(ready),
                completed_unix_ms: None,
            }),
        }
    }

    fn chain_of(services: Vec<Node>) -> Vec<String> {
        let links = critical(&Graph { services });
        links.iter().map(|link| format!("{} @{} +{}", link.service, link.at_ms, link.took_ms)).collect()
    }

    #[test]
    fn the_chain_goes_from_what_was_ready_last_back_along_what_was_waited_for() {
        use Condition::{Ready, Started};
        let services = || {
            vec![
                node("db", &[], Some((1000, 1001, 1400))),
                node("cache", &[], Some((1000, 1001, 1100))),
                node("api", &[("db", Ready), ("cache", Ready)], Some((1400, 1402, 1700))),
                node("page", &[("api", Started), ("cache", Ready)], Some((1402, 1403, 1900))),
                node("side", &[("cache", Ready)], Some((1100, 1101, 1200))),
            ]
        };
        assert_eq!(chain_of(services()), ["page @900 +498", "api @402 +2", "db @400 +400"]);
        let text = words(&critical(&Graph { services: services() }));
        assert!(
            text.ends_with(
                "  page @900ms +498ms\n  └─ api (started) @402ms +2.0ms\n     └─ db @400ms +400ms"
            ),
            "{text}"
        );
    }

    #[test]
    fn what_was_there_long_before_was_not_waited_for() {
        let services = vec![
            node("db", &[], Some((1000, 1001, 1400))),
            node("api", &[("db", Condition::Ready)], Some((9000, 9001, 9300))),
        ];
        assert_eq!(chain_of(services), ["api @300 +300"]);
    }

    #[test]
    fn without_times_there_is_no_chain() {
        assert!(chain_of(vec![node("db", &[], None)]).is_empty());
    }
}
