use std::time::Duration;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;

use crate::protocol::problem::{Kind, Problem};

/// A problem as an HTTP answer.
#[derive(Debug)]
pub struct Refusal(pub Problem);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.kind.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        (status, Json(self.0)).into_response()
    }
}

/// A JSON body; one that is none, or does not come, is refused in the words of the protocol.
#[derive(Debug)]
pub struct Body<T>(pub T);

/// A request's body has to arrive within this time.
const BODY_MAX: Duration = Duration::from_secs(10);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        match tokio::time::timeout(BODY_MAX, Json::from_request(request, state)).await {
            Ok(Ok(Json(body))) => Ok(Self(body)),
            Ok(Err(rejection)) => Err(rejection.into()),
            Err(_) => Err(Refusal(Problem {
                kind: Kind::Busy,
                what: format!(
                    "cannot read the request: its body did not come within {}s",
                    BODY_MAX.as_secs()
                ),
                hint: Some("send it again".to_owned()),
            })),
        }
    }
}

impl From<JsonRejection> for Refusal {
    fn from(rejection: JsonRejection) -> Self {
        let kind = match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => Kind::TooLarge,
            _ => Kind::BadRequest,
        };
        Self(Problem {
            kind,
            what: format!("cannot read the request: {}", rejection.body_text()),
            hint: Some("send a JSON body with `content-type: application/json`".to_owned()),
        })
    }
}

/// The engine has ended and answers nobody.
pub fn ending() -> Refusal {
    Refusal(Problem {
        kind: Kind::Ending,
        what: "cannot answer: the supervisor is ending".to_owned(),
        hint: Some("`procman up` starts a new one".to_owned()),
    })
}

/// Nothing is served there.
pub async fn no_such_address() -> Refusal {
    Refusal(Problem {
        kind: Kind::NotFound,
        what: "cannot find that address".to_owned(),
        hint: Some(
            "the addresses are /v1/status, /v1/services/NAME/why, /v1/services/NAME/history, /v1/graph, /v1/commands, /v1/events, /v1/logs, /v1/logs/rotate, /v1/reload, /v1/shutdown, /v1/supervisor/log-level and /metrics; \
             /v1/openapi.json describes them"
                .to_owned(),
        ),
    })
}

/// Something is served there, and by another method.
pub async fn no_such_method() -> Refusal {
    Refusal(Problem {
        kind: Kind::BadMethod,
        what: "cannot use that method on this address".to_owned(),
        hint: Some("/v1/openapi.json says which method each address takes".to_owned()),
    })
}
