use std::convert::Infallible;
use std::sync::Arc;

use axum::Extension;
use axum::body::Body as Bytes;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;

use super::refusal::{self, Body, Refusal};
use crate::daemon::causes::askers::Asker;
use crate::daemon::mailbox::{Awaited, Mailbox, Message, Reply};
use crate::machine;
use crate::machine::ticket::TicketId;
use crate::protocol::command::{Command, ShutdownOrder};
use crate::protocol::event::Event;
use crate::protocol::problem::Problem;
use crate::protocol::reply::{Line, Report};

/// So many lines may wait for a client that reads slowly; the events behind them wait in the broadcast.
const LINES_AHEAD: usize = 16;

/// Does what is asked and streams what happens, with the report as the last line.
#[utoipa::path(post, path = "/v1/commands", request_body = Command, responses((status = 200, description = "Lines of JSON", body = Line, content_type = "application/x-ndjson"), (status = "default", description = "A refusal", body = Problem)))]
pub async fn command(
    State(mailbox): State<Mailbox>,
    Extension(asker): Extension<Asker>,
    Body(command): Body<Command>,
) -> Result<Response, Refusal> {
    run(mailbox, asker, |ticket, reply| Message::Command(ticket, command, reply)).await
}

/// Ends the supervisor and streams what happens, with the report as the last line.
#[utoipa::path(post, path = "/v1/shutdown", request_body = ShutdownOrder, responses((status = 200, description = "Lines of JSON", body = Line, content_type = "application/x-ndjson"), (status = "default", description = "A refusal", body = Problem)))]
pub async fn shutdown(
    State(mailbox): State<Mailbox>,
    Extension(asker): Extension<Asker>,
    Body(order): Body<ShutdownOrder>,
) -> Result<Response, Refusal> {
    run(mailbox, asker, |ticket, reply| Message::Shutdown(ticket, order, reply)).await
}

async fn run(
    mailbox: Mailbox,
    asker: Asker,
    message: impl FnOnce(TicketId, Reply) -> Message,
) -> Result<Response, Refusal> {
    let events = mailbox.events();
    let ticket = mailbox.ticket();
    let (reply, Awaited { accepted, report }) = Reply::to(asker);
    mailbox.send(message(ticket, reply)).await;
    accepted.await.map_err(|_| refusal::ending())?.map_err(Refusal)?;
    let (lines, body) = mpsc::channel(LINES_AHEAD);
    let talk = Talk { events, report, lines };
    tokio::spawn(async move {
        if talk.run().await == Listener::Left {
            mailbox.send(Message::Machine(machine::event::Event::Abandoned(ticket))).await;
        }
    });
    let body = Bytes::from_stream(ReceiverStream::new(body).map(Ok::<_, Infallible>));
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], body).into_response())
}

/// One command's answer on its way to one client.
struct Talk {
    events: broadcast::Receiver<Arc<Event>>,
    report: oneshot::Receiver<Report>,
    lines: mpsc::Sender<String>,
}

#[derive(PartialEq)]
enum Listener {
    Served,
    Left,
}

impl Talk {
    async fn run(mut self) -> Listener {
        let report = loop {
            tokio::select! {
                biased;
                event = self.events.recv() => {
                    let Ok(event) = event else { continue };
                    if self.say(&Line::Event(Event::clone(&event))).await == Listener::Left {
                        return Listener::Left;
                    }
                }
                report = &mut self.report => break report,
                () = self.lines.closed() => return Listener::Left,
            }
        };
        while let Ok(event) = self.events.try_recv() {
            self.say(&Line::Event(Event::clone(&event))).await;
        }
        match report {
            Ok(report) => self.say(&Line::Done(report)).await,
            // The engine ended in the middle; the client sees a stream that ends without a report.
            Err(_) => Listener::Served,
        }
    }

    async fn say(&self, line: &Line) -> Listener {
        let Ok(mut text) = serde_json::to_string(line) else { return Listener::Served };
        text.push('\n');
        match self.lines.send(text).await {
            Ok(()) => Listener::Served,
            Err(_) => Listener::Left,
        }
    }
}
