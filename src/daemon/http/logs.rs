use std::io;
use std::ops::ControlFlow;
use std::thread;

use axum::Json;
use axum::body::Body as Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query as Asked, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, SemaphorePermit, mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;

use super::framing::Framing;
use super::refusal::{self, Body, Refusal};
use crate::daemon::log_feed::LogFeed;
use crate::daemon::log_query;
use crate::daemon::mailbox::{Mailbox, Message};
use crate::logs::query::{Item, Source};
use crate::logs::session::{Going, Listener, Session};
use crate::logs::wanted::Wanted;
use crate::protocol::logs::{LogItem, LogsQuery, RotateOrder, RotateReport};
use crate::protocol::problem::{Kind, Problem};
use crate::sys::clock;

/// So many frames may wait for a client that reads slowly; the files are read on when it has read.
const FRAMES_AHEAD: usize = 16;

/// Lines are sent together up to so many bytes.
const FRAME_BYTES: usize = 16 * 1024;

/// So many clients read at once, each with a thread that reads the files.
static READERS: Semaphore = Semaphore::const_new(32);

/// Lines of the services' logs with marks between runs, as `procman logs` shows them: one JSON object a line, or server-sent events for those who
/// accept `text/event-stream`. They come from the files, so that a client that reads slowly holds nobody up.
#[utoipa::path(get, path = "/v1/logs", params(LogsQuery), responses((status = 200, description = "Lines of JSON, or server-sent events for those who accept text/event-stream", body = LogItem, content_type = "application/x-ndjson"), (status = "default", description = "A refusal", body = Problem)))]
pub async fn stream(
    State(mailbox): State<Mailbox>,
    asked: Result<Asked<LogsQuery>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let Asked(asked) = asked.map_err(|rejection| bad_query(rejection.body_text()))?;
    let reader = READERS.try_acquire().map_err(|_| too_many())?;
    let ended = mailbox.ended();
    let going = if asked.follow { Going::On } else { Going::AsFarAsItIs };
    let again = again(mailbox.clone(), &asked);
    let query = mailbox.ask(|reply| Message::ReadLogs(asked, reply)).await.ok_or_else(refusal::ending)?;
    let (query, marks) = query.map_err(Refusal)?;
    let framing = Framing::of(&headers);
    let (frames, body) = mpsc::channel(FRAMES_AHEAD);
    let wanted = query.wanted.clone();
    let (still_read, done) = oneshot::channel();
    tokio::spawn(watch_end(ended, frames.clone(), done, wanted.clone()));
    let mut pass_on =
        PassOn { frames, framing, frame: String::new(), wanted, _still_read: still_read, _reader: reader };
    let read = move || {
        let mut feed = LogFeed::new(marks, again);
        let session = Session { query: &query, going, unix_ms: clock::unix_ms, feed: &mut feed };
        let read = session.run(&mut pass_on);
        pass_on.end(read);
    };
    let thread = thread::Builder::new().name("log-reader".to_owned()).spawn(read);
    thread.map_err(|error| no_thread(&error))?;
    let body = Bytes::from_stream(ReceiverStream::new(body));
    Ok(([(header::CONTENT_TYPE, framing.content_type())], body).into_response())
}

/// Which streams are meant by the same words when there are other services. A word that means none any more is passed over. It
/// waits on the calling thread.
fn again(mailbox: Mailbox, asked: &LogsQuery) -> impl FnMut() -> Option<Vec<Source>> + use<> {
    let runtime = Handle::current();
    let words = asked.services.as_deref().map(|words| words.split(',').map(str::to_owned).collect());
    let words: Vec<Option<String>> =
        words.map_or_else(|| vec![None], |words: Vec<String>| words.into_iter().map(Some).collect());
    let stream = asked.stream;
    move || {
        let mut sources = Vec::new();
        for services in words.clone() {
            let asked = LogsQuery { services, stream, ..LogsQuery::default() };
            let answer = runtime.block_on(mailbox.ask(|reply| Message::ReadLogs(asked, reply)))?;
            sources.extend(answer.into_iter().flat_map(|(query, _)| query.sources));
        }
        Some(sources)
    }
}

/// Sets log files aside, whatever their sizes are.
#[utoipa::path(post, path = "/v1/logs/rotate", request_body = RotateOrder, responses((status = 200, description = "What came of each file", body = RotateReport), (status = "default", description = "A refusal", body = Problem)))]
pub async fn rotate(
    State(mailbox): State<Mailbox>,
    Body(order): Body<RotateOrder>,
) -> Result<Json<RotateReport>, Refusal> {
    let report = mailbox.ask(|reply| Message::RotateLogs(order, reply)).await.ok_or_else(refusal::ending)?;
    report.map(Json).map_err(Refusal)
}

