use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::{Request, Response};

use super::exchange::{exchange, with_fields};
use super::failed::Failed;
use super::tcp;
use crate::spec::health::Http;

/// Asks once and waits for the answer no longer than `limit`.
///
/// # Errors
/// [`Failed`]: there is no answer, or it is not the one that is expected.
pub async fn attempt(http: &Http, limit: Duration) -> Result<(), Failed> {
    let late = || Failed::TimedOut { port: http.port, limit };
    tokio::time::timeout(limit, get(http)).await.unwrap_or_else(|_| Err(late()))
}

async fn get(http: &Http) -> Result<(), Failed> {
    let request = request(http).map_err(|source| Failed::BadRequest { path: http.path.clone(), source })?;
    let stream = tcp::connect(http.port).await?;
    let judged = exchange(stream, request, |answer| judge(http, answer)).await;
    judged.map_err(|source| no_http(http, source))?
}

fn no_http(http: &Http, source: hyper::Error) -> Failed {
    Failed::NoHttp { port: http.port, path: http.path.clone(), source }
}

fn request(http: &Http) -> Result<Request<Empty<Bytes>>, hyper::http::Error> {
    let host = format!("localhost:{}", http.port.port);
    with_fields(Request::get(&http.path), host, [], &http.headers).body(Empty::new())
}

async fn judge(http: &Http, answer: Response<Incoming>) -> Result<(), Failed> {
    let status = answer.status();
    if !http.statuses.iter().any(|good| good.contains(&status.as_u16())) {
        return Err(Failed::Status { port: http.port, path: http.path.clone(), status });
    }
    let Some(pattern) = &http.body else { return Ok(()) };
    let mut body = answer.into_body();
    let mut bytes: Vec<u8> = Vec::new();
    while bytes.len() < Http::BODY_BYTES_MAX {
        let Some(frame) = body.frame().await else { break };
        let frame = frame.map_err(|source| no_http(http, source))?;
        let data = frame.into_data().unwrap_or_default();
        let room = Http::BODY_BYTES_MAX - bytes.len();
        bytes.extend_from_slice(&data[..data.len().min(room)]);
    }
    if pattern.is_in(&bytes) {
        return Ok(());
    }
    Err(Failed::Body { port: http.port, path: http.path.clone(), pattern: pattern.as_str().to_owned() })
}

#[cfg(test)]
mod tests {
    use super::attempt;
    use crate::probe::failed::Failed;
    use crate::spec::health::{Http, Pattern};
    use crate::vocab::port::{Endpoint, Port};
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::time::Duration;

    /// Answers one connection with `reply` (or holds it open with none), and says what the check made of it and what it
    /// had asked.
    fn check(http: Http, reply: Option<&str>) -> (Result<(), Failed>, String) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = Endpoint::tcp(Port::new(listener.local_addr().unwrap().port()).unwrap());
        let limit = Duration::from_millis(if reply.is_some() { 10_000 } else { 50 });
        let reply = reply.map(str::to_owned);
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 1024];
            let length = stream.read(&mut request).unwrap();
            match reply {
                // Whoever has read enough hangs up.
                Some(reply) => drop(stream.write_all(reply.as_bytes())),
                None => drop(stream.read(&mut [0; 16])),
            }
            String::from_utf8_lossy(&request[..length]).into_owned()
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let result = runtime.block_on(attempt(&Http { port, ..http }, limit));
        drop(runtime);
        (result, server.join().unwrap())
    }

    fn plain() -> Http {
        Http {
            port: Endpoint::tcp(Port::new(1).unwrap()),
            path: "/health?deep=1".to_owned(),
            headers: Vec::new(),
            statuses: vec![Http::STATUSES],
            body: None,
        }
    }

    #[test]
    fn an_http_check_passes_on_a_status_from_200_to_399() {
        let of = |reply: &str| check(plain(), Some(reply)).0;
        assert!(of("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").is_ok());
        assert!(of("HTTP/1.1 302 Found\r\nlocation: /\r\n\r\n").is_ok());
        assert!(matches!(of("HTTP/1.1 503 Busy\r\n\r\n"), Err(Failed::Status { .. })));
        assert!(matches!(of("hello\r\n\r\n"), Err(Failed::NoHttp { .. })));
        assert!(matches!(of(""), Err(Failed::NoHttp { .. })));
    }

    #[test]
    fn the_statuses_that_are_good_can_be_named() {
        let of = |status: u16| {
            let http = Http { statuses: vec![200..=200, 500..=503], ..plain() };
            check(http, Some(&format!("HTTP/1.1 {status} So\r\ncontent-length: 0\r\n\r\n"))).0.is_ok()
        };
        assert_eq!(
            [200, 201, 404, 499, 500, 503, 504].map(of),
            [true, false, false, false, true, true, false]
        );
    }

    #[test]
    fn a_body_is_searched_in_its_first_64_kib_and_read_no_further() {
        let http = || Http { body: Some(Pattern::new(r#""db":\s*"up""#).unwrap()), ..plain() };
        let of = |body: &str| {
            check(http(), Some(&format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len()))).0
        };
        assert!(of(r#"{"db": "up"}"#).is_ok());
        assert!(matches!(of(r#"{"db": "down"}"#), Err(Failed::Body { .. })));
        assert!(matches!(of(""), Err(Failed::Body { .. })));
        let late = format!("{}{}", " ".repeat(Http::BODY_BYTES_MAX), r#""db":"up""#);
        assert!(matches!(of(&late), Err(Failed::Body { .. })));
        let endless = format!("HTTP/1.1 200 OK\r\n\r\n{}", "\"db\":\"up\"".repeat(20_000));
        assert!(check(http(), Some(&endless)).0.is_ok());
    }

    #[test]
    fn a_request_carries_its_own_header_fields_in_the_place_of_the_usual_ones() {
        let headers = [("Host", "api.example"), ("X-Token", "s3 cret")];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        let (result, asked) = check(Http { headers, ..plain() }, Some("HTTP/1.1 204 No\r\n\r\n"));
        assert!(result.is_ok());
        assert!(asked.starts_with("GET /health?deep=1 HTTP/1.1\r\n"), "{asked}");
        let asked = asked.to_ascii_lowercase();
        assert!(asked.contains("host: api.example\r\n") && asked.contains("x-token: s3 cret\r\n"), "{asked}");
        assert_eq!(asked.matches("host:").count(), 1);
    }

    #[test]
    fn a_silent_server_costs_the_limit_and_no_more() {
        assert!(matches!(check(plain(), None).0, Err(Failed::TimedOut { .. })));
    }
}
