use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::{order, status, supervise, system};
use crate::cli::args::Up;
use crate::cli::context::{Context, runtime};
use crate::cli::failure::Failure;
use crate::cli::interrupt::{say_at_interrupt, unless_interrupted};
use crate::cli::render::progress::Progress;
use crate::cli::render::report;
use crate::client::connection::{Client, Unreachable};
use crate::daemon::log_daemons;
use crate::launch::detached::{self, Request, Text};
use crate::protocol::command::{Command, Order};
use crate::protocol::reply::Report;
use crate::spec::fleet::Fleet;
use crate::spec::service::Service;
use crate::vocab::measure::millis;
use crate::vocab::name::ServiceName;
use crate::vocab::selection::Selection;

/// How often a supervisor that is on its way out is looked at.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// Starts the supervisor if none runs and the services in order; waits until each is ready; prints the table.
pub(in crate::cli) fn run(context: &Context, args: &Up) -> Result<(), Failure> {
    let fleet = context.prove_as_scaled()?;
    let selection = Selection::of(args.services.iter().cloned());
    let picked = fleet.pick(&selection)?;
    look_for_log_daemons(context, &fleet, &picked, args)?;
    if args.foreground {
        return supervise::run_attached(context, selection);
    }
    runtime()?.block_on(async {
        let timeout = if args.no_wait { Duration::ZERO } else { args.timeout };
        let report =
            with_a_supervisor(context, args.timeout, || bring_up(context, selection.clone(), timeout))
                .await?;
        if args.no_wait {
            context.say("the supervisor starts the services; `procman status` shows how far they are");
            return Ok(());
        }
        let judged = report::judge(context, &report, "start");
        let shown = status::show_live(context, status::Form::of(args.json)).await?;
        judged?;
        let missed = shown.services.iter().filter(|it| !it.is_as_wanted() && is_meant(&report, it));
        let missed: Vec<&str> = missed.map(|service| service.name.as_str()).collect();
        if missed.is_empty() {
            return Ok(());
        }
        Err(Failure::NotReached(format!("started, and not as it should be any more: {}", missed.join(", "))))
    })
}

/// A log daemon that is not there may be named wrongly, which is found before anything of the fleet runs. Later, and with a
/// file of supervisord's, which minds none, lines are what is lost by it, and no service is kept down for that.
fn look_for_log_daemons(
    context: &Context,
    fleet: &Fleet,
    picked: &[ServiceName],
    args: &Up,
) -> Result<(), Failure> {
    let is_meant = |service: &&Arc<Service>| !args.services.is_empty() || service.autostart;
    let meant = picked.iter().filter_map(|name| fleet.service(name)).filter(is_meant);
    let meant: Vec<ServiceName> = meant.map(|service| service.name.clone()).collect();
    let started = fleet.graph().with_needs(&meant);
    let started = started.iter().filter_map(|name| fleet.service(name));
    let away = log_daemons::away(started, &context.supervisor.log_sockets);
    let lines: Vec<String> = away.into_iter().map(|(name, words)| format!("{name}: {words}")).collect();
    if lines.is_empty() {
        return Ok(());
    }
    if system::is_at_rest(context) && !context.is_of_supervisord() {
        return Err(Failure::NotReached(format!(
            "cannot start: lines would be lost; nothing was started\n{}",
            lines.join("\n")
        )));
    }
    lines.iter().for_each(|line| context.say(&format!("warning: {line}; until then its lines are lost")));
    Ok(())
}

fn is_meant(report: &Report, service: &crate::protocol::status::ServiceView) -> bool {
    report.results.iter().any(|result| result.service == service.name)
}

/// Asks a supervisor, started if there is none. One that is on its way out is waited for, and its successor asked.
async fn with_a_supervisor<A: Future<Output = Result<Report, Failure>>>(
    context: &Context,
    limit: Duration,
    ask: impl Fn() -> A,
) -> Result<Report, Failure> {
    let deadline = tokio::time::Instant::now() + limit;
    loop {
        ensure_supervisor(context).await?;
        match ask().await {
            Err(failure) if failure.is_of_one_that_leaves() && tokio::time::Instant::now() < deadline => {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
            other => return other,
        }
    }
}

/// Starts a supervisor unless one answers.
async fn ensure_supervisor(context: &Context) -> Result<(), Failure> {
    match Client::connect(&context.paths).await {
        Ok(_) => Ok(()),
        Err(Unreachable::Absent) => {
            say_at_interrupt(
                "interrupted; a supervisor may have been started, and no service by it\n\
                 hint: `procman status` shows how things stand; `procman up` goes on, `procman down` ends it"
                    .to_owned(),
            );
            let launched = launch_or_join(context, Text::File).await;
            say_at_interrupt(String::new());
            launched
        }
        Err(unreachable) => Err(unreachable.into()),
    }
}

/// Starts a supervisor, unless somebody else has started one in the same moment.
pub(in crate::cli) async fn launch_or_join(context: &Context, text: Text) -> Result<(), Failure> {
    match launch(context, text) {
        Ok(()) => Ok(()),
        Err(failure) => Client::connect(&context.paths).await.map(drop).map_err(|_| failure),
    }
}

/// Starts a supervisor and waits until it is ready.
pub(in crate::cli) fn launch(context: &Context, text: Text) -> Result<(), Failure> {
    let executable: PathBuf = std::env::current_exe()
        .map_err(|error| Failure::System(format!("cannot tell where procman itself lies: {error}")))?;
    let Context { config, paths, .. } = context;
    detached::start(&Request { executable: &executable, config, paths, text })?;
    Ok(())
}

/// Asks the supervisor to bring services up and tells what happens.
pub(in crate::cli) async fn bring_up(
    context: &Context,
    services: Selection,
    timeout: Duration,
) -> Result<Report, Failure> {
    let mut client = context.connect().await?;
    let order = Order { services, timeout_ms: Some(millis(timeout)), ..Order::default() };
    let progress = Progress::new(context, "starting");
    let command = Command::Up(order);
    let asked = client.command(&command, |event| progress.tell(&event));
    unless_interrupted(asked, order::GOES_ON).await
}
