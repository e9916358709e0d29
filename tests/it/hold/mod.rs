//! Sockets that are held for services: connections wait while one run follows another, and none is refused.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use procman::vocab::port::HeldBy;
use procman::vocab::state::State;

use crate::harness::{Fleet, free_port, procman, wait_until};

pub(crate) mod load;
mod ports;
mod rolling;

use load::{Load, request};

/// A service of the standard library's, as it is.
fn http_server(port: u16, keys: &str) -> Fleet {
    let fleet = Fleet::new(&format!(
        "[services.web]\ncommand = \"python3 -u -m http.server --bind 127.0.0.1 --directory empty {port}\"\n\
         port = {port}\nmin_uptime = \"1ms\"\nstop_timeout = \"5s\"\n{keys}\n"
    ));
    fs::create_dir(fleet.path().join("empty")).unwrap();
    fleet
}

fn kill_9(pid: i32) {
    kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
}

/// Kills a service's main process and waits until the next one is up.
pub(crate) fn crash(fleet: &Fleet, name: &str) {
    let old = fleet.pid(name);
    kill_9(old);
    wait_until("the next run is up", || {
        let service = fleet.service(name);
        let is_new = service.pid.is_some_and(|pid| pid.as_raw() != old);
        (is_new && service.state == State::Running).then_some(())
    });
}

#[test]
fn an_unmodified_python_server_is_restarted_and_killed_and_refuses_nobody() {
    let port = free_port();
    let fleet = http_server(port, "hold = \"python\"");
    fleet.run("up -q").expect(0);
    let load = Load::on(port);
    for _ in 0..10 {
        fleet.run("restart web -q").expect(0);
        load.wait_for_answers();
        crash(&fleet, "web");
        load.wait_for_answers();
    }
    let counts = load.end();
    assert_eq!(counts.refused, 0, "{counts:?}");
    // One client has one connection at a time: no kill can cost it more.
    assert!(counts.broken <= 20, "{counts:?}");
    fleet.run("down").expect(0);
    assert_eq!(request(port).unwrap_err().kind(), ErrorKind::ConnectionRefused);
}

#[test]
fn without_hold_the_same_load_is_refused() {
    let port = free_port();
    let fleet = http_server(port, "");
    fleet.run("up -q").expect(0);
    let load = Load::on(port);
    fleet.run("restart web -q").expect(0);
    assert!(load.end().refused > 0);
}

#[test]
fn a_supervisor_that_dies_or_is_upgraded_leaves_its_sockets_to_the_next() {
    let port = free_port();
    let fleet = http_server(port, "hold = \"python\"");
    fleet.run("up -q").expect(0);
    let load = Load::on(port);
    for round in 0..4 {
        // Both at once: for a moment nobody but the guardian has the socket.
        let (supervisor, service) = (fleet.supervisor_pid(), fleet.pid("web"));
        kill_9(supervisor);
        kill_9(service);
        wait_until("the next run is up", || {
            let it =
                fleet.run("status --json").code == 0 && fleet.supervisor_pid_if_any() != Some(supervisor);
            (it && fleet.service("web").pid.is_some_and(|pid| pid.as_raw() != service)).then_some(())
        });
        fleet.run("upgrade").expect(0);
        if round % 2 == 0 {
            crash(&fleet, "web");
        } else {
            fleet.run("restart web -q").expect(0);
        }
        assert_eq!(fleet.service("web").ports[0].kept, Some(true));
    }
    let counts = load.end();
    assert_eq!(counts.refused, 0, "{counts:?}");
}

