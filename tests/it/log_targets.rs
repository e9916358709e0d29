//! Where services' lines go, and reading them over the socket.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::process::Stdio;
use std::time::Duration;

use nix::fcntl::{FcntlArg, fcntl};
use nix::pty::openpty;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::harness::{Fleet, wait_until};

/// The answer to a GET, from its head on, as it comes.
pub(crate) fn get(fleet: &Fleet, address: &str) -> BufReader<UnixStream> {
    let mut socket = UnixStream::connect(fleet.paths().socket).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    write!(socket, "GET {address} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    BufReader::new(socket)
}

pub(crate) fn body_of(fleet: &Fleet, address: &str) -> String {
    let mut text = String::new();
    get(fleet, address).read_to_string(&mut text).unwrap();
    text
}

pub(crate) fn lines_of(answer: &str) -> Vec<serde_json::Value> {
    answer
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .filter(serde_json::Value::is_object)
        .collect()
}

#[test]
fn a_daemon_that_is_not_there_is_named_before_anything_starts_and_lines_reach_one_that_is() {
    let fleet = Fleet::new(
        "[supervisor]\nsyslog_socket = \"dev-log\"\n\
         [services.a]\ncommand = \"{puppet} out hello err 'oh no' stay\"\nmin_uptime = \"1ms\"\n\
         stdout = [\"file\", \"syslog\"]\nstderr = \"null\"\n",
    );
    let checked = fleet.run("check").expect(1).stdout;
    assert!(checked.contains("problem: a: nobody takes lines for syslog on "), "{checked}");
    assert!(checked.contains("dev-log") && checked.contains("syslog_socket"), "{checked}");
    for up in ["up", "up --foreground"] {
        fleet.run(up).expect(1).says(&["nothing was started", "a: nobody takes lines for syslog on "]);
        assert!(fleet.processes().is_empty());
    }
    let daemon = UnixDatagram::bind(fleet.path().join("dev-log")).unwrap();
    daemon.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    fleet.run("up -q").expect(0);
    let mut message = [0; 1000];
    let length = daemon.recv(&mut message).unwrap();
    let message = String::from_utf8_lossy(&message[..length]);
    assert!(message.starts_with("<30>") && message.ends_with(" a: hello"), "{message}");
    wait_until("the file has it as well", || (fleet.read("logs/a.out.log") == "hello\n").then_some(()));
    assert!(!fleet.path().join("logs/a.err.log").exists());
    assert_eq!(fleet.service("a").dropped_lines, 0);
    // The daemon goes, and what it does not take is counted.
    drop(daemon);
    assert!(fleet.run("check").expect(1).stdout.contains("nobody takes lines"));
    kill(Pid::from_raw(fleet.pid("a")), Signal::SIGKILL).unwrap();
    wait_until("what is lost is counted", || (fleet.service("a").dropped_lines == 1).then_some(()));
    assert_eq!(fleet.service("a").dropped_bytes, 6);
    assert!(fleet.run("status").stdout.contains("a lost 1 line (6 B) on the way to syslog on "));
    let metrics = body_of(&fleet, "/metrics");
    let counted = "procman_service_log_dropped_lines_total{service=\"a\",group=\"\"} 1";
    assert!(metrics.contains(counted), "{metrics}");
    assert_eq!(fleet.read("logs/a.out.log"), "hello\nhello\n");
}

#[test]
fn a_log_daemon_that_goes_away_keeps_no_service_down_and_no_command_from_its_work() {
    let config = "[supervisor]\nsyslog_socket = \"dev-log\"\n[defaults]\nmin_uptime = \"1ms\"\n\
         [services.sys]\ncommand = \"{puppet} out hello stay\"\nstdout = [\"file\", \"syslog\"]\n\
         [services.plain]\ncommand = \"{puppet} out hello stay\"\n";
    let fleet = Fleet::new(config);
    // What does not write there is not concerned.
    fleet.run("up plain -q").expect(0);
    let daemon = UnixDatagram::bind(fleet.path().join("dev-log")).unwrap();
    fleet.run("up -q").expect(0);
    drop(daemon);
    for command in ["restart plain", "restart sys", "stop sys", "start sys", "status", "flush"] {
        fleet.run(command).expect(0);
    }
    fleet.configure(&config.replace("1ms", "2ms"));
    fleet.run("reload").expect(0).says(&["applied"]);
    let away = "sys: nobody takes lines for syslog on ";
    for command in ["restart --quick", "restart"] {
        fleet.run(command).expect(0).says(&[away]);
    }
    fleet.run("restart --emergency").expect(0);
    fleet.behead();
    let lives = fleet.family("sys");
    fleet.run("up").expect(0).says(&[away]);
    assert_eq!(fleet.family("sys"), lives);
    fleet.behead();
    fleet.run("down").expect(0);
    assert!(fleet.processes().is_empty());
    let logs = fleet.run("logs plain").expect(0).stdout;
    assert!(logs.contains("hello"), "{logs}");
}

#[test]
fn lines_of_a_service_come_out_where_a_supervisor_in_the_foreground_writes() {
    let fleet = Fleet::new(
        "[services.a]\ncommand = \"{puppet} out hello err 'oh no' stay\"\nmin_uptime = \"1ms\"\n\
         stdout = \"inherit\"\nstderr = [\"inherit\", \"file\"]\nlog = { envelope = \"json\" }\n",
    );
    let mut up = fleet.command("up -n").stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(up.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "hello");
    let line: serde_json::Value = wait_until("its error is in the file", || {
        serde_json::from_str(fleet.read("logs/a.err.log").lines().next()?).ok()
    });
    assert_eq!((line["line"].as_str(), line["stream"].as_str()), (Some("oh no"), Some("stderr")));
    fleet.run("down").expect(0);
    assert!(up.wait().unwrap().success());
    assert!(!fleet.path().join("logs/a.out.log").exists());
}

#[test]
fn a_terminal_that_shows_nothing_holds_up_no_service_and_no_end() {
    let fleet = Fleet::new(
        "[services.a]\ncommand = \"{puppet} numbered 0 20000 touch written stay\"\nmin_uptime = \"1ms\"\n\
         stdout = \"inherit\"\nlog = { on_full = \"drop\" }\n",
    );
    let terminal = openpty(None, None).unwrap();
    let flags = || fcntl(&terminal.slave, FcntlArg::F_GETFL).unwrap();
    let before = flags();
    let mut up = fleet.command("up -n");
    let mut up = up.stdout(terminal.slave.try_clone().unwrap()).stderr(Stdio::null()).spawn().unwrap();
    wait_until("all is written", || fleet.path().join("written").exists().then_some(()));
    wait_until("what is lost is counted", || (fleet.service("a").dropped_lines > 10_000).then_some(()));
    assert_eq!(flags(), before, "who shares the terminal has it as it was");
    fleet.run("down").expect(0);
    assert!(up.wait().unwrap().success());
}

#[test]
fn logs_are_read_and_followed_over_the_socket() {
    let fleet = Fleet::new(
        "[services.a]\ncommand = \"{puppet} lines 300 wait-for go out more stay\"\nmin_uptime = \"1ms\"\n\
         [services.b]\ncommand = \"{puppet} err oops stay\"\nmin_uptime = \"1ms\"\n",
    );
    fleet.run("up -q").expect(0);
    wait_until("the lines are written", || {
        (fleet.read("logs/a.out.log").lines().count() == 300 && !fleet.read("logs/b.err.log").is_empty())
            .then_some(())
    });
    let all = lines_of(&body_of(&fleet, "/v1/logs?services=a,b&lines=1000"));
    assert_eq!(all.len(), 301);
    assert_eq!(lines_of(&body_of(&fleet, "/v1/logs")).len(), 100);
    let found = lines_of(&body_of(&fleet, "/v1/logs?grep=00010%5B12%5D&stream=stdout&since=1h"));
    let found: Vec<_> = found.iter().map(|line| line["line"].as_str().unwrap().to_owned()).collect();
    assert_eq!(found, ["line 000000000101", "line 000000000102"]);
    assert!(body_of(&fleet, "/v1/logs?services=nobody").starts_with("HTTP/1.1 404"));
    assert!(body_of(&fleet, "/v1/logs?grep=(").starts_with("HTTP/1.1 400"));
    assert!(body_of(&fleet, "/v1/logs?tail=1").starts_with("HTTP/1.1 400"));
    let mut followed = get(&fleet, "/v1/logs?services=a&lines=1&follow=true").lines().map_while(Result::ok);
    assert!(followed.any(|line| line.contains("000000000299")));
    std::fs::write(fleet.path().join("go"), "").unwrap();
    assert!(followed.any(|line| line.contains("\"more\"")));
    // The end of the supervisor ends the stream, and is not held up by it. That of the run may come before.
    fleet.run("down").expect(0);
    let lines: Vec<String> = followed.filter(|line| line.contains("\"line\"")).collect();
    assert_eq!(lines, Vec::<String>::new());
}

#[test]
fn a_client_that_reads_no_logs_holds_nobody_up() {
    let fleet = Fleet::new(
        "[services.a]\ncommand = \"{puppet} lines 300000 touch done stay\"\nmin_uptime = \"1ms\"\n",
    );
    fleet.run("up -q").expect(0);
    let idle: Vec<_> = (0..3).map(|_| get(&fleet, "/v1/logs?lines=1000000&follow=true")).collect();
    wait_until("the service has written all", || fleet.path().join("done").exists().then_some(()));
    assert_eq!(fleet.service("a").name.as_str(), "a");
    drop(idle);
    fleet.run("down").expect(0);
}

#[test]
fn the_supervisor_s_own_log_is_json_if_asked_for_and_tells_more_at_run_time() {
    let fleet = Fleet::new(
        "[supervisor]\nlog_format = \"json\"\nlog_level = \"warn\"\n\
         [services.a]\ncommand = \"{puppet} stay\"\nmin_uptime = \"1ms\"\n",
    );
    fleet.run("up -q").expect(0);
    let log = || std::fs::read_to_string(fleet.paths().supervisor_log).unwrap_or_default();
    assert!(!log().contains("supervisor started"), "{}", log());
    fleet.run("log-level loud").expect(2);
    fleet.run("log-level debug").expect(0);
    fleet.run("restart a").expect(0);
    let lines: Vec<serde_json::Value> =
        log().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.iter().any(|line| line["level"] == "DEBUG"));
    assert!(lines.iter().any(|line| line["message"] == "started" && line["service"] == "a"));
    fleet.run("down").expect(0);
    fleet.run("log-level info").expect(4);
}

