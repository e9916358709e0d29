use std::future::ready;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE};
use tokio::net::TcpStream;

use super::exchange::{exchange, with_fields};
use crate::spec::target::Webhook;
use crate::vocab::measure::Brief;

/// Posts a JSON text once, and waits for the answer no longer than `limit`. A status from 200 to 299 is a success, and no
/// redirection is followed.
///
/// # Errors
/// In words, what came in place of such an answer.
pub async fn post(webhook: &Webhook, body: String, limit: Duration) -> Result<(), String> {
    let late = || Err(format!("{webhook} gave no answer within {}", Brief(limit)));
    tokio::time::timeout(limit, told(webhook, body)).await.unwrap_or_else(|_| late())
}

async fn told(webhook: &Webhook, body: String) -> Result<(), String> {
    let failed = |error: &dyn std::fmt::Display| format!("cannot post to {webhook}: {error}");
    let request = request(webhook, body).map_err(|error| failed(&error))?;
    let stream =
        TcpStream::connect((webhook.host.as_str(), webhook.port)).await.map_err(|error| failed(&error))?;
    let status = exchange(stream, request, |answer| ready(answer.status())).await;
    let status = status.map_err(|error| failed(&error))?;
    if status.is_success() { Ok(()) } else { Err(format!("{webhook} answered {status}")) }
}

fn request(webhook: &Webhook, body: String) -> Result<Request<Full<Bytes>>, hyper::http::Error> {
    let told = [(CONTENT_TYPE, "application/json".to_owned()), (CONTENT_LENGTH, body.len().to_string())];
    let request = with_fields(Request::post(&webhook.path), webhook.authority(), told, &webhook.headers);
    request.body(Full::new(Bytes::from(body)))
}

#[cfg(test)]
mod tests {
    use super::post;
    use crate::spec::target::Webhook;
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::time::Duration;

    /// Posts to a server that answers so, or holds the connection open with nothing; says what came of it and what it got.
    fn check(reply: Option<&'static str>) -> (Result<(), String>, String) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}/hook?x=1", listener.local_addr().unwrap());
        let mut webhook: Webhook = address.parse().unwrap();
        webhook.headers.push(("Authorization".to_owned(), "Bearer t".to_owned()));
        let limit = Duration::from_millis(if reply.is_some() { 10_000 } else { 50 });
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut got = Vec::new();
            let mut buffer = [0; 1024];
            while !got.ends_with(b"{\"a\":1}") {
                let count = stream.read(&mut buffer).unwrap();
                got.extend_from_slice(&buffer[..count]);
            }
            match reply {
                Some(reply) => stream.write_all(reply.as_bytes()).unwrap(),
                None => drop(stream.read(&mut buffer)),
            }
            String::from_utf8(got).unwrap()
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let result = runtime.block_on(post(&webhook, "{\"a\":1}".to_owned(), limit));
        drop(runtime);
        (result, server.join().unwrap())
    }

    #[test]
    fn a_post_that_is_answered_with_2xx_has_arrived_and_any_other_answer_is_said() {
        let (result, got) = check(Some("HTTP/1.1 204 No Content\r\n\r\n"));
        assert_eq!(result, Ok(()));
        assert!(got.starts_with("POST /hook?x=1 HTTP/1.1\r\n"), "{got}");
        assert!(got.to_ascii_lowercase().contains("authorization: bearer t\r\n"), "{got}");
        let (result, _) = check(Some("HTTP/1.1 302 Found\r\nlocation: /\r\ncontent-length: 0\r\n\r\n"));
        assert!(result.unwrap_err().contains("answered 302"));
        assert!(check(None).0.unwrap_err().contains("no answer within 50ms"));
    }
}
