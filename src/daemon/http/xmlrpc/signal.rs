use std::path::Path;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::unix::pipe;

use super::control::{Outcome, statuses};
use super::desk::{Desk, Named, find, find_group, find_one, in_order};
use super::method::{AtEnd, Method, Params, SIGNAL};
use crate::daemon::processes::Process;
use crate::protocol::command::{Command, SignalOrder};
use crate::protocol::xmlrpc::fault::{Fault, FaultCode};
use crate::protocol::xmlrpc::message::Answer;
use crate::protocol::xmlrpc::value::Value;
use crate::vocab::selection::Selection;
use crate::vocab::signal::Signal;
use crate::vocab::state::State;

pub(super) const METHODS: &[Method] = &[
    Method {
        names: &["supervisor.signalProcess"],
        types: &["boolean", "string", SIGNAL],
        optional: 0,
        help: "Sends a signal, by name or number, to a process, or to each of a group by `GROUP:*`.",
        at_end: AtEnd::Refused,
        run: |desk, params| Box::pin(one(desk, params)),
    },
    Method {
        names: &["supervisor.signalProcessGroup"],
        types: &["array", "string", SIGNAL],
        optional: 0,
        help: "Sends a signal to each living process of a group.",
        at_end: AtEnd::Refused,
        run: |desk, params| Box::pin(group(desk, params)),
    },
    Method {
        names: &["supervisor.signalAllProcesses"],
        types: &["array", SIGNAL],
        optional: 0,
        help: "Sends a signal to each living process.",
        at_end: AtEnd::Refused,
        run: |desk, params| Box::pin(all(desk, params)),
    },
    Method {
        names: &["supervisor.sendProcessStdin"],
        types: &["boolean", "string", "string"],
        optional: 0,
        help: "Writes a text to the standard input of a process.",
        at_end: AtEnd::Refused,
        run: |desk, params| Box::pin(write(desk, params)),
    },
];

async fn one(desk: &Desk, params: Params) -> Answer {
    let processes = desk.look().await?;
    let (name, signal) = (params.text(0), &params.signal(1));
    match find(&processes, name)? {
        Named::Process(process) => send(desk, process, name, signal).await.map(|()| true.into()),
        Named::Group(members) => Ok(send_each(desk, in_order(members), signal).await),
    }
}

async fn group(desk: &Desk, params: Params) -> Answer {
    let processes = desk.look().await?;
    let members = in_order(find_group(&processes, params.text(0))?);
    Ok(send_each(desk, members, &params.signal(1)).await)
}

async fn all(desk: &Desk, params: Params) -> Answer {
    let processes = desk.look().await?;
    Ok(send_each(desk, in_order(processes.all.iter().collect()), &params.signal(0)).await)
}

async fn send_each(desk: &Desk, processes: Vec<Process>, signal: &str) -> Value {
    let mut outcomes = Vec::new();
    for process in processes.into_iter().filter(is_signallable) {
        let result = send(desk, &process, &process.unit.full_name(), signal).await;
        outcomes.push(Outcome { unit: process.unit, result });
    }
    statuses(outcomes)
}

fn is_signallable(process: &Process) -> bool {
    match process.state {
        State::Running | State::Starting | State::Stopping => true,
        State::Stopped | State::Backoff | State::Exited | State::Fatal => false,
    }
}

async fn send(desk: &Desk, process: &Process, name: &str, signal: &str) -> Result<(), Fault> {
    // Signal 0 is sent to nobody: it asks whether one could be (kill(2)).
    let parsed = match signal.trim() {
        "0" => None,
        trimmed => Some(Signal::parse(trimmed).map_err(|_| FaultCode::BadSignal.with(signal))?),
    };
    if !is_signallable(process) {
        return Err(FaultCode::NotRunning.with(name));
    }
    let Some(signal) = parsed else { return Ok(()) };
    let services = Selection::of([process.word.as_str()]);
    let sent = desk.order(Command::Signal(SignalOrder { services, signal: Some(signal) })).await?;
    let report = sent.report.await.map_err(|_| FaultCode::ShutdownState.bare())?;
    match report.results.into_iter().find_map(|result| result.reason) {
        None => Ok(()),
        Some(why) => Err(FaultCode::Failed.with(why)),
    }
}

async fn write(desk: &Desk, params: Params) -> Answer {
    let processes = desk.look().await?;
    let name = params.text(0);
    let process = find_one(&processes, name)?;
    if process.pid.is_none() || process.state == State::Stopping {
        return Err(FaultCode::NotRunning.with(name));
    }
    let closed = || FaultCode::NoFile.with(name);
    let pipe = process.stdin.as_deref().ok_or_else(closed)?;
    let full = || FaultCode::Failed.with(format!("{name} does not read its standard input"));
    match tokio::time::timeout(WRITE_MAX, write_to(pipe, params.text(1))).await {
        Ok(Ok(())) => Ok(true.into()),
        Ok(Err(_)) => Err(closed()),
        Err(_) => Err(full()),
    }
}

/// A pipe that is full is waited for so long.
const WRITE_MAX: Duration = Duration::from_secs(5);

/// A pipe that nobody has open for reading cannot be opened (ENXIO, fifo(7)).
async fn write_to(path: &Path, text: &str) -> std::io::Result<()> {
    let mut sender = pipe::OpenOptions::new().open_sender(path)?;
    sender.write_all(text.as_bytes()).await
}