/// Nobody reads on for a client that has left, and nobody waits for one when the supervisor ends: its stream ends first.
async fn watch_end(
    ended: impl Future<Output = ()>,
    frames: mpsc::Sender<io::Result<String>>,
    done: oneshot::Receiver<()>,
    wanted: Wanted,
) {
    tokio::select! {
        () = ended => wanted.end(),
        () = frames.closed() => wanted.end(),
        _ = done => (),
    }
}

/// Lines on their way to one client.
struct PassOn {
    frames: mpsc::Sender<io::Result<String>>,
    framing: Framing,
    frame: String,
    wanted: Wanted,
    /// Tells its end by being dropped.
    _still_read: oneshot::Sender<()>,
    _reader: SemaphorePermit<'static>,
}

impl PassOn {
    /// Waits until there is room.
    fn send(&mut self) -> ControlFlow<()> {
        let frame = std::mem::take(&mut self.frame);
        match frame.is_empty() || self.frames.blocking_send(Ok(frame)).is_ok() {
            true => ControlFlow::Continue(()),
            false => ControlFlow::Break(()),
        }
    }

    /// Ends the answer. One that is not whole is broken off, so that no client takes it for all that there is: its last chunk is
    /// missing (RFC 9112, section 8).
    fn end(mut self, read: io::Result<()>) {
        let sent = self.send();
        if let Err(error) = read {
            if self.wanted.is_over() {
                tracing::debug!(%error, "logs were not read to their end for a client");
            } else {
                tracing::warn!(%error, "cannot read logs for a client");
            }
            if sent.is_continue() {
                let _ = self.frames.blocking_send(Err(error));
            }
        }
    }
}

impl Listener for PassOn {
    fn hear(&mut self, item: Item) -> ControlFlow<()> {
        let json = serde_json::to_string(&log_query::on_the_wire(item));
        self.frame.push_str(&self.framing.frame(&json.unwrap_or_default()));
        if self.frame.len() < FRAME_BYTES {
            return ControlFlow::Continue(());
        }
        self.send()
    }

    fn rest(&mut self) -> ControlFlow<()> {
        if self.wanted.is_over() { ControlFlow::Break(()) } else { self.send() }
    }
}

fn bad_query(why: String) -> Refusal {
    Refusal(Problem {
        kind: Kind::BadRequest,
        what: format!("cannot read the query: {why}"),
        hint: Some("/v1/openapi.json says what /v1/logs takes".to_owned()),
    })
}

fn too_many() -> Refusal {
    Refusal(Problem {
        kind: Kind::Busy,
        what: "cannot show logs: too many clients read them".to_owned(),
        hint: Some("`procman logs` reads the files itself".to_owned()),
    })
}

fn no_thread(error: &io::Error) -> Refusal {
    Refusal(Problem {
        kind: Kind::Busy,
        what: format!("cannot make a thread that reads logs: {error}"),
        hint: Some("`procman logs` reads the files itself".to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use std::io;

    use axum::body::{Body, to_bytes};
    use tokio::sync::{mpsc, oneshot};
    use tokio_stream::wrappers::ReceiverStream;

    use super::{FRAMES_AHEAD, PassOn, READERS};
    use crate::daemon::http::framing::Framing;
    use crate::logs::piece::{PieceBegin, PieceEnd};
    use crate::logs::query::{Item, Line};
    use crate::logs::session::Listener;
    use crate::logs::wanted::Wanted;
    use crate::vocab::name::ServiceName;
    use crate::vocab::stream::Stream;

    /// What a client gets of a line and an end.
    fn answer(read: io::Result<()>) -> Result<String, axum::Error> {
        let (frames, body) = mpsc::channel(FRAMES_AHEAD);
        let (still_read, _done) = oneshot::channel();
        let mut pass_on = PassOn {
            frames,
            framing: Framing::Lines,
            frame: String::new(),
            wanted: Wanted::default(),
            _still_read: still_read,
            _reader: READERS.try_acquire().unwrap(),
        };
        let (service, bytes) = (ServiceName::parse("a").unwrap(), b"hello".to_vec());
        let line = Line {
            service,
            stream: Stream::Stdout,
            unix_ms: 1,
            bytes,
            begin: PieceBegin::Line,
            end: PieceEnd::Line,
        };
        assert!(pass_on.hear(Item::Line(line)).is_continue());
        pass_on.end(read);
        let body = Body::from_stream(ReceiverStream::new(body));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let bytes = runtime.block_on(to_bytes(body, usize::MAX))?;
        Ok(String::from_utf8(bytes.to_vec()).unwrap())
    }

    #[test]
    fn an_answer_that_is_not_whole_does_not_end_like_one_that_is() {
        let whole = answer(Ok(())).unwrap();
        assert!(whole.contains("\"hello\"") && whole.ends_with("}\n"), "{whole}");
        let broken_off = answer(Err(io::Error::other("a disk that fails"))).unwrap_err().to_string();
        assert!(broken_off.contains("a disk that fails"), "{broken_off}");
    }
}
