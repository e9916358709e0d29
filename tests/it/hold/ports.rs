//! Where ports are held, and who may be in the way.

use std::net::{TcpListener, TcpStream};

use procman::vocab::port::{HeldBy, Verdict};
use procman::vocab::state::State;

use super::load::request;
use crate::harness::{Fleet, free_port, wait_until};

#[test]
fn a_port_with_an_address_is_held_there_once_nobody_else_is_and_strangers_at_others_are_no_matter() {
    let port = free_port();
    let fleet = Fleet::new(&format!(
        "[services.web]\ncommand = \"{{puppet}} serve-fds stay\"\nport = \"127.0.0.2:{port}\"\nhold = \"listen-fds\"\n\
         min_uptime = \"1ms\"\nbackoff = {{ max_retries = 0 }}\n"
    ));
    let _elsewhere = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let stranger = TcpListener::bind(("127.0.0.2", port)).unwrap();
    let own = format!("(pid {}", std::process::id());
    fleet.run("up -q").expect(1).says(&[&format!("port 127.0.0.2:{port} is held by"), &own]);
    let view = fleet.service("web").ports[0];
    assert_eq!((view.held_by, view.kept), (HeldBy::Other, Some(false)));
    drop(stranger);
    let web = fleet.wait_for_state("web", State::Running);
    assert_eq!((web.restarts, web.ports[0].held_by, web.ports[0].kept), (0, HeldBy::Service, Some(true)));
    TcpStream::connect(("127.0.0.2", port)).unwrap();
}

#[test]
fn a_port_that_nobody_serves_at_the_moment_is_ours() {
    let port = free_port();
    let fleet = Fleet::new(&format!(
        "[services.web]\ncommand = \"{{puppet}} exit 1\"\nport = {port}\nhold = \"listen-fds\"\n\
         backoff = {{ initial = \"1h\", max = \"1h\" }}\n"
    ));
    fleet.run("up -q --no-wait").expect(0);
    fleet.wait_for_state("web", State::Backoff);
    let view = fleet.status().ports.remove(0);
    assert_eq!((view.held_by, view.verdict, view.owner), (HeldBy::Nobody, Verdict::Ours, None));
    assert_eq!((view.kept, view.pid), (Some(true), None));
    TcpStream::connect(("127.0.0.1", port)).unwrap();
}

#[test]
fn a_command_that_checks_a_service_is_not_told_of_sockets_that_it_does_not_have() {
    let port = free_port();
    let fleet = Fleet::new(&format!(
        "[services.web]\ncommand = \"{{puppet}} serve-fds stay\"\nport = {port}\nhold = \"listen-fds\"\n\
         ready = {{ exec = ['sh', '-c', 'env | grep ^LISTEN_ >seen; echo done >>seen'] }}\n"
    ));
    fleet.run("up -q").expect(0);
    let seen = wait_until("it was asked", || std::fs::read_to_string(fleet.path().join("seen")).ok());
    assert_eq!(seen, "done\n");
}

#[test]
fn a_service_that_is_to_hold_its_port_or_not_any_more_or_elsewhere_is_not_in_its_own_way() {
    let port = free_port();
    let config = |keys: &str| {
        format!(
            "[services.web]\ncommand = \"python3 -m http.server --bind 127.0.0.1 {port}\"\nport = {port}\n\
             min_uptime = \"1ms\"\nbackoff = {{ max_retries = 0 }}\non_port_conflict = \"fail\"\n{keys}\n"
        )
    };
    let fleet = Fleet::new(&config("hold = \"python\""));
    fleet.run("up -q").expect(0);
    for keys in ["", "hold = \"python\"", "hold = \"python\"\nhost = \"0.0.0.0\"", ""] {
        fleet.configure(&config(keys));
        fleet.run("reload").expect(0);
        fleet.run("wait web --for ready").expect(0);
        assert!(request(port).is_ok(), "{keys}");
        assert_eq!(fleet.service("web").ports[0].kept, keys.starts_with("hold").then_some(true), "{keys}");
    }
}
