use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{FromRequest, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;

use super::desk::Desk;
use super::system;
use crate::daemon::causes::askers::Asker;
use crate::daemon::mailbox::Mailbox;
use crate::protocol::xmlrpc::message::Call;

/// A call has to arrive within this time.
const BODY_MAX: Duration = Duration::from_secs(10);

/// The addresses that speak XML-RPC: every one that begins like this.
pub fn routes() -> Router<Mailbox> {
    let at = || post(call).fallback(bad_request);
    Router::new().route("/RPC2", at()).route("/RPC2/", at()).route("/RPC2/{*rest}", at())
}

/// Answers a call of one of supervisord's methods; faults are answers, too.
#[utoipa::path(post, path = "/RPC2", request_body(content = String, content_type = "text/xml", description = "An XML-RPC methodCall; `system.listMethods` names the methods, which are those of supervisord"), responses((status = 200, description = "An XML-RPC methodResponse", body = String, content_type = "text/xml"), (status = 400, description = "No XML-RPC"), (status = 411, description = "No Content-Length")))]
pub async fn call(State(mailbox): State<Mailbox>, request: Request) -> Response {
    if !request.headers().contains_key(header::CONTENT_LENGTH) {
        return StatusCode::LENGTH_REQUIRED.into_response();
    }
    let asker = request.extensions().get::<Asker>().copied().unwrap_or(Asker::NOBODY);
    let body = match tokio::time::timeout(BODY_MAX, Bytes::from_request(request, &())).await {
        Ok(Ok(body)) => body,
        Ok(Err(rejection)) => return rejection.into_response(),
        Err(_) => return StatusCode::REQUEST_TIMEOUT.into_response(),
    };
    match Call::decode(&body) {
        Ok(call) => {
            let answer = system::answer_written(&Desk::of(mailbox, asker), call).await;
            ([(header::CONTENT_TYPE, "text/xml")], answer).into_response()
        }
        Err(malformed) => (StatusCode::BAD_REQUEST, format!("{malformed}\n")).into_response(),
    }
}

async fn bad_request() -> Response {
    (StatusCode::BAD_REQUEST, "cannot answer that: XML-RPC is spoken by POST\n").into_response()
}
