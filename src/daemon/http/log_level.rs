use axum::Json;

use super::refusal::{Body, Refusal};
use crate::daemon::own_log;
use crate::protocol::logs::LogLevelOrder;
use crate::protocol::problem::{Kind, Problem};

/// Lets the supervisor's own log tell more or less, until the supervisor ends.
#[utoipa::path(put, path = "/v1/supervisor/log-level", request_body = LogLevelOrder, responses((status = 200, description = "The level that holds", body = LogLevelOrder), (status = "default", description = "A refusal", body = Problem)))]
pub async fn set(Body(order): Body<LogLevelOrder>) -> Result<Json<LogLevelOrder>, Refusal> {
    own_log::set_level(order.level).map_err(|why| {
        let what = format!("cannot set the log level: {why}");
        Refusal(Problem { kind: Kind::Busy, what, hint: None })
    })?;
    tracing::info!(level = order.level.as_str(), "the log tells as much from here on");
    Ok(Json(order))
}
