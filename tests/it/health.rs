//! Healthy means healthy: checks of every kind, and what is done about those who fail them.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Child, ChildStdout};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use procman::protocol::event::{Event, ServiceChange, What};
use procman::protocol::status::ServiceView;
use procman::vocab::state::{Health, State};

use crate::harness::{Fleet, free_port, is_alive, wait_until};

/// The events of a fleet while they come.
struct Story {
    reader: Child,
    lines: BufReader<ChildStdout>,
}

impl Story {
    /// Listens from here on: another service is stopped and started until that is heard.
    fn of(fleet: &Fleet) -> Self {
        let mut reader = fleet.spawn("events --json");
        let lines = BufReader::new(reader.stdout.take().unwrap());
        let mut story = Self { reader, lines };
        std::thread::scope(|scope| {
            let (heard, is_heard) = std::sync::mpsc::channel();
            scope.spawn(move || {
                while is_heard.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty) {
                    fleet.run("restart bell");
                }
            });
            story.next(|change| change.service.as_str() == "bell");
            heard.send(()).unwrap();
        });
        story
    }

    /// The next change that is as wanted, and when it was.
    fn next(&mut self, is_wanted: impl Fn(&ServiceChange) -> bool) -> (u64, ServiceChange) {
        loop {
            let mut line = String::new();
            assert!(self.lines.read_line(&mut line).unwrap() > 0, "the events have ended");
            let event: Event = serde_json::from_str(&line).unwrap();
            match event.what {
                What::Service(change) if is_wanted(&change) => return (event.unix_ms, change),
                What::Service(_) | What::Notes { .. } | What::Supervisor { .. } => (),
                What::RemoteCommunication { .. } | What::Ended | What::Missed { .. } => (),
            }
        }
    }
}

impl Drop for Story {
    fn drop(&mut self) {
        let _ = self.reader.kill();
        let _ = self.reader.wait();
    }
}

/// A service that rings when it is restarted.
const BELL: &str = "[services.bell]\ncommand = \"{puppet} stay\"\nmin_uptime = \"1ms\"\n";

fn fleet_of(command: &str, more: &str) -> Fleet {
    Fleet::new(&format!(
        "[defaults]\nstop_timeout = \"2s\"\n[services.api]\ncommand = \"{{puppet}} {command}\"\n{more}\n{BELL}"
    ))
}

fn say(fleet: &Fleet, file: &str, text: &str) {
    let at = fleet.path().join(file);
    fs::write(at.with_extension("new"), text).unwrap();
    fs::rename(at.with_extension("new"), at).unwrap();
}

fn wait_for_reason(fleet: &Fleet, words: &str) -> ServiceView {
    wait_until(words, || {
        Some(fleet.service("api")).filter(|it| it.reason.as_ref().is_some_and(|it| it.contains(words)))
    })
}

fn wait_for_health(fleet: &Fleet, health: Health) -> ServiceView {
    wait_until(&format!("it is {health}"), || Some(fleet.service("api")).filter(|it| it.health == health))
}

#[test]
fn a_service_that_answers_tcp_and_fails_its_http_check_is_never_healthy() {
    let port = free_port();
    let check = "http = \"/health\", status = 200, body = \"db: up\"";
    let more = format!(
        "port = {port}\nhealth = {{ {check}, interval = \"50ms\", retries = 2, start_period = \"100ms\" }}"
    );
    let fleet = fleet_of(&format!("http-from {port} said stay"), &more);
    say(&fleet, "said", "503 busy");
    fleet.run("up --no-wait").expect(0);
    let seen = wait_for_reason(&fleet, "answered 503");
    assert_eq!(seen.state, State::Starting);
    let seen = wait_for_health(&fleet, Health::Unhealthy);
    assert_eq!(seen.state, State::Starting, "a run that was never ready is not running");
    say(&fleet, "said", "200 db: down");
    wait_for_reason(&fleet, "without `db: up` in its body");
    say(&fleet, "said", "200 all well, db: up");
    let seen = wait_for_health(&fleet, Health::Healthy);
    assert_eq!((seen.state, seen.reason), (State::Running, None));
    say(&fleet, "said", "204 db: up");
    let seen = wait_for_health(&fleet, Health::Unhealthy);
    assert_eq!((seen.state, seen.restarts), (State::Running, 0), "it is reported, and nothing else");
    fleet.run("status").expect(3);
}

