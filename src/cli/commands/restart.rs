use std::collections::BTreeSet;

use serde::Serialize;
use tokio::runtime::Runtime;

use super::{down, emergency, order, preflight, rolling, status, turn, up, whole};
use crate::cli::context::{Context, runtime};
use crate::cli::failure::Failure;
use crate::cli::output;
use crate::cli::render::report;
use crate::cli::render::steps::Steps;
use crate::cli::restart_args::Restart;
use crate::protocol::command::Command;
use crate::protocol::reply::{Report, Verdict};
use crate::spec::fleet::Fleet;
use crate::vocab::identity::Pid;
use crate::vocab::measure::Brief;
use crate::vocab::name::ServiceName;
use crate::vocab::restart::{Mode, Step};
use crate::vocab::selection::{NoSuchService, Selection};

/// Restarts the services named, or the whole system in one of its modes.
pub(in crate::cli) fn run(context: &Context, args: &Restart) -> Result<(), Failure> {
    if !args.services.is_empty() {
        return if args.rolling { rolling::run(context, args) } else { services(context, args) };
    }
    let mode = match (args.emergency, args.quick) {
        (true, _) => Mode::Emergency,
        (false, true) => Mode::Quick,
        (false, false) => Mode::Master,
    };
    let _turn = if args.dry_run { None } else { turn::take(context, args, mode)? };
    match mode {
        Mode::Emergency => emergency::run(context, args),
        Mode::Master | Mode::Quick => whole::run(context, args, mode),
    }
}

fn services(context: &Context, args: &Restart) -> Result<(), Failure> {
    let selection = Selection::of(args.services.iter().cloned());
    let fleet = context.prove_as_scaled()?;
    let picked = fleet.pick(&selection).map_err(not_a_service)?;
    if args.dry_run {
        return show_services(context, &fleet, picked, args);
    }
    let order = order::order_of(selection, args.with_dependents, Some(args.timeout));
    order::ask(context, &Command::Restart(order), "restart")?;
    if args.json {
        runtime()?.block_on(status::show_live(context, status::Form::Json)).map(drop)
    } else {
        Ok(())
    }
}

/// Whoever types the name of a mode means the mode.
fn not_a_service(missing: NoSuchService) -> Failure {
    let word = &missing.word;
    match word.as_str() {
        "master" | "full" | "quick" | "emergency" | "force" => Failure::Usage(format!(
            "cannot restart `{word}`: no service is called so\nhint: `procman restart --{word}` restarts everything"
        )),
        _ => missing.into(),
    }
}

/// What `restart SERVICE… --dry-run --json` prints.
#[derive(Serialize)]
struct Planned<'a> {
    restart: Vec<Restarted<'a>>,
    /// What is down and needed.
    start: Vec<&'a ServiceName>,
}

#[derive(Serialize)]
struct Restarted<'a> {
    service: &'a ServiceName,
    pid: Option<Pid>,
}

impl Planned<'_> {
    fn print(&self, args: &Restart) -> Result<(), Failure> {
        if args.json {
            return output::json(self);
        }
        for Restarted { service, pid } in &self.restart {
            let pid = pid.map_or_else(|| "not running".to_owned(), |pid| format!("pid {pid}"));
            output::line(&format!("restart {service} ({pid})"))?;
        }
        self.start.iter().try_for_each(|service| output::line(&format!("start {service} (needed)")))
    }
}

fn show_services(
    context: &Context,
    fleet: &Fleet,
    picked: Vec<ServiceName>,
    args: &Restart,
) -> Result<(), Failure> {
    let runtime = runtime()?;
    let status =
        runtime.block_on(async { context.connect().await?.status().await.map_err(Failure::from) })?;
    let meant: BTreeSet<ServiceName> = if args.with_dependents {
        fleet.graph().with_dependents(&picked)
    } else {
        picked.iter().cloned().collect()
    };
    let restarted = down::in_stop_order(fleet, &status).into_iter().filter(|it| meant.contains(&it.name));
    let needed = fleet.graph().with_needs(&picked);
    let down = status.services.iter().filter(|it| it.pid.is_none() && !meant.contains(&it.name));
    let planned = Planned {
        restart: restarted.map(|it| Restarted { service: &it.name, pid: it.pid }).collect(),
        start: down.filter(|it| needed.contains(&it.name)).map(|it| &it.name).collect(),
    };
    planned.print(args)?;
    preflight::rehearse(context, &runtime, fleet, &meant)?;
    context.say("nothing was touched");
    Ok(())
}

