//! Emergency restarts: nothing is assumed to work, and nobody else is harmed.

use std::fs;
use std::net::TcpStream;
use std::process::{Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use procman::vocab::port::HeldBy;
use procman::vocab::state::State;

use crate::harness::{Beside, Fleet, free_port, is_alive, puppet, wait_until};

/// A fleet of two, of which one runs a Python script.
fn fleet() -> (Fleet, u16, u16) {
    let (api, worker) = (free_port(), free_port());
    let fleet = Fleet::new(&format!(
        r#"
        [services.api]
        command = "{{puppet}} ignore-term listen {api} stay"
        port = {api}
        [services.worker]
        command = "python3 -u worker.py {worker}"
        port = {worker}
        depends_on = ["api"]
        "#
    ));
    fs::write(fleet.path().join("worker.py"), WORKER).unwrap();
    (fleet, api, worker)
}

const WORKER: &str = "import socket, sys, time\n\
    s = socket.create_server(('127.0.0.1', int(sys.argv[1]))) if len(sys.argv) > 1 else None\n\
    time.sleep(600)\n";

/// Waits until a child runs this script itself: `python3` may be a wrapper in shell that becomes Python in a moment.
fn wait_for_script(child: &Beside, script: &str) {
    let pid = procman::vocab::identity::Pid::new(child.pid()).unwrap();
    wait_until("python runs the script", || {
        let words = procman::sys::process::arguments(pid);
        (words.get(1).is_some_and(|word| word == script)).then_some(())
    });
}

#[track_caller]
fn all_are_back(fleet: &Fleet, old: &[i32]) {
    for pid in old {
        assert!(!is_alive(*pid), "pid {pid} is alive");
    }
    for service in fleet.status().services {
        assert_eq!(service.state, State::Running, "{}", service.name);
        assert_eq!(service.ports[0].held_by, HeldBy::Service, "{}", service.name);
    }
}

fn pids(fleet: &Fleet) -> Vec<i32> {
    vec![fleet.pid("api"), fleet.pid("worker"), fleet.supervisor_pid()]
}

#[test]
fn a_stopped_supervisor_is_replaced() {
    let (fleet, ..) = fleet();
    fleet.run("up -q").expect(0);
    let old = pids(&fleet);
    kill(Pid::from_raw(old[2]), Signal::SIGSTOP).unwrap();
    let ran = fleet.run("restart --emergency").expect(0);
    let steps = ran.stderr.lines().filter(|line| line.starts_with('[')).count();
    assert_eq!(steps, 8, "{}", ran.stderr);
    all_are_back(&fleet, &old);
}

#[test]
fn a_dead_supervisor_is_replaced() {
    let (fleet, ..) = fleet();
    fleet.run("up -q").expect(0);
    let old = pids(&fleet);
    fleet.behead();
    fleet.run("restart --emergency").expect(0);
    all_are_back(&fleet, &old);
}

#[test]
fn deleted_or_garbled_files_of_the_supervisor_change_nothing() {
    let (fleet, ..) = fleet();
    fleet.run("up -q").expect(0);
    let state = fleet.paths().own_dir;
    for damage in ["socket", "journal", "both", "lock", "all"] {
        let old = pids(&fleet);
        let _ = match damage {
            "socket" => fs::remove_file(fleet.paths().socket),
            "journal" => fs::write(state.join("journal"), [0xfe; 300]),
            "both" => fs::remove_file(fleet.paths().socket).and(fs::write(state.join("journal"), "{}")),
            "lock" => fs::write(state.join("lock"), "not a note"),
            _ => fs::remove_file(fleet.paths().socket).and(fs::remove_file(state.join("journal"))),
        };
        fleet.run("restart --emergency").expect(0);
        all_are_back(&fleet, &old);
    }
}

#[test]
fn strays_are_ended_and_clients_and_strangers_are_not() {
    let (fleet, api, worker) = fleet();
    fleet.run("up -q").expect(0);
    let old = pids(&fleet);
    let client = TcpStream::connect(("127.0.0.1", api)).unwrap();
    fs::create_dir(fleet.path().join("elsewhere")).unwrap();
    fs::write(fleet.path().join("elsewhere/worker.py"), WORKER).unwrap();
    let python = |directory: &str| {
        Beside::start(Command::new("python3").arg("worker.py").current_dir(fleet.path().join(directory)))
    };
    // The same script started by hand is ours; a script of the same name elsewhere is a stranger's.
    let (by_hand, stranger) = (python("."), python("elsewhere"));
    wait_for_script(&by_hand, "worker.py");
    wait_for_script(&stranger, "worker.py");
    fleet.behead();
    kill(Pid::from_raw(old[1]), Signal::SIGKILL).unwrap();
    wait_until("the worker's port is free", || {
        std::net::TcpListener::bind(("127.0.0.1", worker)).ok().map(drop)
    });
    let squatter = Beside::start(Command::new(puppet()).args(["listen", &worker.to_string(), "stay"]));
    wait_until("the squatter listens", || TcpStream::connect(("127.0.0.1", worker)).ok());
    fleet.run("restart --emergency").expect(0);
    all_are_back(&fleet, &old);
    assert!(!squatter.is_alive() && !by_hand.is_alive());
    assert!(stranger.is_alive());
    assert!(client.peer_addr().is_ok());
}

#[test]
fn also_kill_reaches_what_the_user_names_and_no_more() {
    let (fleet, ..) = fleet();
    let config = fs::read_to_string(fleet.config()).unwrap();
    fleet.configure(&format!("[emergency]\nalso_kill = [\"*/extra/*.py\"]\n{config}"));
    fs::create_dir(fleet.path().join("extra")).unwrap();
    fs::write(fleet.path().join("extra/job.py"), WORKER).unwrap();
    let job = Beside::start(Command::new("python3").arg("extra/job.py").current_dir(fleet.path()));
    let mut tail = Command::new("tail");
    tail.args(["-f", "extra/job.py"]).current_dir(fleet.path()).stdout(Stdio::null());
    let reader = Beside::start(&mut tail);
    wait_for_script(&job, "extra/job.py");
    fleet.run("restart --emergency").expect(0);
    assert!(!job.is_alive());
    assert!(reader.is_alive(), "who reads a file does not run it");
}

#[test]
fn graceful_commands_do_not_wait_for_ever_for_a_stopped_supervisor() {
    let (fleet, ..) = fleet();
    fleet.run("up -q").expect(0);
    let supervisor = fleet.supervisor_pid();
    kill(Pid::from_raw(supervisor), Signal::SIGSTOP).unwrap();
    fleet.run("restart").expect(4).says(&[&format!("pid {supervisor}"), "procman restart --emergency"]);
    let status = fleet.run("status").expect(4);
    assert!(status.stdout.contains("does not answer"), "{}", status.stdout);
    kill(Pid::from_raw(supervisor), Signal::SIGCONT).unwrap();
    fleet.run("status").expect(0);
}
