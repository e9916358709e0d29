//! The control socket: who may use it, and what a hostile peer costs.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;

use crate::harness::{DEADLINE, Fleet};

/// Sends bytes and reads what comes until the other side closes.
pub(crate) fn talk(socket: &Path, bytes: &[u8]) -> String {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(std::net::Shutdown::Write);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

/// Posts a JSON body.
pub(crate) fn post(socket: &Path, path: &str, body: &str) -> String {
    let head =
        format!("POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\n");
    talk(socket, format!("{head}content-length: {}\r\n\r\n{body}", body.len()).as_bytes())
}

fn get(socket: &Path, path: &str) -> String {
    talk(socket, format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").as_bytes())
}

fn fleet() -> Fleet {
    let fleet = Fleet::new("[services.api]\ncommand = \"{puppet} stay\"\nmin_uptime = \"1ms\"\n");
    fleet.run("up -q").expect(0);
    fleet
}

#[test]
fn the_socket_is_its_owners_alone() {
    let fleet = fleet();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&fleet.paths().socket), 0o600);
    assert_eq!(mode(fleet.paths().socket.parent().unwrap()), 0o700);
}

#[test]
fn the_openapi_document_describes_every_address_and_every_field_of_status() {
    let fleet = fleet();
    let json_of = |path| {
        let answer = get(&fleet.paths().socket, path);
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        serde_json::from_str::<serde_json::Value>(body).unwrap()
    };
    let document = json_of("/v1/openapi.json");
    assert_eq!(document["openapi"], "3.1.0");
    for (path, method) in [
        ("/v1/status", "get"),
        ("/v1/commands", "post"),
        ("/v1/shutdown", "post"),
        ("/v1/events", "get"),
        ("/v1/reload", "post"),
        ("/v1/openapi.json", "get"),
        ("/metrics", "get"),
    ] {
        assert!(document["paths"][path][method].is_object(), "{path}");
    }
    let service = &json_of("/v1/status")["services"][0];
    let described = &document["components"]["schemas"]["ServiceView"]["properties"];
    for field in service.as_object().unwrap().keys() {
        assert!(described[field].is_object(), "{field}");
    }
}

#[test]
fn metrics_are_open_metrics_with_a_line_for_each_figure() {
    let fleet = fleet();
    let answer = get(&fleet.paths().socket, "/metrics");
    assert!(answer.contains("content-type: application/openmetrics-text; version=1.0.0"), "{answer}");
    for line in [
        "procman_supervisor_info{version=\"",
        "procman_supervisor_uptime_seconds ",
        "# TYPE procman_service_restarts counter",
        "procman_service_restarts_total{service=\"api\",group=\"\"} 0",
        "procman_service_ok{service=\"api\",group=\"\"} 1.0",
        "procman_service_state{service=\"api\",group=\"\",state=\"running\"} 1.0",
        "procman_service_state{service=\"api\",group=\"\",state=\"fatal\"} 0.0",
        "procman_service_memory_bytes{service=\"api\"",
    ] {
        assert!(answer.contains(line), "{line}: {answer}");
    }
    assert!(answer.contains("# EOF\n"), "{answer}");
}

