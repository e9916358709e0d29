use axum::http::{HeaderMap, header};

/// How the objects of a stream are told apart.
#[derive(Debug, Clone, Copy)]
pub(super) enum Framing {
    /// One JSON object a line.
    Lines,
    /// Server-sent events.
    ServerSent,
}

impl Framing {
    /// What a client asks for.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let accepts = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if accepts.contains("text/event-stream") { Self::ServerSent } else { Self::Lines }
    }

    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::Lines => "application/x-ndjson",
            Self::ServerSent => "text/event-stream",
        }
    }

    pub(super) fn frame(self, json: &str) -> String {
        match self {
            Self::Lines => format!("{json}\n"),
            Self::ServerSent => format!("data: {json}\n\n"),
        }
    }
}
