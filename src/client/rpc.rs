use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::{Method, Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use interprocess::local_socket::tokio::Stream;
use interprocess::local_socket::traits::tokio::Stream as _;
use interprocess::local_socket::{GenericFilePath, ToFsName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::connection::PATIENCE;
use crate::protocol::xmlrpc::malformed::Malformed;
use crate::protocol::xmlrpc::message::{ANSWER_BYTES_MAX, Answer, Call, decode_answer};

/// Where a supervisor answers XML-RPC: procman, or supervisord itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A unix socket: `unix:///path`.
    Unix(PathBuf),
    /// A TCP port: `http://host:port`.
    Tcp {
        /// The host, by name or number.
        host: String,
        /// The port; 80 where the URL says none.
        port: u16,
    },
}

/// A URL that names no such place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Unknown protocol for serverurl {0}")]
pub struct NoAddress(pub String);

impl Address {
    /// The place that a URL names.
    ///
    /// # Errors
    /// It is neither `unix://` nor `http://`, or its port is no number.
    pub fn parse(url: &str) -> Result<Self, NoAddress> {
        if let Some(path) = url.strip_prefix("unix://") {
            return Ok(Self::Unix(path.into()));
        }
        let no_address = || NoAddress(url.to_owned());
        let rest = url.strip_prefix("http://").ok_or_else(no_address)?;
        let place = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let place = place.rsplit('@').next().unwrap_or_default();
        let (host, port) = match place.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, port.parse().map_err(|_| no_address())?),
            Some(_) | None => (place, 80),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']').to_lowercase();
        Ok(Self::Tcp { host, port })
    }

    /// What a request says that it is for.
    fn host(&self) -> &str {
        match self {
            Self::Unix(_) => "localhost",
            Self::Tcp { host, .. } => host,
        }
    }
}

/// Who asks, by Basic auth (RFC 7617).
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The name.
    pub username: String,
    /// The secret.
    pub password: String,
}

impl fmt::Debug for Credentials {
    /// Without the secret, which has no business in a log.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Credentials({}, …)", self.username)
    }
}

/// A supervisor, and how it is asked.
#[derive(Debug, Clone)]
pub struct Remote {
    /// Where it answers.
    pub address: Address,
    /// Who asks, where it wants to know.
    pub credentials: Option<Credentials>,
}