/// Notes what the steps would do that every restart ends with.
pub(in crate::cli) fn plan_start(steps: &Steps<'_>, fleet: &Fleet, wanted: &Selection) {
    let order = fleet.graph().order().iter().filter_map(|name| fleet.service(name));
    let is_named = |name: &ServiceName| wanted.words().iter().any(|word| word == name.as_str());
    let lines = order.filter(|service| service.autostart || is_named(&service.name)).map(|service| {
        let ports: Vec<String> = service.ports.iter().map(|port| port.to_string()).collect();
        let ports = match ports.len() {
            0 => String::new(),
            1 => format!(" (port {})", ports[0]),
            _ => format!(" (ports {})", ports.join(" ")),
        };
        format!("start {}{ports}: {}", service.name, service.command.line())
    });
    steps.plan(Step::StartServices, lines.collect());
    steps
        .plan(Step::Verify, vec!["each process, its health, and the holder of each of its ports".to_owned()]);
}

/// Prints what all steps would do.
pub(in crate::cli) fn show_plan(context: &Context, steps: &Steps<'_>, args: &Restart) -> Result<(), Failure> {
    if args.json {
        steps.print_plan_as_json()?
    } else {
        steps.print_plan()?
    }
    context.say("nothing was touched");
    Ok(())
}

/// What the last steps of a restart start, and how.
pub(in crate::cli) struct Ending<'a> {
    pub(in crate::cli) wanted: &'a Selection,
    pub(in crate::cli) args: &'a Restart,
}

/// Starts the services, verifies each, prints the table; the two steps that every restart ends with.
pub(in crate::cli) fn finish(
    context: &Context,
    runtime: &Runtime,
    steps: &Steps<'_>,
    ending: &Ending<'_>,
) -> Result<(), Failure> {
    let Ending { wanted, args } = ending;
    let report = steps.step(Step::StartServices, || {
        let report = runtime.block_on(up::bring_up(context, Selection::clone(wanted), args.timeout))?;
        let done = report.results.iter().filter(|result| result.verdict == Verdict::Done).count();
        let words = format!("{done} of {} ready", report.results.len());
        Ok::<_, Failure>((report, words))
    })?;
    let judged = report::judge(context, &report, "start");
    let verified = steps.step(Step::Verify, || runtime.block_on(verify(context, &report)));
    runtime.block_on(status::show_live(context, status::Form::of(args.json)))?;
    context.say(&format!("restarted in {}", Brief(steps.elapsed())));
    verified?;
    judged
}

/// Each service that was meant is as wanted: its process lives, its health is good, its ports are held by its own tree.
async fn verify(context: &Context, report: &Report) -> Result<((), String), Failure> {
    let status = context.connect().await?.status().await?;
    let meant =
        status.services.iter().filter(|it| report.results.iter().any(|result| result.service == it.name));
    let (good, bad): (Vec<_>, Vec<_>) = meant.partition(|service| service.is_as_wanted());
    if bad.is_empty() {
        return Ok(((), format!("{} verified", good.len())));
    }
    let names: Vec<&str> = bad.iter().map(|service| service.name.as_str()).collect();
    Err(Failure::NotReached(format!(
        "cannot verify {}\nhint: `procman why {}` tells more",
        names.join(", "),
        names.join(" ")
    )))
}

#[cfg(test)]
mod tests {
    use super::not_a_service;
    use crate::vocab::selection::NoSuchService;

    #[test]
    fn whoever_types_a_mode_as_a_service_is_told_the_option() {
        let told =
            |word: &str| not_a_service(NoSuchService { word: word.to_owned(), near: None }).to_string();
        assert!(told("quick").ends_with("hint: `procman restart --quick` restarts everything"));
        assert!(told("quit").ends_with("hint: `procman status` lists the services"));
    }
}
