use std::sync::Arc;

use tokio::sync::oneshot;

use crate::daemon::causes::askers::Asker;
use crate::daemon::mailbox::{Awaited, Mailbox, Message, Reply};
use crate::daemon::processes::{Process, Processes};
use crate::daemon::question::Question;
use crate::machine::ticket::TicketId;
use crate::protocol::command::Command;
use crate::protocol::problem::Kind;
use crate::protocol::reply::Report;
use crate::protocol::xmlrpc::fault::{Fault, FaultCode};

/// Where the calls of one request are carried out: the way to the engine, and what everybody asks there.
#[derive(Debug, Clone)]
pub struct Desk {
    pub(super) mailbox: Mailbox,
    pub(super) asker: Asker,
}

/// What a name means.
pub(super) enum Named<'a> {
    /// One process.
    Process(&'a Process),
    /// All of a group.
    Group(Vec<&'a Process>),
}

impl Desk {
    /// A desk that asks there, for somebody who is not known.
    pub fn new(mailbox: Mailbox) -> Self {
        Self::of(mailbox, Asker::NOBODY)
    }

    /// The same for somebody who is.
    pub fn of(mailbox: Mailbox, asker: Asker) -> Self {
        Self { mailbox, asker }
    }

    /// Goes on only if the supervisor does.
    ///
    /// # Errors
    /// It is about to end.
    pub async fn refuse_at_end(&self) -> Result<(), Fault> {
        if self.ask(Question::IsEnding).await? { Err(FaultCode::ShutdownState.bare()) } else { Ok(()) }
    }

    /// How the processes stand.
    ///
    /// # Errors
    /// The supervisor is about to end.
    pub async fn look(&self) -> Result<Arc<Processes>, Fault> {
        let found = self.ask(Question::Processes).await?;
        if found.is_ending { Err(FaultCode::ShutdownState.bare()) } else { Ok(found) }
    }

    /// Asks the engine; one that has ended answers nobody.
    pub(super) async fn ask<T>(
        &self,
        question: impl FnOnce(oneshot::Sender<T>) -> Question,
    ) -> Result<T, Fault> {
        let answer = self.mailbox.ask(|reply| Message::Question(question(reply))).await;
        answer.ok_or_else(|| FaultCode::ShutdownState.bare())
    }

    /// Has a command carried out.
    pub(super) async fn order(&self, command: Command) -> Result<Underway, Fault> {
        self.send(|ticket, reply| Message::Command(ticket, command, reply)).await
    }

    pub(super) async fn send(
        &self,
        message: impl FnOnce(TicketId, Reply) -> Message,
    ) -> Result<Underway, Fault> {
        let ticket = self.mailbox.ticket();
        let (reply, Awaited { accepted, report }) = Reply::to(self.asker);
        self.mailbox.send(message(ticket, reply)).await;
        match accepted.await {
            Ok(Ok(())) => Ok(Underway { ticket, report }),
            Ok(Err(problem)) if problem.kind == Kind::NoSuchService => {
                Err(FaultCode::BadName.with(problem.what))
            }
            Ok(Err(problem)) if problem.kind != Kind::Ending => Err(FaultCode::Failed.with(problem.what)),
            Ok(Err(_)) | Err(_) => Err(FaultCode::ShutdownState.bare()),
        }
    }
}

/// A command that is being carried out.
#[derive(Debug)]
pub(super) struct Underway {
    pub(super) ticket: TicketId,
    pub(super) report: oneshot::Receiver<Report>,
}

/// The process or the group that a name means: `GROUP:PROCESS`, `GROUP:*`, or one word for both.
pub(super) fn find<'a>(processes: &'a Processes, name: &str) -> Result<Named<'a>, Fault> {
    let unknown = || FaultCode::BadName.with(name);
    let (group, process) = match name.split_once(':') {
        Some((group, "" | "*")) => return processes.group(group).map(Named::Group).ok_or_else(unknown),
        Some(pair) => pair,
        None => (name, name),
    };
    processes.find(group, process).map(Named::Process).ok_or_else(unknown)
}

/// The one process that a name means.
///
/// # Errors
/// There is none, or the name means a group.
pub fn find_one<'a>(processes: &'a Processes, name: &str) -> Result<&'a Process, Fault> {
    match find(processes, name)? {
        Named::Process(process) => Ok(process),
        Named::Group(_) => Err(FaultCode::BadName.with(name)),
    }
}

/// The processes of a group.
pub(super) fn find_group<'a>(processes: &'a Processes, name: &str) -> Result<Vec<&'a Process>, Fault> {
    processes.group(name).ok_or_else(|| FaultCode::BadName.with(name))
}

/// Processes in the order in which supervisord goes through them: by the priority of their groups, then by their own.
pub(super) fn in_order(mut processes: Vec<&Process>) -> Vec<Process> {
    processes.sort_by_key(|it| (it.unit.group_priority, it.unit.group.clone(), it.unit.priority));
    processes.into_iter().cloned().collect()
}
