use std::cmp::Reverse;
use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;

use super::{offline, system, up};
use crate::cli::args::Down;
use crate::cli::context::{Context, runtime};
use crate::cli::failure::Failure;
use crate::cli::interrupt::{say_at_interrupt, unless_interrupted};
use crate::cli::output;
use crate::cli::render::progress::Progress;
use crate::cli::render::report;
use crate::client::ask::AskError;
use crate::client::connection::Unreachable;
use crate::launch::detached::Text;
use crate::protocol::command::{Fate, ShutdownOrder};
use crate::protocol::problem::Kind;
use crate::protocol::status::{ServiceView, Status, Survivor};
use crate::rundir::{leftovers, lock};
use crate::spec::fleet::Fleet;
use crate::vocab::identity::Pid;
use crate::vocab::name::ServiceName;

/// So long an end that somebody else has asked for is waited for, unless said otherwise.
const END_MAX: Duration = Duration::from_secs(600);

/// What is said when somebody stops waiting.
const STOPPING: &str = "stopped waiting; the services go on stopping, and the supervisor ends when they have\nhint: `procman status` shows which";

/// How soon the next one is asked after one that gave no answer.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Stops all services and ends the supervisor; then looks whether anything is left.
pub(in crate::cli) fn run(context: &Context, args: &Down) -> Result<(), Failure> {
    if args.dry_run {
        return show_plan(context, args);
    }
    system::refuse_from_inside(context)?;
    let runtime = runtime()?;
    match runtime.block_on(ask_to_end(context, args)) {
        Err(Failure::Unreachable(Unreachable::Absent)) if system::leftovers(context).is_empty() => {
            context.say("no supervisor is running for this config");
            remove_files(context);
        }
        // Services that live without a supervisor are given one: it stops them in order, each in its own way.
        Err(Failure::Unreachable(Unreachable::Absent)) => {
            context.say("no supervisor is running, and its services are; starting one that stops them");
            say_at_interrupt(
                "interrupted; what runs has not been stopped\nhint: `procman down` goes on".to_owned(),
            );
            up::launch(context, Text::AsApplied).map_err(|failure| cannot_stop(&failure))?;
            let down = runtime.block_on(shut_down(context, args));
            say_at_interrupt(String::new());
            down?;
        }
        // Somebody has asked for it already.
        Err(Failure::Ask(AskError::Refused(problem))) if problem.kind == Kind::Ending => {
            context.say("the supervisor is ending already; waiting for it");
            say_at_interrupt(STOPPING.to_owned());
            let gone = runtime.block_on(system::until_gone(context, args.timeout.unwrap_or(END_MAX)));
            say_at_interrupt(String::new());
            gone?;
        }
        other => other?,
    }
    let left = offline::survivors(&system::leftovers(context));
    if left.is_empty() {
        return Ok(());
    }
    for survivor in &left {
        output::say(&words(survivor));
    }
    Err(Failure::NotReached(format!(
        "{} processes are left\nhint: `procman restart --emergency` ends them",
        left.len()
    )))
}

/// What keeps a supervisor from starting says of itself that nothing was touched, and not that services live.
fn cannot_stop(failure: &Failure) -> Failure {
    Failure::NotReached(format!(
        "cannot start a supervisor that stops them; they go on running\n{failure}\n\
         hint: mend that and try again; `procman restart --emergency` ends them without one"
    ))
}

/// Files of a supervisor that was killed; not those of one that is just starting.
fn remove_files(context: &Context) {
    if let Ok(Some(_lock)) = lock::take(&context.paths) {
        leftovers::remove_files(&context.paths);
    }
}

/// One that dies as it is asked has said nothing: whoever is there after it is asked.
async fn ask_to_end(context: &Context, args: &Down) -> Result<(), Failure> {
    let deadline = Instant::now() + args.timeout.unwrap_or(END_MAX);
    loop {
        match shut_down(context, args).await {
            Err(Failure::Ask(AskError::NoAnswer(_))) if Instant::now() < deadline => {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
            other => return other,
        }
    }
}

async fn shut_down(context: &Context, args: &Down) -> Result<(), Failure> {
    let client = context.connect().await?;
    let progress = Progress::new(context, "stopping");
    let order = ShutdownOrder { services: Fate::Stop };
    let limited = async {
        // However short the time, they have begun to stop when it runs.
        let gone = client.shut_down(order).await?.gone(|event| progress.tell(&event));
        match args.timeout {
            Some(limit) => tokio::time::timeout(limit, gone)
                .await
                .map_err(|_| {
                    Failure::NotReached("cannot stop all services in time; they go on stopping".to_owned())
                })?
                .map_err(Failure::from),
            None => gone.await.map_err(Failure::from),
        }
    };
    let report = unless_interrupted(limited, STOPPING).await?;
    drop(progress);
    report::judge(context, &report, "stop")
}

/// What `down --dry-run --json` prints.
#[derive(Serialize)]
struct Planned {
    stop: Vec<Stopped>,
    supervisor: Option<Pid>,
}

#[derive(Serialize)]
struct Stopped {
    service: ServiceName,
    pid: Pid,
}

fn show_plan(context: &Context, args: &Down) -> Result<(), Failure> {
    let fleet = context.known()?;
    let status = runtime()?.block_on(system::status_if_any(context))?;
    let planned = match &status {
        Some(status) => Planned {
            stop: in_stop_order(&fleet, status)
                .into_iter()
                .filter_map(|it| Some(Stopped { service: it.name.clone(), pid: it.pid? }))
                .collect(),
            supervisor: status.supervisor.pid,
        },
        None => Planned {
            stop: offline::survivors(&system::leftovers(context))
                .into_iter()
                .map(|survivor| Stopped { service: survivor.service, pid: survivor.pid })
                .collect(),
            supervisor: None,
        },
    };
    if args.json {
        return output::json(&planned);
    }
    for stopped in &planned.stop {
        output::line(&format!("stop {} (pid {})", stopped.service, stopped.pid))?;
    }
    if let Some(pid) = planned.supervisor {
        output::line(&format!("end the supervisor (pid {pid})"))?;
    }
    context.say("nothing was touched");
    Ok(())
}

/// The services as they are stopped: each after those that need it.
pub(in crate::cli) fn in_stop_order<'a>(fleet: &Fleet, status: &'a Status) -> Vec<&'a ServiceView> {
    let rank = |view: &&ServiceView| fleet.graph().order().iter().position(|name| *name == view.name);
    let mut services: Vec<&ServiceView> = status.services.iter().collect();
    services.sort_by_key(|view| Reverse(rank(view)));
    services
}

fn words(survivor: &Survivor) -> String {
    format!("still alive: {} pid {}: {}", survivor.service, survivor.pid, survivor.command)
}