#[test]
fn a_service_whose_port_a_stranger_holds_is_never_ready() {
    let port = free_port();
    let more =
        format!("port = {port}\nhealth = {{ tcp = true, interval = \"50ms\", start_period = \"50ms\" }}");
    let fleet = fleet_of(&format!("touch begun wait-for go listen {port} stay"), &more);
    fleet.run("up --no-wait").expect(0);
    wait_until("it has begun", || fleet.path().join("begun").exists().then_some(()));
    let stranger = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let seen = wait_for_health(&fleet, Health::Unhealthy);
    assert_eq!(seen.state, State::Starting, "a connection would have been accepted");
    assert!(seen.reason.unwrap().contains(&format!("port {port} is held by")));
    drop(stranger);
    say(&fleet, "go", "");
    fleet.wait_for_state("api", State::Running);
}

#[test]
fn a_heartbeat_that_stops_is_noticed_within_interval_and_timeout_and_the_service_restarted() {
    let fleet = fleet_of(
        "touch begun beat data/beat 20 stop stay",
        "health = { heartbeat = \"data/beat\", interval = \"4s\", timeout = \"1s\" }",
    );
    fs::create_dir(fleet.path().join("data")).unwrap();
    fleet.run("up").expect(0);
    let mut story = Story::of(&fleet);
    let before = fleet.service("api");
    assert_eq!((before.state, before.health), (State::Running, Health::Healthy));
    say(&fleet, "stop", "");
    wait_until("the beat has stopped", || (!fleet.path().join("stop").exists()).then_some(()));
    let beat = fs::metadata(fleet.path().join("data/beat")).unwrap().modified().unwrap();
    let (noticed_ms, change) = story.next(|it| it.service.as_str() == "api" && it.state == State::Stopping);
    let beat_ms = u64::try_from(beat.duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap();
    let late = Duration::from_millis(noticed_ms.saturating_sub(beat_ms));
    let (interval, timeout) = (Duration::from_secs(4), Duration::from_secs(1));
    // A look once an interval, and not when the beat is due, would notice an interval later.
    let in_time = interval + timeout..2 * interval + timeout;
    assert!(in_time.contains(&late), "noticed after {late:?}");
    let cause = change.reason.unwrap();
    let expected = "is restarted: its check failed: the heartbeat ";
    assert!(
        cause.starts_with(expected) && cause.ends_with("data/beat was not touched for more than 5.0s"),
        "{cause}"
    );
    let after = wait_until("it runs again", || {
        Some(fleet.service("api")).filter(|it| it.state == State::Running && it.pid != before.pid)
    });
    assert_eq!(after.restarts, 1);
}

#[test]
fn a_command_judges_a_service_and_is_no_process_of_it() {
    let fleet = fleet_of(
        "stay",
        "health = { exec = \"sh check.sh\", interval = \"50ms\", timeout = \"1500ms\", retries = 2, \
         on_unhealthy = \"restart\", start_period = \"0s\" }\ndirectory = \"work\"\nenv = { WHOSE = \"api\" }",
    );
    let work = fleet.path().join("work");
    fs::create_dir(&work).unwrap();
    let script = |text: &str| say(&fleet, "work/check.sh", text);
    script("test \"$WHOSE\" = api && test -e check.sh && echo fine");
    fleet.run("up").expect(0);
    let before = fleet.service("api");
    assert_eq!(before.health, Health::Healthy);
    // One that takes too long ends with all that it has begun.
    script(
        "echo $$ >> pids; sleep 60 & echo $! >> pids; setsid sh -c 'echo $$ >> pids; sleep 60' & echo stuck; wait",
    );
    let mut counts = BTreeSet::new();
    let after = wait_until("it is restarted", || {
        let seen = fleet.service("api");
        counts.insert(seen.processes);
        Some(seen).filter(|it| it.restarts > 0)
    });
    assert_ne!(after.pid, before.pid);
    assert!(counts.iter().all(|count| *count <= 1), "{counts:?}");
    script("exit 0");
    wait_for_health(&fleet, Health::Healthy);
    let pids: Vec<i32> = fleet.read("work/pids").lines().map(|line| line.parse().unwrap()).collect();
    assert!(pids.len() >= 6, "{pids:?}");
    wait_until("all of them are gone", || pids.iter().all(|pid| !is_alive(*pid)).then_some(()));
    let supervisor = fleet.supervisor_pid();
    let is_zombie =
        |pid: &i32| fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|it| it.contains(") Z "));
    wait_until("no zombie is left", || (!pids.iter().any(is_zombie)).then_some(()));
    let descriptors = || fs::read_dir(format!("/proc/{supervisor}/fd")).unwrap().count();
    let few = descriptors();
    script("echo 'the queue is stuck' >&2; exit 7");
    wait_for_reason(&fleet, "`sh check.sh` exited with code 7: the queue is stuck");
    script("exit 0");
    wait_for_health(&fleet, Health::Healthy);
    wait_until("no descriptor is left", || (descriptors() <= few + 2).then_some(()));
}

