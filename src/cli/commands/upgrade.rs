use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::system;
use crate::cli::context::{Context, runtime};
use crate::cli::failure::Failure;
use crate::cli::interrupt::say_at_interrupt;
use crate::client::ask::AskError;
use crate::client::connection::Unreachable;
use crate::protocol::command::{Fate, ShutdownOrder};
use crate::protocol::status::Status;
use crate::rundir::upgrade::Note;
use crate::vocab::identity::Pid;
use crate::vocab::name::ServiceName;

/// How long an upgrade may take: what its guardian gives the new supervisor, and a little more.
const UPGRADE_MAX: Duration = Duration::from_secs(40);

/// How often it is looked for what it came to.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// Replaces the running supervisor by the procman on disk, and looks whether a service noticed.
pub(in crate::cli) fn run(context: &Context) -> Result<(), Failure> {
    runtime()?.block_on(upgrade(context))
}

async fn upgrade(context: &Context) -> Result<(), Failure> {
    let before = context.connect().await?.status().await?;
    // What an earlier upgrade came to is old news.
    let _ = Note::take(&context.paths);
    ask(context).await?;
    say_at_interrupt(
        "stopped waiting; the upgrade goes on, and is taken back if the new procman does not start\n\
         hint: `procman status` shows which supervisor is in charge"
            .to_owned(),
    );
    let note = outcome(context).await?;
    let after = answer_of_another(context, &before).await?;
    let lost: Vec<String> = lost(&before, &after).iter().map(ServiceName::to_string).collect();
    match note {
        Note::RolledBack(why) => Err(Failure::NotReached(format!(
            "cannot upgrade: the new procman did not become ready; the old one is in charge again\n{why}"
        ))),
        Note::Done if !lost.is_empty() => Err(Failure::NotReached(format!(
            "upgraded, but these services were not left as they were: {}",
            lost.join(", ")
        ))),
        Note::Done => {
            context.say(&format!(
                "upgraded: procman {} (pid {}) -> {} (pid {}); no service noticed",
                before.supervisor.version,
                words(before.supervisor.pid),
                after.supervisor.version,
                words(after.supervisor.pid)
            ));
            Ok(())
        }
    }
}

async fn ask(context: &Context) -> Result<(), Failure> {
    let mut client = context.connect().await?;
    match client.end(ShutdownOrder { services: Fate::Upgrade }).await {
        Ok(_) | Err(AskError::Broken(_) | AskError::NoAnswer(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

async fn outcome(context: &Context) -> Result<Note, Failure> {
    let deadline = Instant::now() + UPGRADE_MAX;
    loop {
        match Note::take(&context.paths) {
            Some(note) => return Ok(note),
            None if Instant::now() > deadline => {
                return Err(Failure::NotReached(
                    "cannot tell what the upgrade came to: the guardian says nothing\nhint: `procman status`"
                        .to_owned(),
                ));
            }
            None => tokio::time::sleep(LOOK_AGAIN).await,
        }
    }
}

async fn answer_of_another(context: &Context, before: &Status) -> Result<Status, Failure> {
    let deadline = Instant::now() + UPGRADE_MAX;
    loop {
        match system::status_if_any(context).await {
            Ok(Some(status)) if status.supervisor.pid != before.supervisor.pid => return Ok(status),
            Err(failure) if Instant::now() > deadline => return Err(failure),
            Ok(Some(_) | None) if Instant::now() > deadline => return Err(Unreachable::Absent.into()),
            Ok(Some(_) | None) | Err(_) => tokio::time::sleep(LOOK_AGAIN).await,
        }
    }
}

/// Services that had a process and have another, or none.
fn lost(before: &Status, after: &Status) -> Vec<ServiceName> {
    let pids = |status: &Status| -> BTreeMap<ServiceName, Pid> {
        status.services.iter().filter_map(|it| Some((it.name.clone(), it.pid?))).collect()
    };
    let after = pids(after);
    let is_lost = |(name, pid): &(ServiceName, Pid)| after.get(name) != Some(pid);
    pids(before).into_iter().filter(is_lost).map(|(name, _)| name).collect()
}

fn words(pid: Option<Pid>) -> String {
    pid.map_or_else(|| "?".to_owned(), |pid| pid.to_string())
}
