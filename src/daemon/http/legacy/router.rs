use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};

use super::gate::{self, Gate};
use super::{page, tail};
use crate::daemon::http::xmlrpc::endpoint;
use crate::daemon::mailbox::Mailbox;
use crate::protocol::xmlrpc::message::CALL_BYTES_MAX;

/// Every address of a server that supervisord's config declares.
pub(super) fn router(mailbox: Mailbox, gate: Gate) -> Router {
    Router::new()
        .merge(endpoint::routes())
        .route("/", any(page::index))
        .route("/index.html", any(page::index))
        .route("/tail.html", any(tail::page))
        .route("/ok.html", get(|| async { "OK" }))
        .route("/logtail/{name}", get(tail::of_stdout).fallback(bad_request))
        .route("/logtail/{name}/{channel}", get(tail::of_channel).fallback(bad_request))
        .route("/mainlogtail", get(tail::of_supervisor).fallback(bad_request))
        .layer(DefaultBodyLimit::max(CALL_BYTES_MAX))
        .layer(middleware::from_fn_with_state(Arc::new(gate), gate::pass))
        .with_state(mailbox)
}

async fn bad_request() -> Response {
    (StatusCode::BAD_REQUEST, "cannot answer that: logs are read by GET\n").into_response()
}