#[test]
fn a_check_does_not_outlive_the_run_that_it_judges() {
    let fleet = fleet_of("stay", "health = { exec = \"sh check.sh\", timeout = \"60s\" }");
    say(&fleet, "check.sh", "echo $$ > pid; exec sleep 60");
    fleet.run("up --no-wait").expect(0);
    let pid = || fleet.read("pid").trim().parse().ok();
    let first: i32 = wait_until("a check is under way", pid);
    fleet.run("stop api").expect(0);
    wait_until("the check has ended", || (!is_alive(first)).then_some(()));
    fs::remove_file(fleet.path().join("pid")).unwrap();
    let mut start = fleet.spawn("start api");
    let second: i32 = wait_until("another check is under way", pid);
    // One that its supervisor left behind is ended by the next.
    fleet.behead();
    fleet.run("up --no-wait").expect(0);
    wait_until("the check has ended", || (!is_alive(second)).then_some(()));
    start.wait().unwrap();
}

#[test]
fn a_line_of_its_log_makes_a_service_ready_and_a_line_of_an_earlier_run_does_not() {
    let fleet = fleet_of(
        "err loading wait-for go err listening_on_8080 stay",
        "health = { log = \"^listening_on_[0-9]+$\" }",
    );
    fleet.run("up --no-wait").expect(0);
    let seen = wait_for_reason(&fleet, "it has written no line that matches");
    assert_eq!((seen.state, seen.health), (State::Starting, Health::Starting));
    say(&fleet, "go", "");
    let seen = fleet.wait_for_state("api", State::Running);
    assert_eq!(seen.health, Health::Healthy);
    fs::remove_file(fleet.path().join("go")).unwrap();
    let mut restart = fleet.spawn("restart api");
    let seen = wait_for_reason(&fleet, "it has written no line that matches");
    assert_eq!(seen.state, State::Starting);
    say(&fleet, "go", "");
    fleet.wait_for_state("api", State::Running);
    assert_eq!(restart.wait().unwrap().code(), Some(0));
}

#[test]
fn a_log_is_read_from_where_the_run_began_also_by_the_next_supervisor() {
    // Its port keeps it from being ready, so that the next supervisor has to look for the line, which is old by then.
    let port = free_port();
    let fleet = fleet_of(
        &format!("out ready wait-for go listen {port} stay"),
        &format!("port = {port}\nhealth = {{ log = \"^ready$\" }}"),
    );
    fleet.run("up --no-wait").expect(0);
    wait_until("the line is in the log", || fleet.read("logs/api.out.log").contains("ready").then_some(()));
    fleet.behead();
    fleet.run("up --no-wait").expect(0);
    say(&fleet, "go", "");
    let seen = fleet.wait_for_state("api", State::Running);
    assert_eq!((seen.health, seen.restarts), (Health::Healthy, 0));
}

#[test]
fn one_that_fails_is_stopped_or_restarted_as_often_as_its_budget_allows() {
    let port = free_port();
    let check = "http = \"/\", interval = \"20ms\", retries = 1, start_period = \"0s\"";
    let fleet = fleet_of(
        &format!("http-from {port} said stay"),
        &format!(
            "port = {port}\nready = {{ tcp = true }}\nlive = {{ {check}, max_restarts = 2, within = \"10m\" }}"
        ),
    );
    say(&fleet, "said", "500");
    fleet.run("up --no-wait").expect(0);
    let seen =
        wait_for_reason(&fleet, "answered 500 Internal Server Error (it was restarted 2 times within 10m");
    assert_eq!((seen.state, seen.health, seen.restarts), (State::Running, Health::Unhealthy, 2));
    say(&fleet, "said", "200");
    wait_for_health(&fleet, Health::Healthy);
    fleet.configure(&format!(
        "[services.api]\ncommand = \"{{puppet}} http-from {port} said stay\"\nport = {port}\n\
         ready = {{ tcp = true }}\nlive = {{ {check}, on_unhealthy = \"stop\" }}"
    ));
    fleet.run("reload").expect(0);
    say(&fleet, "said", "500");
    let seen = fleet.wait_for_state("api", State::Fatal);
    let reason = seen.reason.unwrap();
    assert_eq!(
        reason,
        format!("was stopped: its check failed: GET / on port {port} answered 500 Internal Server Error")
    );
    assert_eq!(seen.pid, None);
    say(&fleet, "said", "200");
    fleet.run("start api").expect(0);
}

