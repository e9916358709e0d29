use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::protocol::graph::{Condition, Dependency, Graph, Node};
use crate::vocab::measure::Brief;
use crate::vocab::name::ServiceName;

/// The graph as trees: below each service what it depends on, and on top those that nobody depends on. What a service
/// depends on is drawn once, however often the service is named.
pub(in crate::cli) fn draw(graph: &Graph) -> String {
    let nodes: BTreeMap<&ServiceName, &Node> = graph.services.iter().map(|node| (&node.name, node)).collect();
    let needed: BTreeSet<&ServiceName> =
        graph.services.iter().flat_map(|node| &node.depends_on).map(|it| &it.service).collect();
    let mut drawing = Drawing { nodes, drawn: BTreeSet::new(), lines: Vec::new() };
    graph.services.iter().filter(|node| !needed.contains(&node.name)).for_each(|node| drawing.root(node));
    drawing.lines.join("\n")
}

struct Drawing<'a> {
    nodes: BTreeMap<&'a ServiceName, &'a Node>,
    drawn: BTreeSet<&'a ServiceName>,
    lines: Vec<String>,
}

/// A line that is still to be drawn.
struct Open<'a> {
    dependency: &'a Dependency,
    indent: String,
    is_last: bool,
}

impl<'a> Drawing<'a> {
    /// Depth first without recursion: a long chain must not overflow the stack.
    fn root(&mut self, root: &'a Node) {
        self.lines.push(format!("{}{}", root.name, standing(root)));
        let mut open = below(root, "");
        self.drawn.insert(&root.name);
        while let Some(Open { dependency, indent, is_last }) = open.pop() {
            let (edge, further) = if is_last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
            let node = self.nodes.get(&dependency.service).copied();
            let is_new = self.drawn.insert(&dependency.service);
            let again =
                if is_new || node.is_none_or(|node| node.depends_on.is_empty()) { "" } else { " …" };
            let (words, state) = (manner(dependency), node.map(standing).unwrap_or_default());
            self.lines.push(format!("{indent}{edge}{}{words}{state}{again}", dependency.service));
            if let (Some(node), true) = (node, is_new) {
                open.extend(below(node, &format!("{indent}{further}")));
            }
        }
    }
}

/// What a service depends on, the first one last.
fn below<'a>(node: &'a Node, indent: &str) -> Vec<Open<'a>> {
    let dependencies = node.depends_on.iter().rev().enumerate();
    dependencies
        .map(|(number, dependency)| Open { dependency, indent: indent.to_owned(), is_last: number == 0 })
        .collect()
}

/// In which way it is needed, where that is not the usual one.
fn manner(dependency: &Dependency) -> String {
    let condition = match dependency.condition {
        Condition::Ready => None,
        Condition::Started | Condition::Completed => Some(dependency.condition.word()),
    };
    let soft = (!dependency.required).then_some("not required");
    let words: Vec<&str> = condition.into_iter().chain(soft).collect();
    if words.is_empty() { String::new() } else { format!(" ({})", words.join(", ")) }
}

/// Its state, and how long its last start took.
fn standing(node: &Node) -> String {
    let state = node.state.map_or_else(String::new, |state| format!("  {state}"));
    let took = node.start.and_then(|start| Some(start.done_unix_ms()?.saturating_sub(start.begun_unix_ms)));
    let took = took.map_or_else(String::new, |ms| format!(" +{}", Brief(Duration::from_millis(ms))));
    format!("{state}{took}")
}

#[cfg(test)]
mod tests {
    use super::draw;
    use crate::cli::render::dot;
    use crate::protocol::graph::{Condition, Dependency, Graph, Node};
    use crate::vocab::name::ServiceName;
    use crate::vocab::state::State;

    fn graph() -> Graph {
        let name = |text: &str| ServiceName::parse(text).unwrap();
        let node = |text: &str, needs: &[(&str, Condition, bool)]| Node {
            name: name(text),
            state: Some(State::Running),
            depends_on: needs
                .iter()
                .map(|(text, condition, required)| Dependency {
                    service: name(text),
                    condition: *condition,
                    required: *required,
                })
                .collect(),
            start: None,
        };
        let needs = [("cache", Condition::Started, false), ("db", Condition::Ready, true)];
        let of_page = [
            ("api", Condition::Ready, true),
            ("db", Condition::Completed, true),
            ("job", Condition::Ready, true),
        ];
        let services = vec![
            node("api", &needs),
            node("cache", &[]),
            node("db", &[("disk", Condition::Ready, true)]),
            node("disk", &[]),
            node("job", &[("db", Condition::Ready, true)]),
            node("page", &of_page),
        ];
        Graph { services }
    }

    #[test]
    fn what_a_service_depends_on_is_drawn_below_it_and_once() {
        let expected = "page  running\n\
                        ├─ api  running\n\
                        │  ├─ cache (started, not required)  running\n\
                        │  └─ db  running\n\
                        │     └─ disk  running\n\
                        ├─ db (completed)  running …\n\
                        └─ job  running\n   \
                           └─ db  running …";
        assert_eq!(draw(&graph()), expected);
    }

    #[test]
    fn graphviz_gets_an_edge_for_each_dependency_with_its_manner() {
        let text = dot::draw(&graph(), &[]);
        for line in [
            r#""api" -> "db";"#,
            r#""api" -> "cache" [label="started", style=dashed];"#,
            r#""page" -> "db" [label="completed"];"#,
        ] {
            assert!(text.contains(line), "{text}");
        }
        assert!(text.starts_with("digraph procman {") && text.ends_with('}'));
    }
}