#[test]
fn searches_end_when_their_clients_leave_and_make_room_for_others() {
    let fleet = Fleet::new("[services.a]\ncommand = \"{puppet} stay\"\nmin_uptime = \"1ms\"\n");
    fleet.run("up -q").expect(0);
    // A file that has much and takes no room.
    std::fs::create_dir_all(fleet.path().join("logs")).unwrap();
    let much = std::fs::File::create(fleet.path().join("logs/a.out.log.1")).unwrap();
    much.set_len(1 << 40).unwrap();
    let status = || {
        let mut answer = get(&fleet, "/v1/logs?grep=nowhere");
        let mut line = String::new();
        answer.read_line(&mut line).unwrap();
        (line, answer)
    };
    let searches: Vec<_> = (0..32).map(|_| status()).collect();
    assert!(searches.iter().all(|(status, _)| status.starts_with("HTTP/1.1 200")));
    assert!(status().0.starts_with("HTTP/1.1 503"), "no room is left");
    drop(searches);
    wait_until("there is room again", || status().0.starts_with("HTTP/1.1 200").then_some(()));
    let (_, mut search) = status();
    fleet.run("down").expect(0);
    let mut rest = String::new();
    let _ = search.read_to_string(&mut rest);
    assert!(!rest.ends_with("0\r\n\r\n"), "what was broken off does not end like a whole answer: {rest}");
}
