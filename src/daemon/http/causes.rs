use axum::Json;
use axum::extract::{Path, RawQuery, State};

use super::refusal::{self, Refusal};
use crate::daemon::mailbox::{Mailbox, Message};
use crate::protocol::problem::{Kind, Problem};
use crate::protocol::why::Why;
use crate::vocab::cause::Record;
use crate::vocab::name::ServiceName;
use crate::vocab::selection::NoSuchService;

/// Why a service is as it is, and how its last run ended.
#[utoipa::path(get, path = "/v1/services/{name}/why", params(("name" = String, Path, description = "The service")), responses((status = 200, description = "The cause", body = Why), (status = "default", description = "A refusal", body = Problem)))]
pub async fn why(State(mailbox): State<Mailbox>, Path(name): Path<String>) -> Result<Json<Why>, Refusal> {
    let service = ServiceName::parse(&name).map_err(|_| no_such_service(&name))?;
    let why = mailbox.ask(|reply| Message::Why(service, reply)).await;
    why.ok_or_else(refusal::ending)?.map(Json).ok_or_else(|| no_such_service(&name))
}

/// How the runs of a service ended, the oldest first; with `?last=N`, the last so many. Of a service that the config has no
/// more, too, as long as its records are kept.
#[utoipa::path(get, path = "/v1/services/{name}/history", params(("name" = String, Path, description = "The service"), ("last" = Option<usize>, Query, description = "So many of the youngest alone")), responses((status = 200, description = "The records", body = [Record]), (status = "default", description = "A refusal", body = Problem)))]
pub async fn history(
    State(mailbox): State<Mailbox>,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Json<Vec<Record>>, Refusal> {
    let last = last_of(query.as_deref().unwrap_or_default())?;
    let service = ServiceName::parse(&name).map_err(|_| no_such_service(&name))?;
    let records = mailbox.ask(|reply| Message::History(service, reply)).await;
    let mut records = records.ok_or_else(refusal::ending)?;
    records.drain(..records.len().saturating_sub(last));
    Ok(Json(records))
}

fn last_of(query: &str) -> Result<usize, Refusal> {
    let Some(word) = query.split('&').find_map(|word| word.strip_prefix("last=")) else {
        return Ok(usize::MAX);
    };
    word.parse().map_err(|_| {
        Refusal(Problem {
            kind: Kind::BadRequest,
            what: format!("cannot read the request: `last={word}` is no count"),
            hint: Some("write a number, as in `?last=10`".to_owned()),
        })
    })
}

fn no_such_service(name: &str) -> Refusal {
    Refusal(Problem::no_such_service(&NoSuchService { word: name.to_owned(), near: None }))
}
