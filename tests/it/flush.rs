//! Freeing ports: listeners only, ours first, strangers with consent, some never.

use std::net::{TcpListener, TcpStream};
use std::process::Command;

use procman::vocab::cause::{Class, Means, Record};

use crate::harness::{Beside, Fleet, free_port, is_alive, puppet, wait_until};

fn listener(port: u16) -> Beside {
    let child = Beside::start(Command::new(puppet()).args(["listen", &port.to_string(), "stay"]));
    wait_until("it listens", || TcpStream::connect(("127.0.0.1", port)).ok());
    child
}

fn fleet(own: u16, other: u16) -> Fleet {
    Fleet::new(&format!(
        "[services.a]\ncommand = \"{{puppet}} listen {own} stay\"\nport = {own}\n\
         [services.b]\ncommand = \"{{puppet}} listen {other} stay\"\nport = {other}\nautostart = false\n"
    ))
}

#[test]
fn a_stranger_is_ended_with_consent_only_and_our_own_service_is_left_alone() {
    let (own, other) = (free_port(), free_port());
    let fleet = fleet(own, other);
    fleet.run("up -q").expect(0);
    let service = fleet.pid("a");
    let stranger = listener(other);
    let client = TcpStream::connect(("127.0.0.1", other)).unwrap();
    let pid = stranger.pid();
    let shown = fleet.run("flush --dry-run").expect(0).stdout;
    assert!(
        shown.contains(&format!("port {other}: needs consent: ")) && shown.contains(&pid.to_string()),
        "{shown}"
    );
    fleet.run("flush").expect(5).says(&["refused", &pid.to_string(), "--yes"]);
    assert!(is_alive(pid));
    let ports = fleet.run("ports").expect(0).stdout;
    assert!(ports.contains("other") && ports.contains("self"), "{ports}");
    let flushed = fleet.run("flush --yes").expect(0).stdout;
    assert!(flushed.contains(&format!("port {other}: ended")), "{flushed}");
    assert!(flushed.contains(&format!("port {own}: left alone")), "{flushed}");
    assert!(!stranger.is_alive());
    drop(client);
    assert_eq!(fleet.pid("a"), service);
    assert!(TcpListener::bind(("127.0.0.1", other)).is_ok());
}

#[test]
fn a_named_port_is_freed_even_of_our_own_service_which_comes_back() {
    let (own, other) = (free_port(), free_port());
    let fleet = fleet(own, other);
    fleet.run("up -q").expect(0);
    let service = fleet.pid("a");
    // It outlives this, so that it does not count.
    fleet.run("signal a -s WINCH").expect(0);
    fleet.run(&format!("flush {own}")).expect(0);
    assert!(!is_alive(service));
    fleet.run("wait a").expect(0);
    let record = fleet.run("history a --json").expect(0).stdout;
    let record: Record = serde_json::from_str(record.trim()).unwrap();
    let by = record.by.unwrap();
    let user = procman::sys::user::name(procman::sys::user::effective());
    assert_eq!((record.class, by.means, by.user), (Class::Operator, Means::Flush, Some(user)));
}

#[test]
fn clients_ancestors_and_protected_ports_are_never_touched() {
    let (own, other) = (free_port(), free_port());
    let fleet = fleet(own, other);
    // This test listens itself: it is an ancestor of the command.
    let listening = TcpListener::bind(("127.0.0.1", other)).unwrap();
    fleet.run("flush --yes").expect(5).says(&["never touched"]);
    drop(listening);
    // And here it is only a client.
    let stranger = listener(other);
    let client = TcpStream::connect(("127.0.0.1", other)).unwrap();
    fleet.run("flush --yes").expect(0);
    assert!(!stranger.is_alive());
    assert!(client.local_addr().is_ok());
    let protected =
        format!("[supervisor]\nprotected_ports = [{other}]\n[services.a]\ncommand = \"{{puppet}} stay\"\n");
    fleet.configure(&protected);
    let stranger = listener(other);
    fleet.run(&format!("flush {other} --yes")).expect(5).says(&["is protected", "allow"]);
    assert!(stranger.is_alive());
    drop(stranger);
    assert!(fleet.run("flush").expect(0).stderr.contains("nothing had to be freed"));
}

#[test]
fn services_whose_supervisor_died_are_left_alone_like_any_live_ones() {
    let (own, other) = (free_port(), free_port());
    let fleet = fleet(own, other);
    fleet.run("up -q").expect(0);
    let service = fleet.pid("a");
    fleet.behead();
    let flushed = fleet.run("flush --yes --json").expect(0).stdout;
    assert!(flushed.contains("left alone"), "{flushed}");
    assert!(is_alive(service));
}