#[test]
fn every_answer_is_http_with_json() {
    let fleet = fleet();
    let check = |answer: String, status: &str, piece: &str| {
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
        assert!(answer.contains(piece), "{answer}");
    };
    check(get(&fleet.paths().socket, "/v1/status"), "200", "\"state\":\"running\"");
    check(get(&fleet.paths().socket, "/nowhere"), "404", "\"kind\":\"not_found\"");
    check(get(&fleet.paths().socket, "/v1/commands"), "405", "\"kind\":\"bad_method\"");
    check(post(&fleet.paths().socket, "/v1/commands", "{}"), "400", "\"kind\":\"bad_request\"");
    check(
        post(&fleet.paths().socket, "/v1/commands", r#"{"stop":{"service":["api"]}}"#),
        "400",
        "unknown field",
    );
    check(
        post(&fleet.paths().socket, "/v1/commands", r#"{"stop":{"services":["apo"]}}"#),
        "404",
        "no_such_service",
    );
    check(
        post(&fleet.paths().socket, "/v1/commands", r#"{"stop":{"services":["api"]}}"#),
        "200",
        "\"verdict\":\"done\"",
    );
}

#[test]
fn a_hostile_request_costs_its_own_connection_only() {
    let fleet = fleet();
    let socket = fleet.paths().socket;
    let half_written = UnixStream::connect(&socket).unwrap();
    (&half_written).write_all(b"POST /v1/commands HTTP/1.1\r\ncontent-length: 100\r\n\r\n{\"st").unwrap();
    let mut others = Vec::new();
    for bytes in [&b"\x00\xff\xfe garbage\r\n\r\n"[..], b"GET", b"GET / HTTP/9.9\r\n\r\n", b"\r\n\r\n\r\n"] {
        others.push(talk(&socket, bytes));
    }
    let huge = format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "x".repeat(1 << 20));
    others.push(talk(&socket, huge.as_bytes()));
    let large_body = "x".repeat(3 << 20);
    others.push(post(&socket, "/v1/commands", &large_body));
    let idle: Vec<UnixStream> = (0..100).map(|_| UnixStream::connect(&socket).unwrap()).collect();
    fleet.run("status").expect(0);
    drop((half_written, others, idle));
    fleet.run("status").expect(0);
}

#[test]
fn a_stream_of_events_tells_what_happens_and_ends_with_the_supervisor() {
    let fleet = fleet();
    let mut events = fleet.spawn("events --json");
    let mut out = events.stdout.take().unwrap();
    crate::harness::wait_until("the reader listens", || {
        fleet.run("restart api").expect(0);
        let mut byte = [0];
        let mut poll = [nix::poll::PollFd::new(std::os::fd::AsFd::as_fd(&out), nix::poll::PollFlags::POLLIN)];
        (nix::poll::poll(&mut poll, 50_u16) == Ok(1)).then(|| out.read_exact(&mut byte).unwrap())
    });
    fleet.run("down").expect(0);
    let mut text = "{".to_owned();
    out.read_to_string(&mut text).unwrap();
    events.wait().unwrap();
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let has = |state: &str| lines.iter().any(|line| line["service"] == "api" && line["state"] == state);
    assert!(has("stopping") && has("running") && has("stopped"), "{text}");
    assert_eq!(lines.last().unwrap()["event"], "ended");
}

/// A client that asks for this and reads nothing.
fn reads_nothing(socket: &Path, head: &str) -> UnixStream {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream.write_all(head.as_bytes()).unwrap();
    stream
}

#[test]
fn clients_that_read_slowly_or_never_delay_nobody_and_cost_little_memory() {
    let service =
        |number: u32| format!("[services.s{number}]\ncommand = \"{{puppet}} stay\"\nmin_uptime = \"1ms\"\n");
    let fleet = Fleet::new(&(0..20).map(service).collect::<String>());
    fleet.run("up -q").expect(0);
    let (socket, supervisor) = (fleet.paths().socket, fleet.status().supervisor.pid.unwrap());
    let memory = || procman::sys::process::read(supervisor).unwrap().usage.memory_bytes;
    let before = memory();
    let restart_all = r#"{"restart":{"services":["all"]}}"#;
    let events = "GET /v1/events HTTP/1.1\r\nhost: x\r\n\r\n";
    let status = "GET /v1/status?tree HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let command = format!(
        "POST /v1/commands HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{restart_all}",
        restart_all.len()
    );
    let mut slow: Vec<UnixStream> = Vec::new();
    for head in [events, status, &command] {
        slow.extend((0..20).map(|_| reads_nothing(&socket, head)));
    }
    for _ in 0..40 {
        let answer = post(&socket, "/v1/commands", restart_all);
        assert_eq!(answer.matches("\"verdict\":\"done\"").count(), 20, "{answer}");
        let begun = std::time::Instant::now();
        fleet.run("status").expect(0);
        assert!(begun.elapsed() < DEADLINE, "a status took {:?}", begun.elapsed());
    }
    let grown = memory().saturating_sub(before);
    assert!(grown < 32 << 20, "the supervisor grew by {grown} bytes");
    let mut answer = Vec::new();
    let mut byte = [0];
    while slow[20].read(&mut byte).unwrap() == 1 {
        answer.push(byte[0]);
    }
    let (_, body) = std::str::from_utf8(&answer).unwrap().split_once("\r\n\r\n").unwrap();
    let status: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(status["services"].as_array().unwrap().len(), 20, "read byte by byte, it is whole");
    let told = BufReader::new(slow.swap_remove(0));
    assert!(
        told.lines().any(|line| line.unwrap().contains("\"event\":\"missed\"")),
        "it is told what it missed"
    );
    drop(slow);
    fleet.run("down").expect(0);
}