#[test]
#[cfg(target_os = "linux")]
fn a_service_that_tells_of_itself_is_believed_and_strangers_are_not() {
    let fleet = fleet_of(
        "notify STATUS=loading wait-for go notify READY=1+STATUS=serving stay",
        "health = { notify = true }",
    );
    fleet.run("up --no-wait").expect(0);
    let told = |words: &str| {
        wait_until(words, || Some(fleet.service("api")).filter(|it| it.says.as_deref() == Some(words)))
    };
    assert_eq!(told("loading").state, State::Starting);
    let socket = fleet.paths().notify();
    let stranger = std::os::unix::net::UnixDatagram::unbound().unwrap();
    stranger.send_to(b"READY=1\nSTATUS=mine", &socket).unwrap();
    stranger.send_to(&[0xff; 100_000], &socket).unwrap();
    stranger.send_to(b"", &socket).unwrap();
    // A process of another service speaks for that one only.
    assert_eq!(told("loading").state, State::Starting);
    say(&fleet, "go", "");
    let seen = told("serving");
    assert_eq!(fleet.wait_for_state("api", State::Running).pid, seen.pid);
    assert!(fleet.run("status").stdout.contains("api: says: serving"));
}

#[test]
#[cfg(target_os = "linux")]
fn a_watchdog_that_is_not_fed_any_more_restarts_the_service_also_under_the_next_supervisor() {
    let fleet = fleet_of(
        "notify READY=1 notify-each 50 WATCHDOG=1 stop stay",
        "health = { notify = true, watchdog = \"700ms\" }",
    );
    fleet.run("up").expect(0);
    let before = fleet.service("api");
    assert_eq!(before.health, Health::Healthy);
    fleet.behead();
    fleet.run("up").expect(0);
    let mut story = Story::of(&fleet);
    assert_eq!(wait_for_health(&fleet, Health::Healthy).pid, before.pid);
    let start = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    say(&fleet, "stop", "");
    let (noticed_ms, change) = story.next(|it| it.service.as_str() == "api" && it.state == State::Stopping);
    let late = u128::from(noticed_ms).saturating_sub(start.as_millis());
    assert!((600..1500).contains(&late), "noticed after {late} ms");
    let cause = "is restarted: its check failed: it has not said WATCHDOG=1 for more than 700ms";
    assert_eq!(change.reason.as_deref(), Some(cause));
}

#[test]
#[cfg(target_os = "linux")]
fn one_that_asks_for_more_time_gets_it() {
    let fleet = fleet_of(
        "notify EXTEND_TIMEOUT_USEC=60000000+STATUS=migrating wait-for go notify READY=1 stay",
        "health = { notify = true, start_period = \"200ms\", interval = \"20ms\", on_unhealthy = \"stop\" }",
    );
    fleet.run("up --no-wait").expect(0);
    let seen = wait_until("it has been up for long", || {
        Some(fleet.service("api")).filter(|it| it.uptime_s.is_some_and(|uptime| uptime > 1.0))
    });
    assert_eq!((seen.state, seen.health), (State::Starting, Health::Starting));
    say(&fleet, "go", "");
    fleet.wait_for_state("api", State::Running);
}

#[test]
#[cfg(target_os = "linux")]
fn what_a_service_says_while_no_supervisor_lives_is_heard_by_the_next() {
    let fleet =
        fleet_of("wait-for go notify READY=1+MAINPID=1 touch said stay", "health = { notify = true }");
    fleet.run("up --no-wait").expect(0);
    let supervisor = fleet.status().supervisor;
    let pid = |pid: Option<procman::vocab::identity::Pid>| Pid::from_raw(pid.unwrap().as_raw());
    kill(pid(supervisor.guardian), Signal::SIGSTOP).unwrap();
    kill(pid(supervisor.pid), Signal::SIGKILL).unwrap();
    say(&fleet, "go", "");
    wait_until("it was said", || fleet.path().join("said").exists().then_some(()));
    kill(pid(supervisor.guardian), Signal::SIGCONT).unwrap();
    let seen = fleet.wait_for_state("api", State::Running);
    let notes = wait_until("what it says of its main process is noted", || fleet.service("api").notes.pop());
    assert!(notes.contains("MAINPID=1, which is not followed"), "{notes}");
    assert_ne!(seen.pid.map(|pid| pid.as_raw()), Some(1));
}
