use crate::cli::args::Scale;
use crate::cli::commands::{order, system};
use crate::cli::context::{Context, millis, runtime};
use crate::cli::failure::Failure;
use crate::cli::output;
use crate::config::change;
use crate::protocol::command::{Command, ScaleOrder};
use crate::spec::fleet::NotAFleet;
use crate::spec::replicas::Counts;

/// Gives services other counts of replicas.
pub(in crate::cli) fn run(context: &Context, args: &Scale) -> Result<(), Failure> {
    let counts: Counts = args.counts.iter().cloned().collect();
    if args.dry_run {
        return show(context, &counts);
    }
    let order = ScaleOrder { replicas: counts, timeout_ms: args.timeout.map(millis) };
    order::ask(context, &Command::Scale(order), "scale")
}

fn show(context: &Context, counts: &Counts) -> Result<(), Failure> {
    let fleet = context.prove_as_scaled()?;
    for name in counts.keys() {
        if fleet.service(name).is_none_or(|service| service.replica.number > 1) {
            return Err(Failure::Usage(format!(
                "cannot scale `{name}`: the config declares no such service"
            )));
        }
    }
    let scaled = fleet.scaled(counts).map_err(|problems| {
        let words: Vec<String> = problems.iter().map(NotAFleet::to_string).collect();
        Failure::Usage(format!("cannot scale: {}", words.join("; ")))
    })?;
    let status = runtime()?.block_on(system::status_if_any(context))?;
    let difference = change::difference(&fleet, &scaled);
    for name in &difference.added {
        output::line(&format!("start {name}"))?;
    }
    for name in &difference.removed {
        let view = status.iter().flat_map(|status| &status.services).find(|service| service.name == *name);
        let pid = view.and_then(|service| service.pid);
        let pid = pid.map_or_else(|| "not running".to_owned(), |pid| format!("pid {pid}"));
        output::line(&format!("stop {name} ({pid})"))?;
    }
    context.say("nothing was touched");
    Ok(())
}
