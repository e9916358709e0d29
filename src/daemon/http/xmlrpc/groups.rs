use super::desk::Desk;
use super::method::{AtEnd, Method, Params};
use crate::daemon::groups::{Refused, Reread};
use crate::daemon::question::Question;
use crate::protocol::xmlrpc::fault::{Fault, FaultCode};
use crate::protocol::xmlrpc::message::Answer;
use crate::protocol::xmlrpc::value::Value;

pub(super) const METHODS: &[Method] = &[
    Method {
        names: &["supervisor.reloadConfig"],
        types: &["array"],
        optional: 0,
        help: "Reads the config again, and says which groups were added, changed and removed: [[added, changed, removed]]. \
               Nothing is applied.",
        at_end: AtEnd::Refused,
        run: |desk, _| Box::pin(reread(desk)),
    },
    Method {
        names: &["supervisor.addProcessGroup"],
        types: &["boolean", "string"],
        optional: 0,
        help: "Takes over a group of the config that was read last.",
        at_end: AtEnd::Refused,
        run: |desk, params| Box::pin(add(desk, params)),
    },
    Method {
        names: &["supervisor.removeProcessGroup"],
        types: &["boolean", "string"],
        optional: 0,
        help: "Forgets a group whose processes are stopped.",
        at_end: AtEnd::Refused,
        run: |desk, params| Box::pin(remove(desk, params)),
    },
];

async fn reread(desk: &Desk) -> Answer {
    let reread = desk.ask(Question::Reread).await?;
    let Reread { added, changed, removed } = reread.map_err(|why| FaultCode::CantReread.with(why))?;
    let names = |names: Vec<String>| Value::Array(names.into_iter().map(Value::from).collect());
    Ok(Value::Array(vec![Value::Array([added, changed, removed].map(names).into())]))
}

async fn add(desk: &Desk, params: Params) -> Answer {
    let group = params.text(0);
    let added = desk.ask(|reply| Question::AddGroup(group.to_owned(), reply)).await?;
    added.map(|()| true.into()).map_err(|refused| fault(refused, group))
}

async fn remove(desk: &Desk, params: Params) -> Answer {
    let group = params.text(0);
    let removed = desk.ask(|reply| Question::RemoveGroup(group.to_owned(), reply)).await?;
    removed.map(|()| true.into()).map_err(|refused| fault(refused, group))
}

fn fault(refused: Refused, group: &str) -> Fault {
    match refused {
        Refused::Unknown => FaultCode::BadName.with(group),
        Refused::Active => FaultCode::AlreadyAdded.with(group),
        Refused::StillRunning => FaultCode::StillRunning.with(group),
        Refused::NotAFleet(why) => FaultCode::Failed.with(why),
    }
}
