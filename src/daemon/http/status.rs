use axum::Json;
use axum::extract::State;

use super::refusal::{self, Refusal};
use crate::daemon::mailbox::{Mailbox, Message};
use crate::protocol::status::Status;

/// How things stand, looked at afresh for each request.
pub async fn show(State(mailbox): State<Mailbox>) -> Result<Json<Status>, Refusal> {
    mailbox.ask(Message::Status).await.map(Json).ok_or_else(refusal::ending)
}
