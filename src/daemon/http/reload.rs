use axum::extract::State;
use axum::{Extension, Json};

use super::refusal::{self, Body, Refusal};
use crate::daemon::causes::askers::Asker;
use crate::daemon::mailbox::{Mailbox, Message};
use crate::protocol::command::ReloadOrder;
use crate::protocol::problem::Problem;
use crate::protocol::reply::ReloadReport;

/// Reads the config again; says what differs, and applies it unless asked only to look.
#[utoipa::path(post, path = "/v1/reload", request_body = ReloadOrder, responses((status = 200, description = "The difference", body = ReloadReport), (status = "default", description = "A refusal", body = Problem)))]
pub async fn reload(
    State(mailbox): State<Mailbox>,
    Extension(asker): Extension<Asker>,
    Body(order): Body<ReloadOrder>,
) -> Result<Json<ReloadReport>, Refusal> {
    mailbox.ask(|reply| Message::Reload(order, asker, reply)).await.map(Json).ok_or_else(refusal::ending)
}
