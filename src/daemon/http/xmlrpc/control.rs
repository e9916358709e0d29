use std::sync::Arc;

use tokio::sync::broadcast;
use tokio::task::JoinSet;

use super::desk::{Desk, Named, Underway, find, find_group, in_order};
use super::method::{AtEnd, Method, Params, Wait};
use crate::daemon::lookup::{self, Refused};
use crate::daemon::mailbox::Message;
use crate::daemon::processes::{Process, Processes};
use crate::daemon::roster::Unit;
use crate::machine;
use crate::protocol::command::{Command, Dependents, Order, Pace};
use crate::protocol::event::{Event, What};
use crate::protocol::xmlrpc::fault::{Fault, FaultCode};
use crate::protocol::xmlrpc::message::Answer;
use crate::protocol::xmlrpc::value::Value;
use crate::vocab::selection::Selection;
use crate::vocab::state::State;

const ONE: &[&str] = &["boolean", "string", "boolean"];
const GROUP: &[&str] = &["array", "string", "boolean"];
const ALL: &[&str] = &["array", "boolean"];

pub(super) const METHODS: &[Method] = &[
    Method {
        names: &["supervisor.startProcess"],
        types: ONE,
        optional: 1,
        help: "Starts a process, or each of a group by `GROUP:*`, and waits until it is running unless told not to.",
        at_end: AtEnd::Refused,
        run: |desk, params| Box::pin(one(desk, params, Deed::Start)),
    },
    Method {
        names: &["supervisor.startProcessGroup"],
        types: GROUP,
        optional: 1,
        help: "Starts each process of a group that is not up.",
        at_end: AtEnd::Refused,
        run: |desk, params| Box::pin(group(desk, params, Deed::Start)),
    },
    Method {
        names: &["supervisor.startAllProcesses"],
        types: ALL,
        optional: 1,
        help: "Starts each process that is not up.",
        at_end: AtEnd::Refused,
        run: |desk, params| Box::pin(all(desk, params, Deed::Start)),
    },
    Method {
        names: &["supervisor.stopProcess"],
        types: ONE,
        optional: 1,
        help: "Stops a process, or each of a group by `GROUP:*`, and waits until it has ended unless told not to.",
        at_end: AtEnd::Refused,
        run: |desk, params| Box::pin(one(desk, params, Deed::Stop)),
    },
    Method {
        names: &["supervisor.stopProcessGroup"],
        types: GROUP,
        optional: 1,
        help: "Stops each process of a group that is up.",
        at_end: AtEnd::Refused,
        run: |desk, params| Box::pin(group(desk, params, Deed::Stop)),
    },
    Method {
        names: &["supervisor.stopAllProcesses"],
        types: ALL,
        optional: 1,
        help: "Stops each process that is up.",
        at_end: AtEnd::Refused,
        run: |desk, params| Box::pin(all(desk, params, Deed::Stop)),
    },
];

/// What is done to processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Deed {
    Start,
    Stop,
}

/// What a call of several came to for one process.
pub(super) struct Outcome {
    pub(super) unit: Arc<Unit>,
    pub(super) result: Result<(), Fault>,
}

/// The status structs of a call of several.
pub(super) fn statuses(outcomes: Vec<Outcome>) -> Value {
    let status = |Outcome { unit, result }: Outcome| {
        let (status, description) = match result {
            Ok(()) => (FaultCode::Success.number(), "OK".to_owned()),
            Err(fault) => (fault.code, fault.text),
        };
        Value::members([
            ("name", unit.process.as_str().into()),
            ("group", unit.group.as_str().into()),
            ("status", status.into()),
            ("description", description.into()),
        ])
    };
    Value::Array(outcomes.into_iter().map(status).collect())
}

async fn one(desk: &Desk, params: Params, deed: Deed) -> Answer {
    let processes = desk.look().await?;
    let (name, wait) = (params.text(0), params.wait(1));
    match find(&processes, name)? {
        Named::Group(members) => Ok(each(desk, &processes, in_order(members), (deed, wait)).await),
        Named::Process(process) => {
            let begun = begin(desk, &processes, process, (deed, name)).await?;
            begun.end(wait).await.map(|()| true.into())
        }
    }
}

async fn group(desk: &Desk, params: Params, deed: Deed) -> Answer {
    let processes = desk.look().await?;
    let members = in_order(find_group(&processes, params.text(0))?);
    Ok(each(desk, &processes, members, (deed, params.wait(1))).await)
}

async fn all(desk: &Desk, params: Params, deed: Deed) -> Answer {
    let processes = desk.look().await?;
    let members = in_order(processes.all.iter().collect());
    Ok(each(desk, &processes, members, (deed, params.wait(0))).await)
}

/// All are begun, then awaited; those that are done first come first.
async fn each(
    desk: &Desk,
    processes: &Processes,
    members: Vec<Process>,
    (deed, wait): (Deed, Wait),
) -> Value {
    let mut outcomes = Vec::new();
    let mut waits = JoinSet::new();
    for process in members.into_iter().filter(|process| (deed == Deed::Stop) == is_up(process.state)) {
        let begun = begin(desk, processes, &process, (deed, &process.unit.full_name())).await;
        let unit = process.unit;
        match begun {
            Ok(begun) => {
                waits.spawn(async move { Outcome { unit, result: begun.end(wait).await } });
            }
            Err(fault) => outcomes.push(Outcome { unit, result: Err(fault) }),
        }
    }
    while let Some(ended) = waits.join_next().await {
        outcomes.extend(ended);
    }
    statuses(outcomes)
}

