use axum::Json;
use axum::extract::State;

use super::refusal::{self, Refusal};
use crate::daemon::mailbox::{Mailbox, Message};
use crate::protocol::graph::Graph;
use crate::protocol::problem::Problem;

/// Who depends on whom, and how the last start of each service went.
#[utoipa::path(get, path = "/v1/graph", responses((status = 200, description = "Services with what they depend on", body = Graph), (status = "default", description = "A refusal", body = Problem)))]
pub async fn show(State(mailbox): State<Mailbox>) -> Result<Json<Graph>, Refusal> {
    mailbox.ask(Message::Graph).await.map(Json).ok_or_else(refusal::ending)
}
