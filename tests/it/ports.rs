//! The port ledger: who holds what, what a taken port costs, and how soon a service has its own again.

use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

use procman::vocab::port::{HeldBy, Verdict};
use procman::vocab::state::State;

use crate::harness::{Beside, Fleet, free_port, puppet, wait_until};

fn fleet(port: u16, keys: &str) -> Fleet {
    Fleet::new(&format!(
        "[services.api]\ncommand = \"{{puppet}} listen {port} stay\"\nport = {port}\nautostart = false\n\
         backoff = {{ max_retries = 0 }}\n{keys}\n[services.other]\ncommand = \"{{puppet}} stay\"\nmin_uptime = \"1ms\"\n"
    ))
}

fn stranger(port: u16) -> Command {
    let mut command = Command::new(puppet());
    command.args(["listen", &port.to_string(), "stay"]);
    command
}

fn started(command: &mut Command, port: u16) -> Beside {
    let child = Beside::start(command);
    wait_until("it listens", || TcpStream::connect(("127.0.0.1", port)).ok());
    child
}

#[test]
fn a_service_starts_within_100_ms_after_the_holder_of_its_port_has_left() {
    let port = free_port();
    let fleet = fleet(port, "");
    fleet.run("up -q").expect(0);
    // The best of several: the machine may be busy with other tests.
    let mut waits = Vec::new();
    wait_until("a start within 100 ms", || {
        let stranger = wait_until("the port is free", || TcpListener::bind(("127.0.0.1", port)).ok());
        let own = format!("(pid {}", std::process::id());
        fleet.run("start api").expect(1).says(&[&format!("cannot start: port {port} is held by"), &own]);
        let api = fleet.service("api");
        assert!(api.reason.unwrap().contains(&own));
        assert_eq!((api.state, api.restarts), (State::Backoff, 0));
        drop(stranger);
        let left = Instant::now();
        wait_until("it listens", || TcpStream::connect(("127.0.0.1", port)).ok());
        waits.push(left.elapsed());
        fleet.run("stop api").expect(0);
        println!("it was up after {waits:?}");
        (*waits.last()? < Duration::from_millis(100)).then_some(())
    });
}

#[test]
fn a_port_that_is_taken_while_the_program_starts_costs_no_retry() {
    let port = free_port();
    let fleet = Fleet::new(&format!(
        "[services.api]\ncommand = \"{{puppet}} touch up wait-for go listen {port} stay\"\nport = {port}\n\
         backoff = {{ max_retries = 0 }}\n"
    ));
    fleet.run("up --no-wait -q").expect(0);
    wait_until("the program runs", || fleet.path().join("up").exists().then_some(()));
    let stranger = TcpListener::bind(("127.0.0.1", port)).unwrap();
    std::fs::write(fleet.path().join("go"), "").unwrap();
    let api = fleet.wait_for_state("api", State::Backoff);
    assert!(api.reason.unwrap().contains(&format!("(pid {}", std::process::id())));
    drop(stranger);
    assert_eq!(fleet.wait_for_state("api", State::Running).restarts, 0);
}

#[test]
fn a_taken_port_is_fatal_at_once_where_the_config_says_fail() {
    let port = free_port();
    let fleet = fleet(port, "on_port_conflict = \"fail\"");
    fleet.run("up -q").expect(0);
    let stranger = started(&mut stranger(port), port);
    fleet.run("start api").expect(1).says(&[&format!("port {port} is held by"), &stranger.pid().to_string()]);
    let api = fleet.service("api");
    assert_eq!((api.state, api.restarts), (State::Fatal, 0));
    assert!(stranger.is_alive());
}

#[test]
fn a_stranger_is_ended_for_a_service_where_the_config_says_flush() {
    let port = free_port();
    let fleet = fleet(port, "on_port_conflict = \"flush\"");
    fleet.run("up -q").expect(0);
    let mut stubborn = Command::new(puppet());
    stubborn.args(["ignore-term", "listen", &port.to_string(), "stay"]);
    for command in [&mut stranger(port), &mut stubborn] {
        let stranger = started(command, port);
        let client = TcpStream::connect(("127.0.0.1", port)).unwrap();
        fleet.run("start api").expect(0);
        assert!(!stranger.is_alive());
        drop(client);
        assert_eq!(fleet.service("api").restarts, 0);
        fleet.run("stop api").expect(0);
    }
}

#[test]
fn an_ancestor_of_the_supervisor_is_waited_for_where_the_config_says_flush() {
    let port = free_port();
    let fleet = fleet(port, "on_port_conflict = \"flush\"");
    let mut supervisor = fleet.spawn("up --foreground -q");
    fleet.wait_for_state("other", State::Running);
    // This test listens itself, and the supervisor descends from it.
    let listening = TcpListener::bind(("127.0.0.1", port)).unwrap();
    fleet
        .run("start api")
        .expect(1)
        .says(&["which cannot be ended", &format!("(pid {}", std::process::id())]);
    drop(listening);
    fleet.wait_for_state("api", State::Running);
    fleet.run("down").expect(0);
    supervisor.wait().unwrap();
}

