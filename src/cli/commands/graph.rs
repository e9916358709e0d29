use std::collections::BTreeSet;

use serde::Serialize;

use crate::cli::context::{Context, runtime};
use crate::cli::failure::Failure;
use crate::cli::graph_args::Graph as Args;
use crate::cli::output;
use crate::cli::render::chain::{self, Link};
use crate::cli::render::{dot, graph};
use crate::client::connection::{Client, Unreachable};
use crate::daemon;
use crate::protocol::graph::{Graph, Node};
use crate::vocab::name::ServiceName;
use crate::vocab::selection::Selection;

/// What `--json` prints.
#[derive(Serialize)]
struct Document {
    services: Vec<Node>,
    /// From the service that was ready last back to the one that was begun first; empty when no times are known.
    critical_chain: Vec<Link>,
}

/// Draws who depends on whom, with the critical chain of the last start.
pub(in crate::cli) fn run(context: &Context, args: &Args) -> Result<(), Failure> {
    let fleet = context.known()?;
    let picked = fleet.pick(&Selection::of(args.services.iter().cloned()))?;
    let meant = fleet.graph().with_needs(&picked);
    let asked = runtime()?.block_on(async {
        let mut client = Client::connect(&context.paths).await?;
        client.graph().await.map_err(Failure::from)
    });
    let (graph, unreachable) = match asked {
        Ok(graph) => (graph, None),
        Err(Failure::Unreachable(unreachable)) => {
            let services = fleet.services().values().map(|service| daemon::graph::node(service)).collect();
            (Graph { services }, Some(unreachable))
        }
        Err(failure) => return Err(failure),
    };
    let graph = narrow(graph, &meant, &picked);
    let chain = chain::critical(&graph);
    if args.json {
        return output::json(&Document { services: graph.services, critical_chain: chain });
    }
    if args.dot {
        return output::line(&dot::draw(&graph, &chain));
    }
    output::line(&graph::draw(&graph))?;
    match unreachable {
        Some(unreachable) => context.say(&without_times(&unreachable)),
        None if chain.is_empty() => context.say("no start is remembered, so there is no critical chain"),
        None => output::line(&format!("\n{}", chain::words(&chain)))?,
    }
    Ok(())
}

/// Those that were picked and all that they need. A service that the file does not have yet, or no more, is shown when
/// everything is.
fn narrow(mut graph: Graph, meant: &BTreeSet<ServiceName>, picked: &[ServiceName]) -> Graph {
    if picked.len() < graph.services.len() {
        graph.services.retain(|node| meant.contains(&node.name));
    }
    graph
}

fn without_times(unreachable: &Unreachable) -> String {
    format!("this is what the config says; the times of the last start are not known: {unreachable}")
}
