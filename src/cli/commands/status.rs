use std::io::IsTerminal;
use std::thread;
use std::time::{Duration, Instant};

use super::offline;
use crate::cli::args::Status as Args;
use crate::cli::context::{Context, runtime};
use crate::cli::failure::Failure;
use crate::cli::output;
use crate::cli::render::table;
use crate::client::connection::{Client, Unreachable};
use crate::protocol::status::{ServiceView, Status};
use crate::vocab::name::ServiceName;
use crate::vocab::selection::Selection;

/// How long a supervisor that answers no more may take to be gone, and how often it is looked at.
const LEAVING_MAX: Duration = Duration::from_secs(3);
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// Shows services, ports and supervisor.
pub(in crate::cli) fn run(context: &Context, args: &Args) -> Result<(), Failure> {
    let selection = Selection::of(args.services.iter().cloned());
    let detail = if args.tree { Detail::Trees } else { Detail::Plain };
    if args.watch {
        return watch(context, &selection, detail);
    }
    let (status, answered) = look(context, detail)?;
    let status = narrow(status, &selection)?;
    print(&status, Form::of(args.json))?;
    if let Err(unreachable) = answered {
        return Err(unreachable.into());
    }
    if status.services.iter().all(ServiceView::is_as_wanted) { Ok(()) } else { Err(Failure::Said(3)) }
}

/// How much of each service is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum Detail {
    Plain,
    Trees,
}

/// The status as the supervisor sees it, or as it can be seen without one, and then why.
pub(super) fn look(context: &Context, detail: Detail) -> Result<(Status, Result<(), Unreachable>), Failure> {
    let runtime = runtime()?;
    let deadline = Instant::now() + LEAVING_MAX;
    let mut asked = runtime.block_on(ask(context, detail));
    // One that is on its way out answers no more, and is gone in a moment.
    while let Err(Failure::Ask(_)) = &asked
        && asked.as_ref().is_err_and(Failure::is_of_one_that_leaves)
        && Instant::now() < deadline
    {
        thread::sleep(LOOK_AGAIN);
        asked = runtime.block_on(ask(context, detail));
    }
    match asked {
        Ok(status) => Ok((status, Ok(()))),
        Err(Failure::Unreachable(unreachable)) => {
            Ok((offline::status(context, &unreachable, detail)?, Err(unreachable)))
        }
        Err(failure) => Err(failure),
    }
}

async fn ask(context: &Context, detail: Detail) -> Result<Status, Failure> {
    let mut client = Client::connect(&context.paths).await?;
    match detail {
        Detail::Plain => client.status().await.map_err(Failure::from),
        Detail::Trees => client.status_with_trees().await.map_err(Failure::from),
    }
}

/// Prints the status of a supervisor that answers.
pub(in crate::cli) async fn show_live(context: &Context, form: Form) -> Result<Status, Failure> {
    let status = context.connect().await?.status().await?;
    print(&status, form)?;
    Ok(status)
}

/// How a status is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum Form {
    Table,
    Json,
}

impl Form {
    /// As `--json` says.
    pub(in crate::cli) fn of(json: bool) -> Self {
        if json { Self::Json } else { Self::Table }
    }
}

fn print(status: &Status, form: Form) -> Result<(), Failure> {
    match form {
        Form::Json => output::json(status),
        Form::Table => output::line(&table::status(status)),
    }
}

pub(super) fn narrow(mut status: Status, selection: &Selection) -> Result<Status, Failure> {
    if selection.is_all() {
        return Ok(status);
    }
    let candidates = status.services.iter().map(ServiceView::candidate);
    let picked: Vec<ServiceName> = selection.pick(candidates)?;
    status.services.retain(|service| picked.contains(&service.name));
    status.ports.retain(|port| picked.contains(&port.service));
    status.survivors.retain(|survivor| picked.contains(&survivor.service));
    Ok(status)
}

/// Looks again each second until Ctrl-C.
fn watch(context: &Context, selection: &Selection, detail: Detail) -> Result<(), Failure> {
    let clear = if std::io::stdout().is_terminal() { "\x1b[H\x1b[2J" } else { "" };
    loop {
        let (status, _) = look(context, detail)?;
        output::line(&format!("{clear}{}", table::status(&narrow(status, selection)?)))?;
        thread::sleep(Duration::from_secs(1));
    }
}
