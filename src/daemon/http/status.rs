use axum::Json;
use axum::extract::{RawQuery, State};

use super::refusal::{self, Refusal};
use crate::daemon::mailbox::{Detail, Mailbox, Message};
use crate::protocol::problem::Problem;
use crate::protocol::status::Status;

/// How things stand, looked at afresh for each request; with `?tree`, each service comes with its process tree.
#[utoipa::path(get, path = "/v1/status", params(("tree" = Option<bool>, Query, description = "Each service with its process tree, by the word alone or `true`")), responses((status = 200, description = "Services, ports and supervisor", body = Status), (status = "default", description = "A refusal", body = Problem)))]
pub async fn show(
    State(mailbox): State<Mailbox>,
    RawQuery(query): RawQuery,
) -> Result<Json<Status>, Refusal> {
    let wants_trees = wants_trees(query.as_deref().unwrap_or_default());
    let detail = if wants_trees { Detail::WithTrees } else { Detail::AtAGlance };
    let status = mailbox.ask(|reply| Message::Status(detail, reply)).await;
    status.map(Json).ok_or_else(refusal::ending)
}

fn wants_trees(query: &str) -> bool {
    query.split('&').any(|word| matches!(word, "tree" | "tree=true" | "tree=1"))
}
