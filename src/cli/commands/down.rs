use super::offline;
use crate::cli::args::Down;
use crate::cli::context::{Context, runtime};
use crate::cli::failure::Failure;
use crate::cli::interrupt::unless_interrupted;
use crate::cli::output;
use crate::cli::render::progress::Progress;
use crate::cli::render::report;
use crate::client::connection::Unreachable;
use crate::protocol::command::{Fate, ShutdownOrder};
use crate::protocol::status::Survivor;

/// Stops all services and ends the supervisor; then looks whether anything is left.
pub(in crate::cli) fn run(context: &Context, args: &Down) -> Result<(), Failure> {
    if args.dry_run {
        return show_plan(context);
    }
    match runtime()?.block_on(shut_down(context, args)) {
        Err(Failure::Unreachable(Unreachable::Absent)) => {
            context.say("no supervisor is running for this config")
        }
        other => other?,
    }
    let left = offline::survivors(context);
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

async fn shut_down(context: &Context, args: &Down) -> Result<(), Failure> {
    let client = context.connect().await?;
    let progress = Progress::new(context, "stopping");
    let order = ShutdownOrder { services: Fate::Stop };
    let asked = client.shut_down(order, |event| progress.tell(&event));
    let limited = async {
        match args.timeout {
            Some(limit) => tokio::time::timeout(limit, asked)
                .await
                .map_err(|_| {
                    Failure::NotReached("cannot stop all services in time; they go on stopping".to_owned())
                })?
                .map_err(Failure::from),
            None => asked.await.map_err(Failure::from),
        }
    };
    let report = unless_interrupted(limited, "stopped waiting; the services go on stopping").await?;
    drop(progress);
    report::judge(context, &report, "stop")
}

fn show_plan(context: &Context) -> Result<(), Failure> {
    let status =
        runtime()?.block_on(async { context.connect().await?.status().await.map_err(Failure::from) })?;
    for service in status.services.iter().filter(|service| service.pid.is_some()) {
        let pid = service.pid.map_or_else(String::new, |pid| pid.to_string());
        output::line(&format!("stop {} (pid {pid}, {} processes)", service.name, service.processes))?;
    }
    let pid = status.supervisor.pid.map_or_else(String::new, |pid| pid.to_string());
    output::line(&format!("end the supervisor (pid {pid})"))
}

fn words(survivor: &Survivor) -> String {
    format!("still alive: {} pid {}: {}", survivor.service, survivor.pid, survivor.command)
}
