use std::convert::Infallible;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use tokio_stream::StreamExt;
use tokio_stream::wrappers::BroadcastStream;
use tokio_stream::wrappers::errors::BroadcastStreamRecvError;

use crate::daemon::mailbox::Mailbox;
use crate::protocol::event::{Event, What};
use crate::sys::clock;

/// All events from now on: one JSON object a line, or server-sent events for those who accept `text/event-stream`.
pub async fn stream(State(mailbox): State<Mailbox>, headers: HeaderMap) -> Response {
    let accepts = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let framing = if accepts.contains("text/event-stream") { Framing::ServerSent } else { Framing::Lines };
    let events = BroadcastStream::new(mailbox.events()).map(move |event| {
        let json = match event {
            Ok(event) => serde_json::to_string(event.as_ref()),
            Err(BroadcastStreamRecvError::Lagged(count)) => {
                serde_json::to_string(&Event { unix_ms: clock::unix_ms(), what: What::Missed { count } })
            }
        };
        Ok::<_, Infallible>(framing.frame(&json.unwrap_or_default()))
    });
    ([(header::CONTENT_TYPE, framing.content_type())], Body::from_stream(events)).into_response()
}

#[derive(Debug, Clone, Copy)]
enum Framing {
    Lines,
    ServerSent,
}

impl Framing {
    fn content_type(self) -> &'static str {
        match self {
            Self::Lines => "application/x-ndjson",
            Self::ServerSent => "text/event-stream",
        }
    }

    fn frame(self, json: &str) -> String {
        match self {
            Self::Lines => format!("{json}\n"),
            Self::ServerSent => format!("data: {json}\n\n"),
        }
    }
}
