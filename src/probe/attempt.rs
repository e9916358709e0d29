use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Empty;
use hyper::Request;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::spec::health::Check;
use crate::vocab::measure::Brief;
use crate::vocab::port::Port;

/// Why an attempt did not pass, in words that go on after "not ready: ".
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// Nobody accepts connections.
    #[error("port {port} does not accept a connection: {source}")]
    Connect {
        /// The port.
        port: Port,
        /// Why.
        source: std::io::Error,
    },
    /// Somebody accepts, and does not speak HTTP.
    #[error("GET {path} on port {port} got no HTTP answer: {source}")]
    NoHttp {
        /// The port.
        port: Port,
        /// The path.
        path: String,
        /// Why.
        source: hyper::Error,
    },
    /// The answer is a failure.
    #[error("GET {path} on port {port} answered {status}")]
    Status {
        /// The port.
        port: Port,
        /// The path.
        path: String,
        /// The status.
        status: hyper::StatusCode,
    },
    /// The path is none.
    #[error("`{path}` is not a path to ask for")]
    BadPath {
        /// The path.
        path: String,
    },
    /// There was no answer in time.
    #[error("port {port} gave no answer within {}", Brief(*.limit))]
    TimedOut {
        /// The port.
        port: Port,
        /// The time it had.
        limit: Duration,
    },
}

/// Asks once, over the loopback interface, and waits for the answer no longer than `limit`.
pub async fn attempt(check: &Check, limit: Duration) -> Result<(), Failed> {
    let port = match check {
        Check::Tcp { port } | Check::Http { port, .. } => *port,
    };
    let asked = async {
        match check {
            Check::Tcp { port } => connect(*port).await.map(drop),
            Check::Http { port, path } => get(*port, path).await,
        }
    };
    tokio::time::timeout(limit, asked).await.unwrap_or(Err(Failed::TimedOut { port, limit }))
}

async fn connect(port: Port) -> Result<TcpStream, Failed> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port.number()));
    let six = SocketAddr::from((std::net::Ipv6Addr::LOCALHOST, port.number()));
    match TcpStream::connect(address).await {
        Ok(stream) => Ok(stream),
        Err(source) => TcpStream::connect(six).await.map_err(|_| Failed::Connect { port, source }),
    }
}

async fn get(port: Port, path: &str) -> Result<(), Failed> {
    let no_http = |source| Failed::NoHttp { port, path: path.to_owned(), source };
    let request = Request::get(path)
        .header(hyper::header::HOST, format!("localhost:{port}"))
        .header(hyper::header::USER_AGENT, concat!("procman/", env!("CARGO_PKG_VERSION")))
        .header(hyper::header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(|_| Failed::BadPath { path: path.to_owned() })?;
    let stream = TokioIo::new(connect(port).await?);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await.map_err(no_http)?;
    // The connection is driven here and not in a task of its own, so that it ends with the attempt.
    let mut answer = std::pin::pin!(sender.send_request(request));
    let mut connection = std::pin::pin!(connection);
    let answer = tokio::select! {
        answer = &mut answer => answer,
        _ = &mut connection => answer.await,
    };
    let status = answer.map_err(no_http)?.status();
    if status.is_success() || status.is_redirection() {
        return Ok(());
    }
    Err(Failed::Status { port, path: path.to_owned(), status })
}

#[cfg(test)]
mod tests {
    use super::{Failed, attempt};
    use crate::spec::health::Check;
    use crate::vocab::port::Port;
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::time::Duration;

    /// Answers one connection with `reply` (or holds it open with none), and says what the check made of it.
    fn check_http(reply: Option<&'static str>) -> Result<(), Failed> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = Port::new(listener.local_addr().unwrap().port()).unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 1024];
            let length = stream.read(&mut request).unwrap();
            assert!(request[..length].starts_with(b"GET /health?deep=1 HTTP/1.1\r\n"));
            match reply {
                Some(reply) => stream.write_all(reply.as_bytes()).unwrap(),
                None => drop(stream.read(&mut request)),
            }
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let check = Check::Http { port, path: "/health?deep=1".to_owned() };
        let limit = Duration::from_millis(if reply.is_some() { 10_000 } else { 50 });
        let result = runtime.block_on(attempt(&check, limit));
        server.join().unwrap();
        result
    }

    #[test]
    fn an_http_check_passes_on_a_status_from_200_to_399() {
        assert!(check_http(Some("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")).is_ok());
        assert!(check_http(Some("HTTP/1.1 302 Found\r\nlocation: /\r\n\r\n")).is_ok());
        assert!(matches!(check_http(Some("HTTP/1.1 503 Busy\r\n\r\n")), Err(Failed::Status { .. })));
        assert!(matches!(check_http(Some("hello\r\n\r\n")), Err(Failed::NoHttp { .. })));
        assert!(matches!(check_http(Some("")), Err(Failed::NoHttp { .. })));
    }

    #[test]
    fn a_silent_server_costs_the_limit_and_no_more() {
        assert!(matches!(check_http(None), Err(Failed::TimedOut { .. })));
    }

    #[test]
    fn a_port_without_listener_says_so() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = Port::new(listener.local_addr().unwrap().port()).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let limit = Duration::from_secs(10);
        assert!(runtime.block_on(attempt(&Check::Tcp { port }, limit)).is_ok());
        drop(listener);
        let refused = runtime.block_on(attempt(&Check::Tcp { port }, limit));
        assert!(matches!(refused, Err(Failed::Connect { .. })));
    }
}
