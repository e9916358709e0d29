use std::convert::Infallible;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use quick_xml::escape::escape;
use tokio::sync::mpsc;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;

use super::page::{self, Asked};
use crate::daemon::http::xmlrpc::desk::{Desk, find_one};
use crate::daemon::http::xmlrpc::{logs, system};
use crate::daemon::mailbox::Mailbox;
use crate::protocol::xmlrpc::message::Call;
use crate::protocol::xmlrpc::value::Value;

/// What is shown of a log unless more is asked for.
const SHOWN_BYTES: u32 = 1024;

/// A log that is followed is looked at this often, as long as somebody follows it.
const PAUSE: Duration = Duration::from_millis(100);

/// So many bytes are read at once.
const CHUNK_BYTES: u64 = 64 * 1024;

/// So many chunks may wait for a client that reads slowly; the rest waits in the file.
const CHUNKS_AHEAD: usize = 4;

/// `/tail.html`: the end of a process' output.
pub(super) async fn page(State(mailbox): State<Mailbox>, Query(asked): Asked) -> Response {
    let desk = Desk::new(mailbox);
    let name = asked.get("processname").map_or("", String::as_str);
    let limit =
        asked.get("limit").and_then(|limit| limit.parse().ok()).unwrap_or(0).max(i64::from(SHOWN_BYTES));
    let params = vec![name.into(), Value::Int(0), Value::Int(limit)];
    let call = Call { method: "supervisor.tailProcessStdoutLog".to_owned(), params };
    let tail = match system::answer(&desk, call).await {
        Ok(answer) => {
            answer.as_array().and_then(|parts| parts.first()?.as_str()).unwrap_or_default().to_owned()
        }
        Err(fault) => format!("ERROR: {}", fault.text),
    };
    let again = page::address("tail.html", name, &format!("&limit={limit}"));
    let body = format!(
        "<p><a href=\"{again}\">Refresh</a> <a href=\"index.html\">All processes</a></p>\n<pre>{}</pre>\n",
        escape(tail)
    );
    page::document(name, &body)
}

/// `/logtail/NAME`.
pub(super) async fn of_stdout(State(mailbox): State<Mailbox>, Path(name): Path<String>) -> Response {
    of(mailbox, &name, "stdout").await
}

/// `/logtail/NAME/stdout` and `/logtail/NAME/stderr`.
pub(super) async fn of_channel(
    State(mailbox): State<Mailbox>,
    Path((name, channel)): Path<(String, String)>,
) -> Response {
    of(mailbox, &name, &channel).await
}

/// `/mainlogtail`.
pub(super) async fn of_supervisor(State(mailbox): State<Mailbox>) -> Response {
    let ended = mailbox.ended();
    match Desk::new(mailbox).look().await {
        Ok(processes) => follow(ended, processes.supervisor_log.clone()),
        Err(fault) => page::failure(&fault),
    }
}

async fn of(mailbox: Mailbox, name: &str, channel: &str) -> Response {
    let ended = mailbox.ended();
    let processes = match Desk::new(mailbox).look().await {
        Ok(processes) => processes,
        Err(fault) => return page::failure(&fault),
    };
    let file = find_one(&processes, name).ok().and_then(|process| match channel {
        "stdout" => logs::stdout(process),
        "stderr" => logs::stderr(process),
        _ => None,
    });
    match file {
        Some(file) => follow(ended, file),
        None => (StatusCode::NOT_FOUND, "cannot find such a log\n").into_response(),
    }
}

