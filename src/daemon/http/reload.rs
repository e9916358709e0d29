use axum::Json;
use axum::extract::State;

use super::refusal::{self, Body, Refusal};
use crate::daemon::mailbox::{Mailbox, Message};
use crate::protocol::command::ReloadOrder;
use crate::protocol::reply::ReloadReport;

/// Reads the config again; says what differs, and applies it unless asked only to look.
pub async fn reload(
    State(mailbox): State<Mailbox>,
    Body(order): Body<ReloadOrder>,
) -> Result<Json<ReloadReport>, Refusal> {
    mailbox.ask(|reply| Message::Reload(order, reply)).await.map(Json).ok_or_else(refusal::ending)
}