#[test]
fn an_upgrade_that_is_rolled_back_costs_no_socket() {
    let port = free_port();
    let fleet = Fleet::new(&format!(
        "[services.web]\ncommand = \"{{puppet}} serve-stdin stay\"\nport = {port}\nhold = \"stdin\"\nmin_uptime = \"1ms\"\n"
    ));
    let program = fleet.path().join("procman");
    fs::hard_link(procman(), &program).unwrap();
    let run = |words: &str| {
        let mut command = std::process::Command::new(&program);
        command.args(words.split(' ')).current_dir(fleet.path()).output().unwrap().status.code()
    };
    assert_eq!(run("up -q"), Some(0));
    let load = Load::on(port);
    fs::rename(&program, fleet.path().join("old")).unwrap();
    fs::write(&program, "#!/bin/sh\nexit 1\n").unwrap();
    fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    fleet.run("upgrade").expect(1);
    assert_eq!(fleet.service("web").ports[0].kept, Some(true));
    crash(&fleet, "web");
    assert_eq!(load.end().refused, 0);
}

#[test]
fn when_the_guardian_is_dead_too_the_next_supervisor_finds_the_sockets_in_the_service() {
    let (port, path) = (free_port(), "app.sock");
    let fleet = Fleet::new(&format!(
        "[services.web]\ncommand = \"{{puppet}} serve-fds stay\"\nport = {port}\nsockets = [\"{path}\"]\n\
         hold = \"listen-fds\"\nmin_uptime = \"1ms\"\n"
    ));
    fleet.run("up -q").expect(0);
    let load = Load::on(port);
    fleet.behead();
    fleet.run("up -q").expect(0);
    // pidfd_getfd(2) asks for what ptrace(2) needs, which some systems give to parents alone.
    let scope = fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope").unwrap_or_default();
    let may = cfg!(target_os = "linux")
        && (nix::unistd::geteuid().is_root() || !scope.starts_with(['1', '2', '3']));
    assert_eq!(fleet.service("web").ports[0].kept, Some(may));
    if may {
        crash(&fleet, "web");
        assert_eq!(load.end().refused, 0);
        assert!(unix_request(&fleet, path).contains("app.sock"));
    } else {
        fleet.run("status").expect(0);
        assert!(fleet.run("status").stdout.contains("is not held by procman until the next start"));
        load.end();
        fleet.run("restart web").expect(0);
    }
    assert_eq!(fleet.service("web").ports[0].kept, Some(true));
}