/// A file from its last bytes on, until the client leaves or the supervisor ends.
fn follow(ended: impl Future<Output = ()> + Send + 'static, file: PathBuf) -> Response {
    let (chunks, body) = mpsc::channel(CHUNKS_AHEAD);
    tokio::spawn(pass_on(Tail::new(file), chunks, ended));
    let headers = [
        (header::CONTENT_TYPE, "text/plain;charset=utf-8"),
        // nginx keeps nothing back then.
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    (headers, Body::from_stream(ReceiverStream::new(body).map(Ok::<_, Infallible>))).into_response()
}

/// The end is waited for all the time: a client that reads slowly is no reason to see it late.
async fn pass_on(tail: Tail, chunks: mpsc::Sender<Bytes>, ended: impl Future<Output = ()>) {
    tokio::select! {
        () = read_on(tail, chunks) => (),
        () = ended => (),
    }
}

async fn read_on(mut tail: Tail, chunks: mpsc::Sender<Bytes>) {
    loop {
        // The disk may be slow.
        let looked = tokio::task::spawn_blocking(move || (tail.look(), tail)).await;
        let Ok((found, next)) = looked else { return };
        tail = next;
        // A file that cannot be read is one that is not there, and may come.
        for chunk in found.unwrap_or_default() {
            if chunks.send(chunk.into()).await.is_err() {
                return;
            }
        }
        tokio::select! {
            () = tokio::time::sleep(PAUSE) => (),
            () = chunks.closed() => return,
        }
    }
}

/// A file that grows, is set aside, and is emptied.
struct Tail {
    path: PathBuf,
    open: Option<Open>,
    /// Where the first file is read from: its end, less what is shown.
    is_first: bool,
}

struct Open {
    file: File,
    inode: u64,
    offset: u64,
}

const TRUNCATED: &str = "==> File truncated <==\n";

impl Tail {
    fn new(path: PathBuf) -> Self {
        Self { path, open: None, is_first: true }
    }

    /// What came since the last look, a chunk of it at most from each file.
    fn look(&mut self) -> io::Result<Vec<Vec<u8>>> {
        let mut chunks = Vec::new();
        if let Some(open) = &mut self.open {
            if open.file.metadata()?.len() < open.offset {
                chunks.push(TRUNCATED.into());
                open.offset = 0;
            }
            let chunk = open.read()?;
            let is_whole = chunk.is_empty();
            chunks.extend((!is_whole).then_some(chunk));
            let is_there = fs::metadata(&self.path).is_ok_and(|found| found.ino() == open.inode);
            if is_there || !is_whole {
                return Ok(chunks);
            }
            self.open = None;
        }
        let file = File::open(&self.path)?;
        let found = file.metadata()?;
        let offset = if self.is_first { found.len().saturating_sub(SHOWN_BYTES.into()) } else { 0 };
        self.is_first = false;
        let mut open = Open { file, inode: found.ino(), offset };
        let chunk = open.read()?;
        chunks.extend((!chunk.is_empty()).then_some(chunk));
        self.open = Some(open);
        Ok(chunks)
    }
}

impl Open {
    fn read(&mut self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.file.seek(SeekFrom::Start(self.offset))?;
        Read::by_ref(&mut self.file).take(CHUNK_BYTES).read_to_end(&mut bytes)?;
        self.offset += bytes.len() as u64;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::{Tail, follow, pass_on};
    use crate::daemon::mailbox::Mailbox;
    use crate::protocol::event::{Event, What};
    use std::fs;
    use std::time::Duration;

    use axum::body::Bytes;
    use tokio::sync::mpsc;
    use tokio_stream::StreamExt;

    /// Takes what is sent until that ends.
    async fn read_to_end(response: axum::response::Response) {
        let mut body = response.into_body().into_data_stream();
        let read = async { while body.next().await.is_some() {} };
        tokio::time::timeout(Duration::from_secs(10), read).await.unwrap();
    }

    #[tokio::test]
    async fn a_log_is_followed_no_further_when_the_supervisor_ends_before_the_first_look_at_it() {
        let dir = tempfile::tempdir().unwrap();
        let (mailbox, _inbox) = Mailbox::new();
        let response = follow(mailbox.ended(), dir.path().join("log"));
        mailbox.publish(Event { unix_ms: 0, what: What::Ended });
        read_to_end(response).await;
    }

    #[tokio::test]
    async fn a_log_is_followed_no_further_when_the_supervisor_ends_though_the_client_reads_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let (path, (mailbox, _inbox)) = (dir.path().join("log"), Mailbox::new());
        fs::write(&path, "a line\n").unwrap();
        let (chunks, _body) = mpsc::channel(1);
        chunks.try_send(Bytes::new()).unwrap();
        let ended = mailbox.ended();
        mailbox.publish(Event { unix_ms: 0, what: What::Ended });
        tokio::time::timeout(Duration::from_secs(10), pass_on(Tail::new(path), chunks, ended)).await.unwrap();
    }

    #[test]
    fn a_log_is_followed_through_rotation_and_truncation() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let mut tail = Tail::new(path.clone());
        let mut look =
            || tail.look().map(|chunks| String::from_utf8(chunks.concat()).unwrap()).unwrap_or_default();
        assert_eq!(look(), "");
        fs::write(&path, "a".repeat(2000) + "end").unwrap();
        assert_eq!(look(), "a".repeat(1021) + "end");
        assert_eq!(look(), "");
        fs::write(&path, "a".repeat(2003) + "more").unwrap();
        assert_eq!(look(), "more");
        fs::rename(&path, dir.path().join("log.1")).unwrap();
        fs::write(&path, "next").unwrap();
        assert_eq!(look(), "next");
        fs::write(&path, "x").unwrap();
        assert_eq!(look(), "==> File truncated <==\nx");
    }
}
