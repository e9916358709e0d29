//! The servers that supervisord's config declares: their clients, their page and their logs.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

use crate::harness::{free_port, wait_until};
use crate::rpc::calls;
use crate::supervisord::Drop;

const PROGRAMS: &str = "\
[program:talker]
command=sh -c \"echo one '<b>' $SUPERVISOR_SERVER_URL; cat\"
startsecs=0
stdout_logfile=talker.log
[program:idle]
command={puppet} stay
startsecs=0
autostart=false
[program:crash]
command=sh -c 'exit 3'
autostart=false
startretries=0
";

/// A fleet whose config has these sections before its programs.
fn up(servers: &str) -> Drop {
    let it = Drop::new(&format!("[supervisord]\nidentifier=a<b\n{servers}{PROGRAMS}"));
    it.run("up --timeout 20s").expect(0);
    it
}

/// What a server answers to a request of HTTP/1.0, which ends with the connection.
fn ask(port: u16, method: &str, path: &str, headers: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let length = if method == "POST" { "Content-Length: 0\r\n" } else { "" };
    write!(stream, "{method} {path} HTTP/1.0\r\nHost: localhost:{port}\r\n{length}{headers}\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// The status of an answer.
fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or_default()
}

#[test]
fn clients_come_by_tcp_and_by_the_declared_socket_with_the_password_alone() {
    let port = free_port();
    // The password is `thepassword`.
    let it = up(&format!(
        "[inet_http_server]\nport=127.0.0.1:{port}\nusername=user\npassword={{SHA}}82ab876d1387bfafe46cc1c8a2ef074eae50cb1d\n\
         [unix_http_server]\nfile=its.sock\nchmod=0707\n"
    ));
    let version = json!([["supervisor.getVersion", []]]);
    let with = format!("http://user:thepassword@127.0.0.1:{port}");
    assert_eq!(calls(&with, &version), [json!({"value": "3.0"})]);
    for server in [format!("http://127.0.0.1:{port}"), format!("http://user:wrong@127.0.0.1:{port}")] {
        assert_eq!(calls(&server, &version), [json!({"error": [401, "Unauthorized"]})]);
    }
    for path in ["/", "/RPC2", "/logtail/talker", "/mainlogtail", "/v1/status", "/ok.html"] {
        let answer = ask(port, "GET", path, "");
        assert_eq!(status(&answer), "401", "{path}: {answer}");
        assert!(answer.to_lowercase().contains("www-authenticate: basic realm=\"default\""), "{answer}");
    }
    let socket = it.fleet.path().join("its.sock");
    assert_eq!(fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o707);
    assert_eq!(calls(socket.to_str().unwrap(), &version), [json!({"value": "3.0"})]);
    let url = format!("one <b> unix://{}\n", socket.display());
    wait_until("a program is told where the server is", || {
        (it.fleet.read("talker.log") == url).then_some(())
    });

    let supervisor = it.supervisor().unwrap();
    kill(Pid::from_raw(supervisor), Signal::SIGKILL).unwrap();
    wait_until("another supervisor has it", || it.supervisor().filter(|pid| *pid != supervisor));
    wait_until("it serves there again", || TcpStream::connect(("127.0.0.1", port)).ok());
    wait_until("it serves there again", || std::os::unix::net::UnixStream::connect(&socket).ok());
    assert_eq!(calls(&with, &version), [json!({"value": "3.0"})]);
    it.run("down").expect(0);
    assert!(!socket.exists() && TcpStream::connect(("127.0.0.1", port)).is_err());
}

#[test]
fn the_page_shows_processes_and_does_what_its_buttons_say() {
    let port = free_port();
    let it = up(&format!("[inet_http_server]\nport={port}\n"));
    let page = ask(port, "GET", "/", "");
    assert_eq!(status(&page), "200");
    for part in [
        "<title>a&lt;b</title>",
        "<td class=\"state running\">RUNNING</td><td>pid ",
        "<td class=\"state stopped\">STOPPED</td><td>Not started</td>",
        "action=\"index.html?processname=talker&amp;action=stop\"",
        "action=\"index.html?processname=idle&amp;action=start\"",
        "href=\"tail.html?processname=talker\"",
        "action=\"index.html?action=restartall\"",
    ] {
        assert!(page.contains(part), "{part} is not in\n{page}");
    }
    let act = |method: &str, query: &str| {
        let answer = ask(port, method, &format!("/index.html?{query}"), "");
        assert_eq!(status(&answer), "303", "{query}: {answer}");
        let location =
            answer.lines().find_map(|line| line.strip_prefix("location: ")).unwrap().trim().to_owned();
        let page = ask(port, "GET", &location, "");
        page.lines()
            .find_map(|line| line.strip_prefix("<p class=\"message\" role=\"status\">"))
            .unwrap()
            .trim_end_matches("</p>")
            .to_owned()
    };
    assert_eq!(act("POST", "processname=idle&action=start"), "Process idle started");
    assert_eq!(it.states()["idle"], "running");
    assert_eq!(act("GET", "processname=idle&action=restart"), "Process idle restarted");
    assert_eq!(act("GET", "processname=idle&action=stop"), "Process idle stopped");
    assert_eq!(it.states()["idle"], "stopped");
    assert_eq!(act("GET", "processname=crash&action=start"), "ERROR: Process crash: spawn error");
    assert_eq!(act("GET", "processname=%3Cx%3E&action=start"), "No such process named &lt;x&gt;");
    let tail = ask(port, "GET", "/tail.html?processname=talker", "");
    assert!(tail.contains("<pre>one &lt;b&gt; http://localhost:"), "{tail}");
    assert!(ask(port, "GET", "/tail.html?processname=nope", "").contains("<pre>ERROR: BAD_NAME: nope"));
    assert_eq!(act("POST", "processname=talker&action=clearlog"), "Log for talker cleared");
    assert_eq!(it.fleet.read("talker.log"), "");
    assert!(act("GET", "action=refresh").starts_with("Page refreshed at "));
    assert!(act("POST", "action=stopall").starts_with("All stopped at "));
    assert!(it.states().values().all(|state| state != "running"));
    assert!(ask(port, "GET", "/ok.html", "").ends_with("OK"));
    assert_eq!(status(&ask(port, "GET", "/RPC2", "")), "400");
    assert_eq!(
        status(&ask(port, "POST", "/index.html?action=restartall", "Sec-Fetch-Site: cross-site\r\n")),
        "403"
    );
    assert_eq!(status(&ask(port, "GET", "/nowhere", "")), "404");
}

#[test]
fn a_log_is_followed_as_it_grows() {
    let port = free_port();
    let it = up(&format!("[inet_http_server]\nport=localhost:{port}\n"));
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    write!(stream, "GET /logtail/talker/stdout HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut lines = BufReader::new(stream).lines().map(Result::unwrap);
    let head: Vec<String> = lines.by_ref().take_while(|line| !line.is_empty()).collect();
    let head = head.join("\n").to_lowercase();
    for part in ["200 ok", "text/plain;charset=utf-8", "x-accel-buffering: no", "transfer-encoding: chunked"]
    {
        assert!(head.contains(part), "{head}");
    }
    assert!(lines.any(|line| line.starts_with("one <b>")));
    let write = json!([["supervisor.sendProcessStdin", ["talker", "two\n"]]]);
    assert_eq!(calls(&format!("http://127.0.0.1:{port}"), &write), [json!({"value": true})]);
    assert!(lines.any(|line| line == "two"));
    for path in ["/logtail/nope", "/logtail/talker/nope"] {
        assert_eq!(status(&ask(port, "GET", path, "")), "404", "{path}");
    }
    assert_eq!(status(&ask(port, "POST", "/logtail/talker", "")), "400");
    it.run("down").expect(0);
    assert!(lines.count() < 10, "the stream ends with the supervisor");
}

#[test]
fn a_server_that_cannot_be_is_named_before_anything_is_started() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let it = Drop::new(&format!("[supervisord]\n[inet_http_server]\nport=127.0.0.1:{port}\n{PROGRAMS}"));
    it.run("up --timeout 20s").expect(1).says(&[
        &format!("cannot serve [inet_http_server] at 127.0.0.1:{port}"),
        "in use",
        "end the program that listens there",
    ]);
    assert_eq!(it.fleet.read("talker.log"), "");
}

#[test]
fn without_a_password_nobody_from_elsewhere_is_served() {
    let port = free_port();
    let it =
        up(&format!("[inet_http_server]\nport=*:{port}\n[inet_http_server:far]\nport=192.0.2.1:{port}\n"));
    it.run("check").expect(0).says(&[
        "supervisord.conf:3: [inet_http_server] has no username and password: it is served on 127.0.0.1 alone",
        "supervisord.conf:5: [inet_http_server:far] is not served",
    ]);
    assert_eq!(status(&ask(port, "GET", "/ok.html", "")), "200");
    assert!(TcpListener::bind(("127.0.0.2", port)).is_ok(), "it listens on one address");
    it.run("import supervisord.conf").expect(0).says(&["[inet_http_server] is left out"]);
}
