use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post, put};

use super::xmlrpc::endpoint;
use super::{causes, commands, events, graph, log_level, logs, metrics, openapi, refusal, reload, status};
use crate::daemon::mailbox::Mailbox;

/// No request is larger than this many bytes.
const BODY_MAX: usize = 1 << 20;

/// Every address of the control socket.
pub fn router(mailbox: Mailbox) -> Router {
    Router::new()
        .route("/v1/status", get(status::show))
        .route("/v1/services/{name}/why", get(causes::why))
        .route("/v1/services/{name}/history", get(causes::history))
        .route("/v1/commands", post(commands::command))
        .route("/v1/shutdown", post(commands::shutdown))
        .route("/v1/graph", get(graph::show))
        .route("/v1/events", get(events::stream))
        .route("/v1/supervisor/log-level", put(log_level::set))
        .route("/v1/logs", get(logs::stream))
        .route("/v1/logs/rotate", post(logs::rotate))
        .route("/v1/reload", post(reload::reload))
        .route("/v1/openapi.json", get(openapi::show))
        .route("/metrics", get(metrics::show))
        .merge(endpoint::routes())
        .fallback(refusal::no_such_address)
        .method_not_allowed_fallback(refusal::no_such_method)
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .with_state(mailbox)
}
