use super::{down, order, status};
use crate::cli::args::Restart;
use crate::cli::context::{Context, millis, runtime};
use crate::cli::failure::Failure;
use crate::cli::output;
use crate::protocol::command::{Command, Dependents, RollOrder};
use crate::spec::fleet::Fleet;
use crate::vocab::name::ServiceName;
use crate::vocab::selection::Selection;

/// Exchanges services run by run: each new run is ready before the one that it replaces ends.
pub(in crate::cli) fn run(context: &Context, args: &Restart) -> Result<(), Failure> {
    let selection = Selection::of(args.services.iter().cloned());
    let fleet = context.prove_as_scaled()?;
    let picked = fleet.pick(&selection)?;
    let (dependents, meant) = if args.with_dependents {
        (Dependents::Included, fleet.graph().with_dependents(&picked).into_iter().collect())
    } else {
        (Dependents::Untouched, picked)
    };
    if args.dry_run {
        fleet.prove_overlap(&meant).map_err(|error| Failure::Usage(error.to_string()))?;
        return show(context, &fleet, &meant);
    }
    let ready_within_ms = Some(millis(args.timeout));
    let command = Command::Roll(RollOrder { services: selection, dependents, ready_within_ms });
    order::ask(context, &command, "restart")?;
    if args.json {
        runtime()?.block_on(status::show_live(context, status::Form::Json)).map(drop)
    } else {
        Ok(())
    }
}

fn show(context: &Context, fleet: &Fleet, meant: &[ServiceName]) -> Result<(), Failure> {
    let status =
        runtime()?.block_on(async { context.connect().await?.status().await.map_err(Failure::from) })?;
    let mut views = down::in_stop_order(fleet, &status);
    views.retain(|view| meant.contains(&view.name));
    views.sort_by_key(|view| (view.replica_of.clone(), view.replica));
    for view in views {
        let (name, limit) = (&view.name, fleet.service(&view.name).map_or(1, |it| it.max_unavailable));
        let at_once = match view.replica_of {
            Some(_) => format!(" ({limit} at once)"),
            None => String::new(),
        };
        output::line(&match view.pid {
            Some(pid) => format!("start a new run of {name}; when it is ready, end pid {pid}{at_once}"),
            None => format!("start {name} (not running)"),
        })?;
    }
    context.say("nothing was touched");
    Ok(())
}
