//! Programs that hang leave the stacks of their threads before they are ended.

use std::fs;
use std::net::TcpListener;

use nix::sys::signal::kill;
use nix::unistd::Pid;
use procman::protocol::why::Why;
use procman::vocab::cause::{Class, Record};
use procman::vocab::outcome::Outcome;
use procman::vocab::signal::Signal;
use procman::vocab::state::State;

use crate::harness::{Fleet, free_port, wait_until};

/// Beats until it is told to hang: its main thread in C, with the interpreter's lock.
const HANGS: &str = "import ctypes, os, pathlib, sys, threading, time\n\
    def worker_waits():\n    threading.Event().wait()\n\
    def stuck_in_c():\n    while True:\n        ctypes.PyDLL(None).sleep(600)\n\
    threading.Thread(target=worker_waits, daemon=True).start()\n\
    while not os.path.exists('hang'):\n    pathlib.Path(sys.argv[1]).touch()\n    time.sleep(0.02)\n\
    stuck_in_c()\n";

fn service(name: &str, command: &str, more: &str) -> String {
    format!(
        "[services.{name}]\ncommand = {command}\ncapture_hangs = true\nstop_timeout = \"2s\"\nmin_uptime = \"50ms\"\n\
         health = {{ heartbeat = \"{name}.beat\", interval = \"400ms\", timeout = \"200ms\" }}\n{more}\n"
    )
}

fn last_end(fleet: &Fleet, service: &str, pid: i32) -> Record {
    wait_until("its end is told", || {
        let ran = fleet.run(&format!("why {service} --json")).expect(0);
        let why = serde_json::from_str::<Vec<Why>>(&ran.stdout).unwrap().remove(0);
        why.last.filter(|end| end.pid.is_some_and(|it| it.as_raw() == pid))
    })
}

#[test]
fn the_stacks_of_all_threads_are_told_also_of_one_that_is_stuck_in_c_and_of_a_child() {
    let config = [
        service("plain", "\"python3 hangs.py plain.beat\"", ""),
        service("child", "[\"sh\", \"-c\", \"python3 hangs.py child.beat; true\"]", ""),
        service("bare", "\"python3 -S hangs.py bare.beat\"", ""),
    ];
    let fleet = Fleet::new(&config.concat());
    fs::write(fleet.path().join("hangs.py"), HANGS).unwrap();
    fleet.run("up").expect(0);
    let names = ["plain", "child", "bare"];
    let pids = names.map(|name| fleet.pid(name));
    fs::write(fleet.path().join("hang"), "").unwrap();
    for (name, pid) in names.into_iter().zip(pids) {
        let end = last_end(&fleet, name, pid);
        assert_eq!(end.class, Class::FailedCheck, "{name}: {end:?}");
        let stacks = end.stacks.join("\n");
        if name == "bare" {
            assert!(stacks.contains("passes by the shim of `capture_hangs`"), "{stacks}");
            continue;
        }
        assert!(stacks.contains("in stuck_in_c") && stacks.contains("in worker_waits"), "{name}: {stacks}");
        let text = fleet.run(&format!("why {name}")).expect(0).stdout;
        assert!(text.contains("its threads when it hung:") && text.contains("in stuck_in_c"), "{text}");
    }
    let left = fs::read_dir(fleet.paths().python).unwrap().flatten();
    let left = left.filter(|it| it.path().extension().is_some_and(|it| it == "stacks")).count();
    assert!(left <= names.len(), "the files of runs that have ended are removed; {left} are left");
}

#[test]
fn a_program_that_takes_the_signal_for_itself_is_left_to_it() {
    let takes = "import signal\nsignal.signal(signal.SIGURG, lambda *_: open('urgent', 'a').write('x'))\n";
    let fleet = Fleet::new(&service("api", "\"python3 api.py api.beat\"", ""));
    let hangs = HANGS.replace("ctypes.PyDLL(None).sleep(600)", "time.sleep(600)");
    fs::write(fleet.path().join("api.py"), format!("{takes}{hangs}")).unwrap();
    fleet.run("up").expect(0);
    let pid = fleet.pid("api");
    fs::write(fleet.path().join("hang"), "").unwrap();
    let end = last_end(&fleet, "api", pid);
    assert!(end.stacks[0].contains("has a handler of its own for SIGURG"), "{end:?}");
    assert_eq!(fleet.read("urgent"), "x", "and asked for once");
    fs::remove_file(fleet.path().join("hang")).unwrap();
    fleet.wait_for_state("api", State::Running);
}

#[test]
fn a_held_service_that_hangs_tells_its_stacks_as_well() {
    let port = free_port();
    let more = format!("port = {port}\nhold = \"python\"");
    let fleet = Fleet::new(&service("web", "\"python3 web.py web.beat\"", &more));
    let listens = format!("import socket\nserver = socket.create_server(('127.0.0.1', {port}))\n");
    fs::write(fleet.path().join("web.py"), format!("{listens}{HANGS}")).unwrap();
    fleet.run("up").expect(0);
    let pid = fleet.pid("web");
    fs::write(fleet.path().join("hang"), "").unwrap();
    let end = last_end(&fleet, "web", pid);
    assert!(end.stacks.join("\n").contains("in stuck_in_c"), "{end:?}");
    assert!(TcpListener::bind(("127.0.0.1", port)).is_err(), "its port is held on");
}

/// Its stacks take a while: each of three processes is waited for, and none answers.
#[test]
fn a_supervisor_that_dies_over_the_stacks_is_followed_by_one_that_asks_for_them_and_ends_the_run() {
    let children = "import signal, subprocess\n\
        signal.signal(signal.SIGURG, lambda *_: None)\n\
        children = [subprocess.Popen(['sleep', '600']) for _ in range(2)]\n";
    let config = service("api", "\"python3 api.py api.beat\"", "").replace("\"2s\"", "\"6s\"");
    let fleet = Fleet::new(&config);
    let hangs = HANGS.replace("ctypes.PyDLL(None).sleep(600)", "time.sleep(600)");
    fs::write(fleet.path().join("api.py"), format!("{children}{hangs}")).unwrap();
    fleet.run("up").expect(0);
    let pid = fleet.pid("api");
    fs::write(fleet.path().join("hang"), "").unwrap();
    fleet.wait_for_state("api", State::Stopping);
    kill(Pid::from_raw(fleet.supervisor_pid()), nix::sys::signal::Signal::SIGKILL).unwrap();
    let end = last_end(&fleet, "api", pid);
    assert_eq!(end.class, Class::FailedCheck, "{end:?}");
    assert_ne!(end.exit, Some(Outcome::Signal(Signal::KILL)), "it was asked to end: {end:?}");
    assert!(end.stacks[0].contains("has a handler of its own for SIGURG"), "{end:?}");
}
