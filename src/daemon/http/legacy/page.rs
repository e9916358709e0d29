use std::collections::BTreeMap;

use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use form_urlencoded::byte_serialize;
use quick_xml::escape::escape;

use super::action;
use crate::daemon::http::xmlrpc::desk::Desk;
use crate::daemon::http::xmlrpc::info;
use crate::daemon::mailbox::Mailbox;
use crate::daemon::processes::{Process, Processes};
use crate::protocol::xmlrpc::fault::Fault;
use crate::sys::clock;
use crate::vocab::state::State as ServiceState;

/// What an address has behind its question mark.
pub(super) type Asked = Query<BTreeMap<String, String>>;

/// The page, or the deed that one of its links and buttons asks for. What came of a deed is shown by the page that follows,
/// so that loading that again does nothing again.
pub(super) async fn index(State(mailbox): State<Mailbox>, Query(asked): Asked) -> Response {
    let desk = Desk::new(mailbox);
    let name = asked.get("processname").map(String::as_str);
    let action = asked.get("action").map_or("", String::as_str);
    if let Some(message) = action::act(&desk, action, name).await {
        let message: String = byte_serialize(message.as_bytes()).collect();
        let location = format!("/?message={message}");
        return (StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response();
    }
    match desk.look().await {
        Ok(processes) => document(&processes.identifier, &body(&processes, asked.get("message"))),
        Err(fault) => failure(&fault),
    }
}

/// A whole page. It runs no script, is in no frame, and is kept nowhere.
pub(super) fn document(title: &str, body: &str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'",
        ),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    let title = escape(title);
    let page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" \
         content=\"width=device-width\">\n<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n\
         <h1>{title}</h1>\n{body}</body>\n</html>\n"
    );
    (headers, page).into_response()
}

pub(super) fn failure(fault: &Fault) -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, format!("cannot answer: {}\n", fault.text)).into_response()
}

/// Where more of a process' output is.
pub(super) fn address(page: &str, process: &str, more: &str) -> String {
    let name: String = byte_serialize(process.as_bytes()).collect();
    escape(format!("{page}?processname={name}{more}")).into_owned()
}

const STYLE: &str = "\
:root { color-scheme: light dark; font-family: system-ui, sans-serif }
body { max-width: 70rem; margin: 2rem auto; padding: 0 1rem }
table { width: 100%; border-collapse: collapse }
th, td { text-align: left; padding: .4rem .6rem; border-bottom: 1px solid #8884; vertical-align: baseline }
div { margin: 1rem 0 }
form { display: inline }
button { font: inherit; margin-right: .3rem }
td:last-child { white-space: nowrap }
td a { margin-right: .3rem }
.message { padding: .6rem; border-left: .3rem solid #88f }
.state { font-weight: 600 }
.running { color: #2a8a3e } .fatal, .backoff { color: #c33 } .starting, .stopping { color: #b70 }
pre { white-space: pre-wrap; overflow-wrap: anywhere }
";

fn body(processes: &Processes, message: Option<&String>) -> String {
    let message = message.map_or(String::new(), |message| {
        format!("<p class=\"message\" role=\"status\">{}</p>\n", escape(message.as_str()))
    });
    let now = clock::unix_ms() / 1000;
    let rows: String = processes.all.iter().map(|process| row(process, now)).collect();
    format!(
        "{message}<div>{}{}{}</div>\n<table>\n<thead><tr><th>State</th><th>Description</th><th>Name</th><th>Action</th></tr>\
         </thead>\n<tbody>\n{rows}</tbody>\n</table>\n",
        button("index.html?action=refresh", "Refresh"),
        button("index.html?action=restartall", "Restart all"),
        button("index.html?action=stopall", "Stop all"),
    )
}

fn row(process: &Process, now: u64) -> String {
    let name = process.unit.full_name();
    let (_, state) = info::state(process.state);
    let deed = |(action, words): (&str, &str)| {
        button(&address("index.html", &name, &format!("&action={action}")), words)
    };
    let deeds: String = deeds(process.state).iter().copied().map(deed).collect();
    let tail = address("tail.html", &name, "");
    format!(
        "<tr><td class=\"state {class}\">{state}</td><td>{description}</td><td><a href=\"{tail}\">{name}</a></td>\
         <td>{deeds}{follow}</td></tr>\n",
        follow = follow(&name),
        class = process.state.word(),
        description = escape(info::description(process, now)),
        name = escape(name.as_str()),
        tail = tail,
    )
}

/// Both streams as they grow, each in a window of its own: the page stays.
fn follow(name: &str) -> String {
    let name: String = byte_serialize(name.as_bytes()).collect();
    let link = |address: String, words: &str| {
        format!("<a href=\"{address}\" target=\"_blank\" rel=\"noopener\">{words}</a>")
    };
    link(format!("logtail/{name}"), "Tail -f Stdout")
        + &link(format!("logtail/{name}/stderr"), "Tail -f Stderr")
}

fn deeds(state: ServiceState) -> &'static [(&'static str, &'static str)] {
    match state {
        ServiceState::Running => &[("restart", "Restart"), ("stop", "Stop"), ("clearlog", "Clear log")],
        ServiceState::Stopped | ServiceState::Exited | ServiceState::Fatal => {
            &[("start", "Start"), ("clearlog", "Clear log")]
        }
        ServiceState::Starting | ServiceState::Backoff | ServiceState::Stopping => {
            &[("clearlog", "Clear log")]
        }
    }
}

/// A deed is done by POST, which nobody follows ahead of time; the same address by GET does it as well, as in supervisord.
fn button(address: &str, words: &str) -> String {
    format!("<form method=\"post\" action=\"{address}\"><button>{words}</button></form>")
}