fn unix_request(fleet: &Fleet, path: &str) -> String {
    let mut stream = UnixStream::connect(fleet.path().join(path)).unwrap();
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn sockets_are_handed_over_from_descriptor_3_on_or_as_standard_input() {
    let ports = [free_port(), free_port(), free_port()];
    let fleet = Fleet::new(&format!(
        "[services.many]\ncommand = \"{{puppet}} serve-fds stay\"\nports = [{}, {}]\nhold = \"listen-fds\"\nmin_uptime = \"1ms\"\n\
         sockets = [\"app.sock\"]\n\
         [services.one]\ncommand = \"{{puppet}} serve-stdin stay\"\nport = {}\nhold = \"stdin\"\nmin_uptime = \"1ms\"\n",
        ports[0], ports[1], ports[2]
    ));
    // What a run before left there.
    drop(std::os::unix::net::UnixListener::bind(fleet.path().join("app.sock")).unwrap());
    fleet.run("up -q").expect(0);
    let loads = ports.map(Load::on);
    for _ in 0..10 {
        for name in ["many", "one"] {
            fleet.run(&format!("restart {name} -q")).expect(0);
            crash(&fleet, name);
        }
    }
    for load in loads {
        let counts = load.end();
        assert_eq!(counts.refused, 0, "{counts:?}");
    }
    let pid = fleet.pid("many");
    for port in &ports[..2] {
        assert!(request(*port).unwrap().ends_with(&format!("{pid} {port}")));
    }
    assert!(unix_request(&fleet, "app.sock").ends_with(&format!("{pid} app.sock")));
    assert_eq!(fs::metadata(fleet.path().join("app.sock")).unwrap().mode() & 0o777, 0o660);
    assert!(request(ports[2]).unwrap().ends_with("stdin"));
    fleet.run("down").expect(0);
    assert!(!fleet.path().join("app.sock").exists());
}

#[test]
fn who_connects_to_a_stopped_service_is_refused() {
    let port = free_port();
    let fleet = http_server(port, "hold = \"python\"");
    fleet.run("up -q").expect(0);
    assert!(request(port).is_ok());
    fleet.run("stop web").expect(0);
    assert_eq!(request(port).unwrap_err().kind(), ErrorKind::ConnectionRefused);
    assert_eq!(fleet.service("web").ports[0].held_by, HeldBy::Nobody);
    fleet.run("start web").expect(0);
    assert!(request(port).is_ok());
}

#[test]
fn a_held_port_is_no_stranger_for_flush_and_no_sign_that_the_service_is_up() {
    let port = free_port();
    let fleet = Fleet::new(&format!(
        "[services.web]\ncommand = \"python3 -c 'import os, time\\nwhile not os.path.exists(\\\"go\\\"): time.sleep(0.01)\\n\
         import http.server as h; h.test(port={port}, bind=\\\"127.0.0.1\\\")'\"\nport = {port}\nhold = \"python\"\n"
    ));
    fleet.run("up -q --no-wait").expect(0);
    let starting = wait_until("it is being started", || {
        let service = fleet.service("web");
        (service.ports[0].kept == Some(true) && service.reason.is_some()).then_some(service)
    });
    assert_eq!((starting.state, starting.ports[0].held_by), (State::Starting, HeldBy::Nobody));
    let reason = starting.reason.unwrap();
    assert!(reason.contains("has not taken its port"), "{reason}");
    fs::write(fleet.path().join("go"), "").unwrap();
    fleet.run("wait web --for ready").expect(0);
    assert_eq!(fleet.service("web").ports[0].held_by, HeldBy::Service);
    let supervisor = fleet.supervisor_pid();
    fleet.run(&format!("flush {port}")).expect(0);
    assert_eq!(fleet.supervisor_pid(), supervisor);
    fleet.wait_for_state("web", State::Running);
    fleet.run("flush").expect(0).says(&["nothing had to be freed"]);
    fleet.run("restart -q").expect(0);
    fleet.run("restart --quick -q").expect(0);
    fleet.run("restart --emergency -q").expect(0);
    assert!(request(port).is_ok());
}

#[test]
fn a_program_that_passes_by_the_shim_is_told_so() {
    let port = free_port();
    let fleet = Fleet::new(&format!(
        "[services.web]\ncommand = [\"sh\", \"-c\", \"exec python3 -I -m http.server {port} --bind 127.0.0.1\"]\n\
         port = {port}\nhold = \"python\"\nbackoff = {{ initial = \"1ms\", max_retries = 1 }}\n"
    ));
    fleet.run("up -q").expect(1);
    let reason = fleet.wait_for_state("web", State::Fatal).reason.unwrap();
    assert!(reason.contains("Address already in use") && reason.contains("python -I"), "{reason}");
}

#[test]
fn a_reload_keeps_what_is_the_same_and_moves_what_is_not() {
    let (port, other) = (free_port(), free_port());
    let config = |port: u16, keys: &str| {
        format!(
            "[services.web]\ncommand = \"python3 -m http.server --bind 127.0.0.1 {port}\"\nport = {port}\n\
             hold = \"python\"\nmin_uptime = \"1ms\"\n{keys}\n"
        )
    };
    let fleet = Fleet::new(&config(port, ""));
    fleet.run("up -q").expect(0);
    let load = Load::on(port);
    fleet.configure(&config(port, "env = { A = \"b\" }"));
    fleet.run("reload").expect(0);
    fleet.run("wait web --for ready").expect(0);
    assert_eq!(load.end().refused, 0);
    fleet.configure(&config(other, ""));
    fleet.run("reload").expect(0);
    fleet.run("wait web --for ready").expect(0);
    assert!(request(other).is_ok());
    assert_eq!(request(port).unwrap_err().kind(), ErrorKind::ConnectionRefused);
}
