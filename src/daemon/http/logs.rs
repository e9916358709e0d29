use axum::Json;
use axum::extract::State;

use super::refusal::{self, Body, Refusal};
use crate::daemon::mailbox::{Mailbox, Message};
use crate::protocol::logs::{RotateOrder, RotateReport};
use crate::protocol::problem::Problem;

/// Sets log files aside, whatever their sizes are.
#[utoipa::path(post, path = "/v1/logs/rotate", request_body = RotateOrder, responses((status = 200, description = "What came of each file", body = RotateReport), (status = "default", description = "A refusal", body = Problem)))]
pub async fn rotate(
    State(mailbox): State<Mailbox>,
    Body(order): Body<RotateOrder>,
) -> Result<Json<RotateReport>, Refusal> {
    let report = mailbox.ask(|reply| Message::RotateLogs(order, reply)).await.ok_or_else(refusal::ending)?;
    report.map(Json).map_err(Refusal)
}
