use serde::Serialize;

use crate::cli::commands::{order, system};
use crate::cli::context::{Context, runtime};
use crate::cli::failure::Failure;
use crate::cli::output;
use crate::cli::restart_args::Scale;
use crate::config::change;
use crate::protocol::command::{Command, ScaleOrder};
use crate::spec::fleet::NotAFleet;
use crate::spec::replicas::Counts;
use crate::vocab::identity::Pid;
use crate::vocab::measure::millis;
use crate::vocab::name::ServiceName;

/// Gives services other counts of replicas.
pub(in crate::cli) fn run(context: &Context, args: &Scale) -> Result<(), Failure> {
    let counts: Counts = args.counts.iter().cloned().collect();
    if args.dry_run {
        return show(context, args, &counts);
    }
    let order = ScaleOrder { replicas: counts, timeout_ms: args.timeout.map(millis) };
    order::ask(context, &Command::Scale(order), "scale")
}

/// What `scale --dry-run --json` prints.
#[derive(Serialize)]
struct Planned<'a> {
    start: Vec<&'a ServiceName>,
    stop: Vec<Stopped<'a>>,
}

#[derive(Serialize)]
struct Stopped<'a> {
    service: &'a ServiceName,
    pid: Option<Pid>,
}

fn show(context: &Context, args: &Scale, counts: &Counts) -> Result<(), Failure> {
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
    let pid = |name: &ServiceName| status.iter().flat_map(|it| &it.services).find(|it| it.name == *name)?.pid;
    let planned = Planned {
        start: difference.added.iter().collect(),
        stop: difference.removed.iter().map(|service| Stopped { service, pid: pid(service) }).collect(),
    };
    print(&planned, args)?;
    context.say("nothing was touched");
    Ok(())
}

fn print(planned: &Planned<'_>, args: &Scale) -> Result<(), Failure> {
    if args.json {
        return output::json(planned);
    }
    for name in &planned.start {
        output::line(&format!("start {name}"))?;
    }
    for Stopped { service, pid } in &planned.stop {
        let pid = pid.map_or_else(|| "not running".to_owned(), |pid| format!("pid {pid}"));
        output::line(&format!("stop {service} ({pid})"))?;
    }
    Ok(())
}
