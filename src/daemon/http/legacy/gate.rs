use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1_smol::Sha1;

use crate::config::supervisord::model::{Family, Server};

/// Who is let in at a server: whoever has its password, and no other site's page by the hand of a visitor.
#[derive(Debug)]
pub(super) struct Gate {
    login: Option<Login>,
    /// The name that a browser asks for, where a foreign one would be a trick.
    host: Option<String>,
}

#[derive(Debug)]
struct Login {
    username: String,
    /// Plain, or `{SHA}` and the hexadecimal SHA-1.
    password: String,
}

impl Gate {
    pub(super) fn of(server: &Server) -> Self {
        let login = server.username.clone().zip(server.password.clone());
        let login = login.map(|(username, password)| Login { username, password });
        let is_open = login.is_none() && server.family == Family::Inet;
        Self { host: is_open.then(|| server.host.clone().unwrap_or_default()), login }
    }

    fn judge(&self, request: &Request) -> Result<(), Refused> {
        if self.login.as_ref().is_some_and(|login| !login.admits(request.headers())) {
            Err(Refused::WithoutPassword)
        } else if self.host.as_ref().is_some_and(|own| !is_local(own, host(request))) {
            Err(Refused::ByAnotherName)
        } else if acts(request) && is_of_another_site(request) {
            Err(Refused::OfAnotherSite)
        } else {
            Ok(())
        }
    }
}

/// Why a request is not let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refused {
    WithoutPassword,
    ByAnotherName,
    OfAnotherSite,
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        match self {
            Self::WithoutPassword => {
                let challenge =
                    [(header::WWW_AUTHENTICATE, "Basic realm=\"default\""), (header::CONNECTION, "close")];
                let what = "cannot let you in without the password\n";
                (StatusCode::UNAUTHORIZED, challenge, what).into_response()
            }
            Self::ByAnotherName => {
                let what = "cannot answer for that host: without a password this server is localhost alone\n";
                (StatusCode::FORBIDDEN, what).into_response()
            }
            Self::OfAnotherSite => {
                (StatusCode::FORBIDDEN, "cannot do that for a page of another site\n").into_response()
            }
        }
    }
}

/// Lets a request through, or answers why not.
pub(super) async fn pass(State(gate): State<Arc<Gate>>, request: Request, next: Next) -> Response {
    match gate.judge(&request) {
        Ok(()) => next.run(request).await,
        Err(refused) => refused.into_response(),
    }
}

impl Login {
    fn admits(&self, headers: &HeaderMap) -> bool {
        let given = text(headers, header::AUTHORIZATION).and_then(|given| given.split_once(' '));
        let given = given.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("basic"));
        let given = given.and_then(|(_, code)| STANDARD.decode(code.trim()).ok());
        let given = given.and_then(|given| String::from_utf8(given).ok());
        let Some((username, password)) = given.as_deref().and_then(|given| given.split_once(':')) else {
            return false;
        };
        let is_password = match self.password.strip_prefix("{SHA}") {
            Some(digest) => digest == hash(password),
            None => hash(&self.password) == hash(password),
        };
        is_password && self.username == username
    }
}

/// What is compared in a text's place, so that the time that takes says nothing of the text.
fn hash(text: &str) -> String {
    Sha1::from(text).digest().to_string()
}

/// Whether it does more than show something.
fn acts(request: &Request) -> bool {
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    let mut asked = form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes());
    !is_read || asked.any(|(key, _)| key == "action")
}

/// Whether a browser says that a page of somebody else makes the request (Fetch Metadata; `Origin` where a browser does not
/// know that). Who is no browser says nothing.
fn is_of_another_site(request: &Request) -> bool {
    match text(request.headers(), "sec-fetch-site") {
        Some(site) => matches!(site, "cross-site" | "same-site"),
        None => text(request.headers(), header::ORIGIN).is_some_and(|origin| {
            origin.split_once("://").is_none_or(|(_, authority)| Some(authority) != host(request))
        }),
    }
}

fn host(request: &Request) -> Option<&str> {
    text(request.headers(), header::HOST)
}

/// Whether a host is this machine by its address or a name that nobody else can claim: another name may have been made to
/// lead here (DNS rebinding).
fn is_local(own: &str, host: Option<&str>) -> bool {
    let Some(host) = host else { return true };
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name.eq_ignore_ascii_case("localhost") || name.eq_ignore_ascii_case(own) || name.parse::<IpAddr>().is_ok()
}

fn text(headers: &HeaderMap, name: impl header::AsHeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

#[cfg(test)]
mod tests {
    use super::{Gate, Login};
    use axum::body::Body;
    use axum::extract::Request;
    use axum::response::IntoResponse;

    fn answer(gate: &Gate, method: &str, uri: &str, headers: &[(&str, &str)]) -> u16 {
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let judged = gate.judge(&request.body(Body::empty()).unwrap());
        judged.map_or_else(|refused| refused.into_response().status().as_u16(), |()| 200)
    }

    #[test]
    fn the_password_opens_whether_it_is_written_plainly_or_hashed() {
        for password in ["thepassword", "{SHA}82ab876d1387bfafe46cc1c8a2ef074eae50cb1d"] {
            let login = Login { username: "user".to_owned(), password: password.to_owned() };
            let gate = Gate { login: Some(login), host: None };
            let check = |authorization: &str, expected: u16| {
                assert_eq!(
                    answer(&gate, "GET", "/", &[("authorization", authorization)]),
                    expected,
                    "{authorization}"
                );
            };
            check("Basic dXNlcjp0aGVwYXNzd29yZA==", 200);
            check("basic dXNlcjp0aGVwYXNzd29yZA==", 200);
            check("Basic dXNlcjp3cm9uZw==", 401);
            check("Basic b3RoZXI6dGhlcGFzc3dvcmQ=", 401);
            check("Basic ?", 401);
            check("Bearer dXNlcjp0aGVwYXNzd29yZA==", 401);
            assert_eq!(answer(&gate, "GET", "/", &[]), 401);
        }
    }

    #[test]
    fn a_page_of_another_site_may_look_and_not_act() {
        let gate = Gate { login: None, host: Some("127.0.0.1".to_owned()) };
        let own = ("host", "localhost:9001");
        let check = |method: &str, uri: &str, headers: &[(&str, &str)], expected: u16| {
            assert_eq!(answer(&gate, method, uri, headers), expected, "{method} {uri} {headers:?}");
        };
        check("GET", "/index.html?action=stopall", &[own], 200);
        check("POST", "/RPC2", &[own], 200);
        check("POST", "/RPC2", &[], 200);
        check("POST", "/RPC2", &[own, ("origin", "http://localhost:9001")], 200);
        check("POST", "/index.html?action=stopall", &[own, ("sec-fetch-site", "same-origin")], 200);
        check("GET", "/", &[own, ("sec-fetch-site", "cross-site")], 200);
        check("GET", "/index.html?action=stopall", &[own, ("sec-fetch-site", "cross-site")], 403);
        check("GET", "/index.html?action=stopall", &[own, ("sec-fetch-site", "same-site")], 403);
        check("GET", "/index.html?%61ction=stopall", &[own, ("sec-fetch-site", "cross-site")], 403);
        check("POST", "/RPC2", &[own, ("origin", "http://elsewhere.example")], 403);
        check("POST", "/RPC2", &[own, ("origin", "null")], 403);
        check("GET", "/", &[("host", "elsewhere.example:9001")], 403);
        check("GET", "/", &[("host", "[::1]:9001")], 200);
    }
}
