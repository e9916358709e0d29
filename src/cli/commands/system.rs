use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::up;
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::output;
use crate::cli::render::progress::Progress;
use crate::client::ask::AskError;
use crate::client::connection::{Client, Unreachable};
use crate::launch::detached::Text;
use crate::ports::flush::{self, Fate, Force, Foreign, Plan, Request, Step};
use crate::ports::verdict::Ours;
use crate::protocol::command::{Command, Fate as Leaving, Order, Pace, Sequel, ShutdownOrder};
use crate::protocol::event::{Event, What};
use crate::protocol::status::Status;
use crate::rundir::applied;
use crate::rundir::cgroups;
use crate::rundir::journal::Journal;
use crate::rundir::leftovers::{self, Leftover};
use crate::spec::fleet::Fleet;
use crate::spec::service::Service;
use crate::vocab::identity::{Identity, Pid};
use crate::vocab::name::ServiceName;
use crate::vocab::port::{Endpoint, Whose};
use crate::vocab::run::Tag;
use crate::vocab::selection::Selection;
use crate::vocab::state::{Goal, State};

/// When no service has ended for so long, those that have not hold up the order no more: what they need is asked to end
/// beside them. When nothing ends for so long again, they are left to their stop_timeouts.
const SETTLED: Duration = Duration::from_millis(150);

/// How often a supervisor that is on its way out is looked at.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// The supervisor's status; none when no supervisor is running.
pub(in crate::cli) async fn status_if_any(context: &Context) -> Result<Option<Status>, Failure> {
    match Client::connect(&context.paths).await {
        Ok(mut client) => Ok(Some(client.status().await?)),
        Err(Unreachable::Absent) => Ok(None),
        Err(unreachable) => Err(unreachable.into()),
    }
}

