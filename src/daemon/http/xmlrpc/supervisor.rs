use super::desk::Desk;
use super::method::{AtEnd, Method, Params};
use crate::daemon::listeners::switchboard::News;
use crate::daemon::mailbox::Message;
use crate::daemon::question::Question;
use crate::protocol::command::{Command, Order, Rehearsal, ReloadOrder, ShutdownOrder};
use crate::protocol::xmlrpc::fault::{Fault, FaultCode};
use crate::protocol::xmlrpc::message::Answer;
use crate::protocol::xmlrpc::spoken;
use crate::protocol::xmlrpc::value::Value;
use crate::spec::listener::EventType;

pub(super) const METHODS: &[Method] = &[
    Method {
        names: &["supervisor.getAPIVersion", "supervisor.getVersion"],
        types: &["string"],
        optional: 0,
        help: "Says the version of this protocol.",
        at_end: AtEnd::Refused,
        run: |_, _| Box::pin(async { Ok(Value::from(spoken::API)) }),
    },
    Method {
        names: &["supervisor.getSupervisorVersion"],
        types: &["string"],
        optional: 0,
        help: "Says the version of supervisord that this protocol is that of; /v1/status has procman's own.",
        at_end: AtEnd::Refused,
        run: |_, _| Box::pin(async { Ok(Value::from(spoken::SUPERVISORD)) }),
    },
    Method {
        names: &["supervisor.getIdentification"],
        types: &["string"],
        optional: 0,
        help: "Says what the supervisor calls itself: the `identifier` of [supervisord].",
        at_end: AtEnd::Refused,
        run: |desk, _| Box::pin(async { Ok(Value::from(desk.look().await?.identifier.as_str())) }),
    },
    Method {
        names: &["supervisor.getState"],
        types: &["struct"],
        optional: 0,
        help: "Says the state of the supervisor: statecode and statename.",
        at_end: AtEnd::Refused,
        run: |_, _| {
            Box::pin(async { Ok(Value::members([("statecode", 1.into()), ("statename", "RUNNING".into())])) })
        },
    },
    Method {
        names: &["supervisor.getPID"],
        types: &["int"],
        optional: 0,
        help: "Says the pid that stands for the whole: that of the supervisor's guardian, which is in the pidfile, if it has one.",
        at_end: AtEnd::Refused,
        run: |desk, _| Box::pin(async { Ok(Value::from(desk.look().await?.pid.as_raw())) }),
    },
    Method {
        names: &["supervisor.shutdown"],
        types: &["boolean"],
        optional: 0,
        help: "Stops every process and ends the supervisor; answers before that is done.",
        at_end: AtEnd::Refused,
        run: |desk, _| Box::pin(shutdown(desk)),
    },
    Method {
        names: &["supervisor.restart"],
        types: &["boolean"],
        optional: 0,
        help: "Stops every process, reads the config again, and starts those with autostart; answers before that is done. A \
               config with a problem, or by which a process that lives would not start again, is the fault CANT_REREAD, and \
               nothing is touched.",
        at_end: AtEnd::Refused,
        run: |desk, _| Box::pin(restart(desk)),
    },
    Method {
        names: &["supervisor.sendRemoteCommEvent"],
        types: &["boolean", "string", "string"],
        optional: 0,
        help: "Tells everybody who listens to events: of which kind it is, and what it says.",
        at_end: AtEnd::Answered,
        run: |desk, params| Box::pin(async move { Ok(tell(desk, &params).await) }),
    },
];

async fn shutdown(desk: &Desk) -> Answer {
    desk.send(|ticket, reply| Message::Shutdown(ticket, ShutdownOrder::default(), reply)).await?;
    Ok(Value::Bool(true))
}

async fn tell(desk: &Desk, params: &Params) -> Value {
    let news = News::Remote { kind: params.text(0).to_owned(), data: params.text(1).to_owned() };
    desk.mailbox.send(Message::ToListeners(news)).await;
    Value::Bool(true)
}

/// Stops everything and starts it again by the config as it is then. What would go wrong is found before anything is stopped.
///
/// # Errors
/// The config has a problem, a service that lives would not start again, or the supervisor is about to end.
pub async fn restart(desk: &Desk) -> Answer {
    let foreseen = desk.ask(Question::ForeseeRestart).await?;
    foreseen.map_err(|problems| FaultCode::CantReread.with(problems))?;
    let desk = desk.clone();
    tokio::spawn(async move {
        if let Err(fault) = begin_again(&desk).await {
            tracing::warn!(fault = fault.text, "cannot restart all services");
        }
    });
    Ok(Value::Bool(true))
}

async fn begin_again(desk: &Desk) -> Result<(), Fault> {
    let tell = |change| desk.mailbox.send(Message::ToListeners(News::Supervisor(change)));
    tell(EventType::SupervisorStateChangeStopping).await;
    let stopped = desk.order(Command::Stop(Order::default())).await?;
    // An engine that ends meanwhile refuses what follows.
    let _ = stopped.report.await;
    let order = ReloadOrder { run: Rehearsal::Real };
    let report = desk.mailbox.ask(|reply| Message::Reload(order, desk.asker, reply)).await;
    let report = report.ok_or_else(|| FaultCode::ShutdownState.bare())?;
    // What was foreseen may have changed since, and what could not be stopped is not replaced by what would not start.
    let problems = report.problems.unwrap_or_else(|| report.preflight.join("\n"));
    if !problems.is_empty() {
        tracing::warn!("cannot take over the config; the services start as it was\n{problems}");
    }
    tell(EventType::SupervisorStateChangeRunning).await;
    desk.order(Command::Up(Order::default())).await.map(drop)
}
