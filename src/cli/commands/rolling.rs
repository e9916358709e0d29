use serde::Serialize;

use super::{down, order, status};
use crate::cli::context::{Context, runtime};
use crate::cli::failure::Failure;
use crate::cli::output;
use crate::cli::restart_args::Restart;
use crate::protocol::command::{Command, Dependents, RollOrder};
use crate::protocol::status::ServiceView;
use crate::spec::fleet::Fleet;
use crate::vocab::identity::Pid;
use crate::vocab::measure::millis;
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
        return show(context, args, &fleet, &meant);
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

/// What `restart SERVICE… --rolling --dry-run --json` prints.
#[derive(Serialize)]
struct Planned<'a> {
    roll: Vec<Exchange<'a>>,
}

#[derive(Serialize)]
struct Exchange<'a> {
    service: &'a ServiceName,
    /// The run that ends when the new one is ready; none if none lives.
    pid: Option<Pid>,
    /// So many replicas at once; none if it has no other.
    at_once: Option<u32>,
}

fn show(context: &Context, args: &Restart, fleet: &Fleet, meant: &[ServiceName]) -> Result<(), Failure> {
    let status =
        runtime()?.block_on(async { context.connect().await?.status().await.map_err(Failure::from) })?;
    let mut views = down::in_stop_order(fleet, &status);
    views.retain(|view| meant.contains(&view.name));
    views.sort_by_key(|view| (view.replica_of.clone(), view.replica));
    let limit = |name: &ServiceName| fleet.service(name).map_or(1, |it| it.max_unavailable);
    let at_once = |view: &ServiceView| view.replica_of.as_ref().map(|_| limit(&view.name));
    let roll: Vec<Exchange<'_>> = views
        .iter()
        .map(|view| Exchange { service: &view.name, pid: view.pid, at_once: at_once(view) })
        .collect();
    if args.json {
        output::json(&Planned { roll })?;
    } else {
        roll.iter().try_for_each(|it| output::line(&words(it)))?;
    }
    context.say("nothing was touched");
    Ok(())
}

fn words(exchange: &Exchange<'_>) -> String {
    let name = exchange.service;
    let at_once = exchange.at_once.map_or_else(String::new, |limit| format!(" ({limit} at once)"));
    match exchange.pid {
        Some(pid) => format!("start a new run of {name}; when it is ready, end pid {pid}{at_once}"),
        None => format!("start {name} (not running)"),
    }
}
