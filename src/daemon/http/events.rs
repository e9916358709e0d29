use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, mpsc};
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;

use super::framing::Framing;
use crate::daemon::mailbox::Mailbox;
use crate::protocol::event::{Event, What};
use crate::sys::clock;

/// So many events may wait for a client that reads slowly; those behind them wait in the broadcast, and are dropped and
/// counted when that is full.
const EVENTS_AHEAD: usize = 16;

/// All events from now on: one JSON object a line, or server-sent events for those who accept `text/event-stream`.
#[utoipa::path(get, path = "/v1/events", responses((status = 200, description = "Lines of JSON, or server-sent events for those who accept text/event-stream", body = Event, content_type = "application/x-ndjson")))]
pub async fn stream(State(mailbox): State<Mailbox>, headers: HeaderMap) -> Response {
    let framing = Framing::of(&headers);
    let (frames, body) = mpsc::channel(EVENTS_AHEAD);
    tokio::spawn(pass_on(mailbox.events(), frames, framing));
    let body = Body::from_stream(ReceiverStream::new(body).map(Ok::<_, Infallible>));
    ([(header::CONTENT_TYPE, framing.content_type())], body).into_response()
}

/// Passes events on until the supervisor ends or the client leaves.
async fn pass_on(
    mut events: broadcast::Receiver<Arc<Event>>,
    frames: mpsc::Sender<String>,
    framing: Framing,
) {
    loop {
        let event = tokio::select! {
            event = events.recv() => event,
            () = frames.closed() => return,
        };
        let event = match event {
            Ok(event) => event,
            Err(RecvError::Lagged(count)) => {
                Arc::new(Event { unix_ms: clock::unix_ms(), what: What::Missed { count } })
            }
            Err(RecvError::Closed) => return,
        };
        let json = serde_json::to_string(event.as_ref()).unwrap_or_default();
        if frames.send(framing.frame(&json)).await.is_err() || event.what == What::Ended {
            return;
        }
    }
}
