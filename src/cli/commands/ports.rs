use super::offline;
use crate::cli::args::Ports;
use crate::cli::context::{Context, runtime};
use crate::cli::failure::Failure;
use crate::cli::output;
use crate::cli::render::table;

/// Shows who holds each assigned port, with or without a supervisor.
pub(in crate::cli) fn run(context: &Context, args: &Ports) -> Result<(), Failure> {
    let asked = runtime()?.block_on(async { context.connect().await?.status().await.map_err(Failure::from) });
    let ports = match asked {
        Ok(status) => status.ports,
        Err(Failure::Unreachable(_)) => offline::ports(context, &context.prove()?)?,
        Err(failure) => return Err(failure),
    };
    if args.json { output::json(&ports) } else { output::line(&table::ports(&ports)) }
}
