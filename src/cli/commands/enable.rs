use super::order;
use crate::cli::context::Context;
use crate::cli::enable_args::Enable as Args;
use crate::cli::failure::Failure;
use crate::client::connection::Unreachable;
use crate::protocol::command::{Command, EnableOrder};
use crate::rundir::enabled;
use crate::vocab::enablement::Enablement;
use crate::vocab::name::ServiceName;
use crate::vocab::selection::Selection;

/// Says whether services start by themselves at `up`; also when no supervisor runs.
pub(in crate::cli) fn run(context: &Context, args: &Args, enablement: Enablement) -> Result<(), Failure> {
    let services = Selection::of(args.services.iter().cloned());
    let (command, verb) = match enablement {
        Enablement::Enabled => (Command::Enable(EnableOrder { services: services.clone() }), "enable"),
        Enablement::Disabled => (Command::Disable(EnableOrder { services: services.clone() }), "disable"),
    };
    match order::ask(context, &command, verb) {
        Err(Failure::Unreachable(Unreachable::Absent)) => note(context, &services, enablement),
        asked => asked,
    }
}

fn note(context: &Context, services: &Selection, enablement: Enablement) -> Result<(), Failure> {
    let fleet = context.prove_as_scaled()?;
    let names = fleet.pick(services)?;
    let declared: Vec<&ServiceName> =
        names.iter().filter_map(|name| fleet.service(name)).map(|service| &service.replica.of).collect();
    context.paths.prepare()?;
    enabled::say(&context.paths, declared.into_iter(), enablement).map_err(|error| {
        Failure::System(format!("cannot remember that in {}: {error}", context.paths.enabled.display()))
    })?;
    Ok(())
}
