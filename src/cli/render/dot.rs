use super::chain::Link;
use crate::protocol::graph::{Condition, Dependency, Graph, Node};

/// The graph in the language of Graphviz: an arrow from each service to what it depends on, dashed where it can be up
/// without, and the critical chain in red. Names of services need no escape in it.
pub(in crate::cli) fn draw(graph: &Graph, chain: &[Link]) -> String {
    let mut lines = vec!["digraph procman {".to_owned(), "  rankdir = LR; node [shape = box];".to_owned()];
    for node in &graph.services {
        let is_critical = chain.iter().any(|link| link.service == node.name);
        let colour = if is_critical { " [color = red]" } else { "" };
        lines.push(format!("  \"{}\"{colour};", node.name));
        lines.extend(node.depends_on.iter().map(|dependency| edge(node, dependency, chain)));
    }
    lines.push("}".to_owned());
    lines.join("\n")
}

fn edge(node: &Node, dependency: &Dependency, chain: &[Link]) -> String {
    let is_critical =
        chain.windows(2).any(|pair| pair[0].service == node.name && pair[1].service == dependency.service);
    let label = match dependency.condition {
        Condition::Ready => None,
        Condition::Started | Condition::Completed => {
            Some(format!("label=\"{}\"", dependency.condition.word()))
        }
    };
    let style = (!dependency.required).then(|| "style=dashed".to_owned());
    let colour = is_critical.then(|| "color=red".to_owned());
    let said: Vec<String> = label.into_iter().chain(style).chain(colour).collect();
    let said = if said.is_empty() { String::new() } else { format!(" [{}]", said.join(", ")) };
    format!("  \"{}\" -> \"{}\"{said};", node.name, dependency.service)
}