/// Why a call has no answer.
#[derive(Debug, thiserror::Error)]
pub enum RpcError {
    /// Nobody answers there.
    #[error("{0}")]
    Connect(#[source] io::Error),
    /// It broke off.
    #[error("{0}")]
    Broken(String),
    /// It did not answer in time.
    #[error("timed out")]
    TimedOut,
    /// It refused the request as such.
    #[error("{0}")]
    Status(StatusCode),
    /// What it answered is no XML-RPC.
    #[error(transparent)]
    Malformed(#[from] Malformed),
}

/// How long a call may take that starts or stops processes: their own times count, whatever those are.
const WORK_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// How long any other call may take. supervisord answers nobody while it works for somebody.
const ANSWER_MAX: Duration = Duration::from_secs(60);

impl Remote {
    /// Asks, and waits for the answer.
    ///
    /// # Errors
    /// [`RpcError`]; a fault is an answer.
    pub async fn call(&self, call: &Call) -> Result<Answer, RpcError> {
        let patience = if waits_for_processes(&call.method) { WORK_MAX } else { ANSWER_MAX };
        let request = self
            .request(Method::POST, "/RPC2")
            .header(header::CONTENT_TYPE, "text/xml")
            .header(header::ACCEPT, "text/xml");
        let request = request.body(Full::new(Bytes::from(call.encode())));
        let request = request.map_err(|error| RpcError::Broken(error.to_string()))?;
        let asked = async {
            let body = self.send(request).await?.into_body();
            let whole = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
            let whole = whole.map_err(|error| RpcError::Broken(error.to_string()))?;
            Ok(decode_answer(&whole.to_bytes())?)
        };
        tokio::time::timeout(patience, asked).await.unwrap_or(Err(RpcError::TimedOut))
    }

    /// What a path of the supervisor's web server answers with, as it comes.
    ///
    /// # Errors
    /// [`RpcError`].
    pub async fn follow(&self, path: &str) -> Result<Followed, RpcError> {
        let request = self.request(Method::GET, path).header(header::ACCEPT, "*/*");
        let request = request.body(Full::new(Bytes::new()));
        let request = request.map_err(|error| RpcError::Broken(error.to_string()))?;
        let asked = tokio::time::timeout(ANSWER_MAX, self.send(request)).await;
        Ok(Followed { body: asked.unwrap_or(Err(RpcError::TimedOut))?.into_body() })
    }

    fn request(&self, method: Method, path: &str) -> hyper::http::request::Builder {
        let request = Request::builder().method(method).uri(path).header(header::HOST, self.address.host());
        match &self.credentials {
            Some(Credentials { username, password }) => {
                let words = STANDARD.encode(format!("{username}:{password}"));
                request.header(header::AUTHORIZATION, format!("Basic {words}"))
            }
            None => request,
        }
    }

    /// Sends a request over a connection of its own.
    async fn send(&self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, RpcError> {
        let answer = match &self.address {
            Address::Unix(path) => {
                let opened = async { Stream::connect(path.as_path().to_fs_name::<GenericFilePath>()?).await };
                exchange(in_time(opened).await?, request).await
            }
            Address::Tcp { host, port } => {
                exchange(in_time(TcpStream::connect((host.as_str(), *port))).await?, request).await
            }
        }?;
        if answer.status().is_success() { Ok(answer) } else { Err(RpcError::Status(answer.status())) }
    }
}

fn waits_for_processes(method: &str) -> bool {
    let method = method.rsplit('.').next().unwrap_or_default();
    ["start", "stop", "multicall", "clear"].iter().any(|begins| method.starts_with(begins))
}

async fn in_time<T>(opened: impl Future<Output = io::Result<T>>) -> Result<T, RpcError> {
    match tokio::time::timeout(PATIENCE, opened).await {
        Ok(opened) => opened.map_err(RpcError::Connect),
        Err(_) => Err(RpcError::TimedOut),
    }
}

async fn exchange<S: AsyncRead + AsyncWrite + Send + Unpin + 'static>(
    stream: S,
    request: Request<Full<Bytes>>,
) -> Result<Response<Incoming>, RpcError> {
    let broken = |error: hyper::Error| RpcError::Broken(error.to_string());
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
    tokio::spawn(connection);
    sender.send_request(request).await.map_err(broken)
}

/// What comes in pieces, without an end of its own.
#[derive(Debug)]
pub struct Followed {
    body: Incoming,
}

impl Followed {
    /// The next piece; none when it is over.
    ///
    /// # Errors
    /// It broke off.
    pub async fn next(&mut self) -> Result<Option<Bytes>, RpcError> {
        loop {
            match self.body.frame().await {
                None => return Ok(None),
                Some(Err(error)) => return Err(RpcError::Broken(error.to_string())),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) if !data.is_empty() => return Ok(Some(data)),
                    Ok(_) | Err(_) => (),
                },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Address, NoAddress, waits_for_processes};

    #[test]
    fn a_url_names_a_socket_or_a_port() {
        let tcp = |host: &str, port| Ok(Address::Tcp { host: host.to_owned(), port });
        for (url, address) in [
            ("unix:///run/s.sock", Ok(Address::Unix("/run/s.sock".into()))),
            ("http://localhost:9001", tcp("localhost", 9001)),
            ("http://Host", tcp("host", 80)),
            ("http://127.0.0.1:1/", tcp("127.0.0.1", 1)),
            ("http://[::1]:9001/x", tcp("::1", 9001)),
            ("http://u:p@h:2", tcp("h", 2)),
            ("https://h", Err(NoAddress("https://h".to_owned()))),
            ("http://h:x", Err(NoAddress("http://h:x".to_owned()))),
        ] {
            assert_eq!(Address::parse(url), address, "{url}");
        }
    }

    #[test]
    fn only_what_starts_and_stops_processes_takes_its_time() {
        assert!(waits_for_processes("supervisor.stopProcessGroup"));
        assert!(!waits_for_processes("supervisor.getAllProcessInfo"));
    }
}
