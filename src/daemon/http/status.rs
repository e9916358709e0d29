use axum::Json;
use axum::extract::State;

use super::refusal::{self, Refusal};
use crate::daemon::mailbox::{Mailbox, Message};
use crate::protocol::problem::Problem;
use crate::protocol::status::Status;

/// How things stand, looked at afresh for each request.
#[utoipa::path(get, path = "/v1/status", responses((status = 200, description = "Services, ports and supervisor", body = Status), (status = "default", description = "A refusal", body = Problem)))]
pub async fn show(State(mailbox): State<Mailbox>) -> Result<Json<Status>, Refusal> {
    mailbox.ask(Message::Status).await.map(Json).ok_or_else(refusal::ending)
}
