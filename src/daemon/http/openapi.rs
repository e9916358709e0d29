use axum::Json;
use utoipa::OpenApi;
use utoipa::openapi;

use super::xmlrpc::endpoint;
use super::{causes, commands, events, graph, log_level, logs, metrics, reload, status};
use crate::protocol::event::Event;

/// What the control socket understands.
#[derive(OpenApi)]
#[openapi(
    info(title = "procman", description = "The control socket of a procman supervisor: HTTP/1.1 over a unix stream socket."),
    servers((url = "http://localhost", description = "over the unix socket that `procman status --json` names")),
    paths(status::show, causes::why, causes::history, commands::command, commands::shutdown, events::stream, graph::show, log_level::set, logs::stream, logs::rotate, reload::reload, metrics::show, endpoint::call, show),
    components(schemas(Event))
)]
struct Document;

/// This document: every address, what it takes and what it answers, as OpenAPI 3.1.
#[utoipa::path(get, path = "/v1/openapi.json", responses((status = 200, description = "An OpenAPI 3.1 document", body = Object)))]
pub async fn show() -> Json<openapi::OpenApi> {
    Json(Document::openapi())
}