#[test]
fn a_stray_of_ours_is_ended_and_a_live_service_is_not() {
    let port = free_port();
    let fleet = fleet(port, "");
    fleet.run("up -q").expect(0);
    let mut command = stranger(port);
    let tag = format!("{}/api/4000", fleet.paths().instance);
    let stray = started(command.env("PROCMAN_RUN", tag), port);
    let view = fleet.status().ports.into_iter().find(|view| view.port.number() == port).unwrap();
    assert_eq!((view.verdict, view.held_by), (Verdict::Stray, HeldBy::Other));
    assert_eq!(view.owner.unwrap().as_str(), "api");
    assert!(view.age_s.unwrap() < 3600.0 && view.user.is_some());
    fleet.run("start api").expect(0);
    assert!(!stray.is_alive());
    fleet.run("stop api").expect(0);
    fleet.configure(&format!(
        "[services.api]\ncommand = \"{{puppet}} listen {port} stay\"\nport = {port}\nautostart = false\n\
         on_port_conflict = \"flush\"\n[services.other]\ncommand = \"{{puppet}} listen {port} stay\"\nmin_uptime = \"1ms\"\n"
    ));
    fleet.run("reload -q").expect(0);
    wait_until("the other listens", || TcpStream::connect(("127.0.0.1", port)).ok());
    let other = fleet.pid("other");
    fleet.run("start api").expect(1).says(&["which is of `other`"]);
    assert_eq!(fleet.pid("other"), other);
    let shown = fleet.run("ports").expect(0).stdout;
    assert!(shown.contains("ours (other)"), "{shown}");
}

#[test]
fn ports_that_are_not_as_declared_are_said_in_status_and_events() {
    let (declared, undeclared, brief) = (free_port(), free_port(), free_port());
    let fleet = Fleet::new(&format!(
        "[services.api]\ncommand = \"{{puppet}} listen {declared} listen-for {brief} 1500 listen {undeclared} stay\"\n\
         ports = [{declared}, {brief}]\n"
    ));
    fleet.run("up -q").expect(0);
    let events = fleet.spawn("events --json");
    let notes = || fleet.service("api").notes;
    let wanted = [
        format!("listens on port {undeclared}, which it does not declare"),
        format!("does not listen on port {brief}, which it declares"),
    ];
    wait_until("both are noted", || (notes() == wanted).then_some(()));
    let shown = fleet.run("status").stdout;
    assert!(shown.contains(&format!("api {}", wanted[0])) && shown.contains(&wanted[1]), "{shown}");
    let mut events = events;
    let lines = std::io::BufRead::lines(std::io::BufReader::new(events.stdout.take().unwrap()));
    let told = lines.map_while(Result::ok).find(|line| line.contains("\"event\":\"notes\"")).unwrap();
    assert!(wanted.iter().all(|note| told.contains(note)), "{told}");
    events.kill().unwrap();
    events.wait().unwrap();
}

#[test]
fn two_services_share_a_number_on_two_addresses_and_datagrams_have_ports_of_their_own() {
    let port = free_port();
    let fleet = Fleet::new(&format!(
        "[services.one]\ncommand = \"{{puppet}} listen-at 127.0.0.1:{port} stay\"\nport = \"127.0.0.1:{port}\"\n\
         [services.two]\ncommand = \"{{puppet}} listen-at 127.0.0.2:{port} stay\"\nport = \"127.0.0.2:{port}\"\n\
         health = {{ tcp = true }}\n\
         [services.names]\ncommand = \"{{puppet}} udp {port} stay\"\nport = \"{port}/udp\"\n"
    ));
    fleet.run("up -q").expect(0);
    let shown = fleet.run("ports").expect(0).stdout;
    for place in [format!("127.0.0.1:{port} "), format!("127.0.0.2:{port} "), format!("{port}/udp ")] {
        let line = shown.lines().find(|line| line.trim_start().starts_with(&place));
        assert!(
            line.is_some_and(|line| line.contains("self") && line.contains("ours")),
            "{place} in\n{shown}"
        );
    }
    fleet.run("restart --yes -q").expect(0);
    assert!(fleet.status().services.iter().all(|service| service.notes.is_empty()));
}

#[test]
fn a_status_without_a_supervisor_says_who_holds_each_port() {
    let port = free_port();
    let stranger = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let fleet = Fleet::new(&format!("[services.api]\ncommand = \"{{puppet}} stay\"\nport = {port}\n"));
    let own = std::process::id();
    let said = fleet.run("status").expect(4).stdout;
    assert!(said.contains(&format!("port {port} of api is held by `")), "{said}");
    assert!(said.contains(&format!("(pid {own}, user ")), "{said}");
    drop(stranger);
    // A child that another test forks at this moment holds it too, until it runs its program.
    wait_until("nobody holds it", || {
        (!fleet.run("status").expect(4).stdout.contains("is held by")).then_some(())
    });
}