/// Waits until the supervisor that is on its way out is no more; somebody may have started another one by then.
pub(in crate::cli) async fn until_gone(context: &Context, limit: Duration) -> Result<(), Failure> {
    let deadline = Instant::now() + limit;
    let mut leaving = None;
    loop {
        match status_if_any(context).await {
            Ok(None) => return Ok(()),
            Ok(Some(status)) if leaving.is_none_or(|pid| status.supervisor.pid == Some(pid)) => {
                leaving = status.supervisor.pid;
            }
            Ok(Some(_)) => return Ok(()),
            // Its end cuts off what it was just saying.
            Err(Failure::Ask(AskError::Broken(_))) => (),
            Err(failure) if !failure.is_of_one_that_leaves() => return Err(failure),
            Err(_) => (),
        }
        if Instant::now() >= deadline {
            return Err(Failure::NotReached(
                "cannot wait any longer: the supervisor is ending, and its services go on stopping\n\
                 hint: `procman status` shows which; `procman restart --emergency` waits for none"
                    .to_owned(),
            ));
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// Asks all services to stop and waits until all have, or until the rest keeps everybody waiting; says which those are.
pub(in crate::cli) async fn stop_gently(context: &Context) -> Result<Vec<ServiceName>, Failure> {
    let mut client = context.connect().await?;
    let progress = Progress::new(context, "stopping");
    let last_end = Cell::new(Instant::now());
    let tell = |event: Event| {
        progress.tell(&event);
        if is_end(&event) {
            last_end.set(Instant::now());
        }
    };
    let order = Order { services: Selection::all(), sequel: Sequel::Restart, ..Order::default() };
    let command = Command::Stop(order);
    let mut asked = std::pin::pin!(client.command(&command, tell));
    let mut pace = Pace::InOrder;
    loop {
        let settled = last_end.get() + SETTLED;
        tokio::select! {
            report = &mut asked => {
                let missed = report?.results.into_iter().filter(|it| it.reason.is_some());
                let words: Vec<String> = missed.map(|it| format!("{}: {}", it.service, it.reason.unwrap_or_default())).collect();
                if words.is_empty() {
                    return Ok(Vec::new());
                }
                return Err(Failure::NotReached(format!("cannot stop all services:\n{}", words.join("\n"))));
            }
            () = tokio::time::sleep_until(settled) => (),
        }
        match pace {
            // Somebody has ended meanwhile.
            _ if last_end.get() + SETTLED > Instant::now() => (),
            Pace::InOrder => {
                hurry(context).await?;
                pace = Pace::AtOnce;
                last_end.set(Instant::now());
            }
            Pace::AtOnce => break,
        }
    }
    let status = context.connect().await?.status().await?;
    Ok(status
        .services
        .into_iter()
        .filter(|service| service.pid.is_some())
        .map(|service| service.name)
        .collect())
}

/// Asks all that still run to end, whoever needs them; does not wait for it.
async fn hurry(context: &Context) -> Result<(), Failure> {
    let order =
        Order { pace: Pace::AtOnce, sequel: Sequel::Restart, timeout_ms: Some(0), ..Order::default() };
    context.connect().await?.command(&Command::Stop(order), |_| ()).await?;
    Ok(())
}

fn is_end(event: &Event) -> bool {
    match &event.what {
        What::Service(change) => change.state == State::Stopped && change.previous != State::Stopped,
        What::Notes { .. } | What::Supervisor { .. } | What::RemoteCommunication { .. } => false,
        What::Ended | What::Missed { .. } => false,
    }
}

/// The known processes of live runs, as the journal has them.
pub(in crate::cli) fn ours(context: &Context) -> Ours {
    let entries = journal(context).into_iter().flat_map(|journal| journal.services);
    let live = entries.flat_map(|entry| {
        let known: Vec<_> = entry.processes().collect();
        known.into_iter().map(move |(run, identity)| (identity, (entry.service.clone(), run)))
    });
    let live = live.collect();
    let instance = context.paths.instance.clone();
    let supervisors = leftovers::marked(&instance).into_iter().collect();
    Ours { instance, live, supervisors }
}

/// Every living process of this fleet.
pub(in crate::cli) fn leftovers(context: &Context) -> Vec<Leftover> {
    leftovers::all(&context.paths, journal(context).as_ref())
}

/// Processes of this fleet that belong to no live run.
pub(in crate::cli) fn strays(context: &Context, ours: &Ours) -> Vec<Leftover> {
    let is_live = |stray: &Leftover| ours.live.values().any(|(_, run)| *run == stray.run);
    leftovers(context).into_iter().filter(|stray| !is_live(stray)).collect()
}

/// What a restart of the whole system starts: every service with `autostart`, and those that were wanted up beside them.
pub(in crate::cli) fn wanted(context: &Context, fleet: &Fleet) -> Selection {
    let entries = journal(context).into_iter().flat_map(|journal| journal.services);
    let up: BTreeSet<ServiceName> =
        entries.filter(|entry| entry.goal != Goal::Down).map(|entry| entry.service).collect();
    let is_beside = |service: &&Arc<Service>| !service.autostart && up.contains(&service.name);
    if !fleet.services().values().any(|service| is_beside(&service)) {
        return Selection::all();
    }
    let meant = fleet.services().values().filter(|service| service.autostart || is_beside(service));
    Selection::of(meant.map(|service| service.name.as_str()))
}

/// Whether nothing of this fleet has run in this boot, or all of it has ended in peace.
pub(in crate::cli) fn is_at_rest(context: &Context) -> bool {
    matches!(Journal::read_of_this_boot(&context.paths.journal), Ok(None))
}

fn journal(context: &Context) -> Option<Journal> {
    Journal::read_of_this_boot(&context.paths.journal).ok().flatten()
}

/// A supervisor that is the init of its container takes the container along when it ends.
pub(in crate::cli) fn refuse_init(supervisor: Pid) -> Result<(), Failure> {
    if supervisor == Pid::FIRST { refuse_supervisor(supervisor) } else { Ok(()) }
}

/// This supervisor cannot be replaced by this command.
pub(in crate::cli) fn refuse_supervisor(supervisor: Pid) -> Result<(), Failure> {
    Err(Failure::Unsafe(format!(
        "refused: the supervisor (pid {supervisor}) is the init of this system, or started this command; nothing was touched\n\
         hint: `procman restart all` restarts its services and leaves it"
    )))
}

/// A command that runs inside a service would end with it, in the middle of its work.
pub(in crate::cli) fn refuse_from_inside(context: &Context) -> Result<(), Failure> {
    let tag = std::env::var(Tag::VARIABLE).ok().and_then(|tag| Tag::parse(&tag));
    let tagged = tag.filter(|tag| tag.instance == context.paths.instance);
    let refuse = |service: &ServiceName, hint: &str| {
        Err(Failure::Unsafe(format!(
            "refused: this command runs inside the service `{service}` and would end with it; nothing was touched\n\
             hint: run it from a shell that no service started{hint}"
        )))
    };
    match (cgroups::inside_of(&context.paths), tagged) {
        (None, None) => Ok(()),
        (Some(service), _) => refuse(&service, ""),
        (None, Some(tag)) => refuse(&tag.service, &format!(", or `env -u {}` if this is one", Tag::VARIABLE)),
    }
}

/// Ends strays, gracefully first.
pub(in crate::cli) fn end_strays(strays: &[Leftover]) -> Result<(), Failure> {
    let identities: Vec<Identity> = strays.iter().map(|stray| stray.identity).collect();
    let alive = flush::end(&identities, Force::Ask(flush::GRACE));
    if alive.is_empty() {
        return Ok(());
    }
    let words: Vec<String> = alive.iter().map(Identity::to_string).collect();
    Err(Failure::NotReached(format!("cannot end strays of earlier runs: {}", words.join(", "))))
}

/// The assigned ports but those of services that are still stopping.
pub(in crate::cli) fn ports_but(
    fleet: &Fleet,
    laggards: &[ServiceName],
) -> BTreeMap<Endpoint, Option<ServiceName>> {
    let assigned = fleet.ports().into_iter().filter(|(_, service)| !laggards.contains(service));
    assigned.map(|(port, service)| (port, Some(service))).collect()
}

/// Makes a plan for a flush.
pub(in crate::cli) fn plan(request: &Request<'_>) -> Result<Plan, Failure> {
    Plan::make(request).map_err(|error| Failure::System(format!("cannot see who holds the ports: {error}")))
}

/// Carries a plan out and proves that each port that is to be free is; says how many listeners were ended.
pub(in crate::cli) fn flush(plan: &Plan, force: Force) -> Result<usize, Failure> {
    let flushed = plan.execute(force);
    if flushed.alive.is_empty() {
        return Ok(flushed.ended.len());
    }
    let words: Vec<String> = flushed.alive.iter().map(step_words).collect();
    Err(Failure::NotReached(format!("cannot free {} ports:\n{}", words.len(), words.join("\n"))))
}

/// What a flush came to, in words.
pub(in crate::cli) fn flushed_words(ended: usize, free: usize) -> String {
    let (ended, free) = (counted(ended, "listener", "listeners"), counted(free, "port", "ports"));
    format!("{ended} ended, {free} proven free")
}

/// A number and the word for so many.
pub(in crate::cli) fn counted(count: usize, one: &str, many: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {many}") }
}

/// Fails when a port is held that should be free.
pub(in crate::cli) fn prove_free(ports: &BTreeSet<Endpoint>) -> Result<(), Failure> {
    let observed = crate::ports::holder::observe(ports)
        .map_err(|error| Failure::System(format!("cannot see who holds the ports: {error}")))?;
    let held: Vec<String> = observed
        .iter()
        .map(|(port, holders)| match holders.first() {
            Some(holder) => format!("port {port} is held by {holder}"),
            None => format!("port {port} is held by a process that this user may not see"),
        })
        .collect();
    if held.is_empty() {
        Ok(())
    } else {
        Err(Failure::NotReached(format!("cannot free the ports:\n{}", held.join("\n"))))
    }
}

/// What a flush does about a listener, in a line.
pub(in crate::cli) fn step_words(step: &Step) -> String {
    let whose = match &step.whose {
        Whose::Live(service) => format!("of `{service}`"),
        Whose::Stray(service) => format!("a stray of `{service}`"),
        Whose::Supervisor => "the supervisor, which holds it for its service".to_owned(),
        Whose::Foreign => "foreign".to_owned(),
    };
    let what = match step.fate {
        Fate::End => "end",
        Fate::SpareOwn => "leave",
        Fate::RefuseForeign => "needs consent:",
        Fate::RefuseAncestor => "never touched (it runs this command):",
        Fate::RefuseProtected => "never touched (protected port):",
    };
    format!("port {}: {what} {} ({whose})", step.port, step.holder)
}

/// Refuses a plan in which a listener stands that nobody's consent may end, before anything is touched.
pub(in crate::cli) fn refuse_untouchable(plan: &Plan) -> Result<(), Failure> {
    let never = plan.refusals().filter(|step| step.fate != Fate::RefuseForeign).map(step_words);
    let refused: Vec<String> = never.chain(plan.unseen.iter().map(|port| unseen_words(*port))).collect();
    if refused.is_empty() {
        return Ok(());
    }
    Err(Failure::Unsafe(format!("refused; nothing was touched\n{}", refused.join("\n"))))
}

/// A port whose holder belongs to somebody else, in a line.
pub(in crate::cli) fn unseen_words(port: Endpoint) -> String {
    format!("port {port}: held by a process that this user may not see; run this as its user, or as root")
}

/// Which foreign listeners may be ended: said by an option, or asked on a terminal about those that were seen.
pub(in crate::cli) fn consent(plan: &Plan, yes: bool) -> Result<Foreign, Failure> {
    let foreign: Vec<&Step> = plan.refusals().filter(|step| step.fate == Fate::RefuseForeign).collect();
    if yes {
        return Ok(Foreign::Ended);
    }
    if foreign.is_empty() {
        return Ok(Foreign::Refused);
    }
    let words: Vec<String> = foreign.iter().map(|step| step_words(step)).collect();
    if !std::io::stdin().is_terminal() {
        return Err(Failure::Unsafe(format!(
            "refused: foreign processes listen on ports that are to be freed; nothing was touched\n{}\nhint: `--yes` ends them",
            words.join("\n")
        )));
    }
    output::say(&words.join("\n"));
    if output::agrees("end these foreign processes?") {
        Ok(Foreign::Only(foreign.iter().map(|step| step.holder.identity).collect()))
    } else {
        Err(Failure::Unsafe("refused; nothing was touched".to_owned()))
    }
}

/// Ends the supervisor, leaving what still stops to its successor, and starts a new one.
pub(in crate::cli) async fn replace_supervisor(context: &Context) -> Result<(), Failure> {
    match Client::connect(&context.paths).await {
        Ok(client) => {
            let order = ShutdownOrder { services: Leaving::Leave };
            let ended = async { client.shut_down(order).await?.gone(|_| ()).await };
            match ended.await {
                Ok(_) | Err(AskError::Broken(_) | AskError::NoAnswer(_)) => (),
                Err(error) => return Err(error.into()),
            }
        }
        Err(Unreachable::Absent) => (),
        Err(unreachable) => return Err(unreachable.into()),
    }
    // What the file says holds from here on.
    applied::forget(&context.paths);
    up::launch_or_join(context, Text::File).await
}
