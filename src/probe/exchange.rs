use std::error::Error;
use std::future::Future;
use std::pin::pin;

use hyper::body::{Body, Incoming};
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, HOST, HeaderName, USER_AGENT};
use hyper::http::request::Builder;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// The most that is kept of an answer's head.
const HEAD_BYTES_MAX: usize = 64 * 1024;

/// Sends one request, and has its answer judged. The connection is driven here and not in a task of its own, so that it
/// ends with the attempt.
///
/// # Errors
/// What came is no answer of HTTP.
pub(super) async fn exchange<B, F, J>(
    stream: TcpStream,
    request: Request<B>,
    judge: J,
) -> Result<F::Output, hyper::Error>
where
    B: Body + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
    F: Future,
    J: FnOnce(Response<Incoming>) -> F,
{
    let (mut sender, connection) =
        http1::Builder::new().max_buf_size(HEAD_BYTES_MAX).handshake(TokioIo::new(stream)).await?;
    let mut judged = pin!(async { Ok(judge(sender.send_request(request).await?).await) });
    let mut connection = pin!(connection);
    tokio::select! {
        judged = &mut judged => judged,
        _ = &mut connection => judged.await,
    }
}

/// Adds the header fields of a request: those that are usual, unless its own say otherwise, and its own.
pub(super) fn with_fields(
    mut request: Builder,
    host: String,
    further: impl IntoIterator<Item = (HeaderName, String)>,
    own: &[(String, String)],
) -> Builder {
    let usual = [
        (HOST, host),
        (USER_AGENT, concat!("procman/", env!("CARGO_PKG_VERSION")).to_owned()),
        (CONNECTION, "close".to_owned()),
    ];
    let is_said = |name: &HeaderName| own.iter().any(|(own, _)| own.eq_ignore_ascii_case(name.as_str()));
    for (name, value) in usual.into_iter().chain(further).filter(|(name, _)| !is_said(name)) {
        request = request.header(name, value);
    }
    for (name, value) in own {
        request = request.header(name, value);
    }
    request
}