/// supervisord's RUNNING_STATES.
fn is_up(state: State) -> bool {
    match state {
        State::Starting | State::Running | State::Backoff => true,
        State::Stopped | State::Stopping | State::Exited | State::Fatal => false,
    }
}

/// A start or stop under way.
struct Begun {
    desk: Desk,
    deed: Deed,
    /// As the client has it.
    name: String,
    service: String,
    before: State,
    events: broadcast::Receiver<Arc<Event>>,
    underway: Underway,
}

async fn begin(
    desk: &Desk,
    processes: &Processes,
    process: &Process,
    (deed, name): (Deed, &str),
) -> Result<Begun, Fault> {
    let services = Selection::of([process.word.as_str()]);
    // supervisord's clients know of no dependencies, so that nobody could be asked.
    let dependents = Dependents::Forced;
    // supervisord stops in the order of priorities when it ends, and all at once when it is asked to.
    let pace = if process.unit.program.is_some() { Pace::AtOnce } else { Pace::InOrder };
    let order = Order { services, dependents, pace, ..Order::default() };
    let command = match deed {
        Deed::Start => {
            look_up(process, processes.path_variable.as_deref())?;
            if is_up(process.state) {
                return Err(FaultCode::AlreadyStarted.with(name));
            }
            Command::Start(order)
        }
        Deed::Stop if is_up(process.state) => Command::Stop(order),
        Deed::Stop => return Err(FaultCode::NotRunning.with(name)),
    };
    let events = desk.mailbox.events();
    let underway = desk.order(command).await?;
    let (name, service) = (name.to_owned(), process.spec.name.to_string());
    Ok(Begun { desk: desk.clone(), deed, name, service, before: process.state, events, underway })
}

impl Begun {
    async fn end(self, wait: Wait) -> Result<(), Fault> {
        match (self.deed, wait) {
            (Deed::Stop, Wait::No) => Ok(()),
            (Deed::Stop, Wait::Yes) => self.until_stopped().await,
            (Deed::Start, Wait::No) => self.since_spawned().await,
            (Deed::Start, Wait::Yes) => self.until_running().await,
        }
    }

    async fn until_stopped(self) -> Result<(), Fault> {
        let report = self.underway.report.await.map_err(|_| FaultCode::ShutdownState.bare())?;
        let reason = report.results.into_iter().find_map(|result| result.reason);
        reason.map_or(Ok(()), |why| Err(FaultCode::Failed.with(why)))
    }

    /// What keeps a process from being made is known at once.
    async fn since_spawned(self) -> Result<(), Fault> {
        let state = self.state_at_a_look().await?;
        match state {
            State::Backoff | State::Fatal => Err(FaultCode::SpawnError.with(&self.name)),
            State::Stopped | State::Starting | State::Running | State::Stopping | State::Exited => Ok(()),
        }
    }

    /// The first run decides: a machine that goes on trying does so unwatched.
    async fn until_running(mut self) -> Result<(), Fault> {
        if self.before == State::Stopping {
            return Err(FaultCode::AbnormalTermination.with(&self.name));
        }
        let verdict = loop {
            let state = tokio::select! {
                biased;
                event = self.events.recv() => match event {
                    Ok(event) => self.state_in(&event),
                    Err(broadcast::error::RecvError::Lagged(_)) => Some(self.state_at_a_look().await?),
                    Err(broadcast::error::RecvError::Closed) => return Err(FaultCode::ShutdownState.bare()),
                },
                report = &mut self.underway.report => {
                    let report = report.map_err(|_| FaultCode::ShutdownState.bare())?;
                    report.results.iter().find(|it| it.service.as_str() == self.service).map(|it| it.state)
                }
            };
            match state {
                None | Some(State::Starting) => (),
                Some(State::Running) => break Ok(()),
                Some(State::Backoff | State::Fatal) => break Err(FaultCode::SpawnError.with(&self.name)),
                Some(State::Stopped | State::Stopping | State::Exited) => {
                    break Err(FaultCode::AbnormalTermination.with(&self.name));
                }
            }
        };
        let ticket = machine::event::Event::Abandoned(self.underway.ticket);
        self.desk.mailbox.send(Message::Machine(ticket)).await;
        verdict
    }

    fn state_in(&self, event: &Event) -> Option<State> {
        match &event.what {
            What::Service(change) if change.service.as_str() == self.service => Some(change.state),
            What::Service(_) | What::Notes { .. } | What::Supervisor { .. } => None,
            What::RemoteCommunication { .. } | What::Ended | What::Missed { .. } => None,
        }
    }

    async fn state_at_a_look(&self) -> Result<State, Fault> {
        let processes = self.desk.look().await?;
        let found = processes.all.iter().find(|it| it.spec.name.as_str() == self.service);
        Ok(found.map_or(State::Stopped, |process| process.state))
    }
}

/// Says why a program could not be executed, before anybody tries.
fn look_up(process: &Process, path_variable: Option<&str>) -> Result<(), Fault> {
    match lookup::refused(&process.spec, process.unit.program.as_ref(), path_variable) {
        None => Ok(()),
        Some(refused @ Refused::Missing(_)) => Err(FaultCode::NoFile.with(refused)),
        Some(refused @ (Refused::Directory(_) | Refused::NotExecutable(_) | Refused::NoWords(_))) => {
            Err(FaultCode::NotExecutable.with(refused))
        }
    }
}
