//! Frameworks from the Python package index, unmodified, under `hold = "python"`: they are restarted, killed and left by
//! their supervisor under load, and refuse nobody. `cargo test --test frameworks -- --nocapture` runs it and prints the
//! figures; plain `cargo test` does not, since it asks a network the first time.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use procman::vocab::state::State;

#[path = "../it/harness.rs"]
#[expect(dead_code, reason = "these tests need less of it")]
mod harness;
#[path = "../it/hold/load.rs"]
mod load;

use harness::{Fleet, free_port, wait_until};
use load::Load;

const PACKAGES: [&str; 6] = ["flask", "fastapi", "uvicorn", "uvloop", "aiohttp", "gunicorn"];

/// How often a service is restarted, and how often it is killed.
const ROUNDS: usize = 10;

/// A virtual environment with all packages, made once and kept; none where no index can be reached.
fn packages() -> Option<&'static Path> {
    static VENV: OnceLock<Option<PathBuf>> = OnceLock::new();
    let venv = VENV.get_or_init(|| {
        let venv = Path::new(env!("CARGO_TARGET_TMPDIR")).join("frameworks");
        let complete = venv.join("complete");
        if complete.exists() {
            return Some(venv);
        }
        let made = Command::new("python3").args(["-m", "venv"]).arg(&venv).status().unwrap();
        assert!(made.success(), "python3 makes no virtual environment");
        let pip = Command::new(venv.join("bin/pip")).args(["install", "-q"]).args(PACKAGES).status().unwrap();
        if !pip.success() {
            return None;
        }
        fs::write(complete, PACKAGES.join("\n")).unwrap();
        Some(venv)
    });
    if venv.is_none() {
        eprintln!("skipped: no package index can be reached");
    }
    venv.as_deref()
}

fn kill_9(pid: i32) {
    kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
}

fn wait_for_another_run(fleet: &Fleet, old: i32) {
    wait_until("the next run is up", || {
        let service = fleet.service("web");
        let is_new = service.pid.is_some_and(|pid| pid.as_raw() != old);
        (is_new && service.state == State::Running).then_some(())
    });
}

/// The fleet of one service, which is up, with the apps in its directory.
fn up(venv: &Path, port: u16, command: &str, more: &str) -> Fleet {
    let command = command.replace("{port}", &port.to_string()).replace("{venv}", venv.to_str().unwrap());
    let fleet = Fleet::new(&format!(
        "[services.web]\ncommand = \"{command}\"\nport = {port}\nhold = \"python\"\nmin_uptime = \"1ms\"\n{more}"
    ));
    let apps = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/frameworks/apps");
    for app in fs::read_dir(apps).unwrap().map(|app| app.unwrap()) {
        fs::copy(app.path(), fleet.path().join(app.file_name())).unwrap();
    }
    fleet.run("up -q").expect(0);
    fleet
}

/// Does everything to a service that may happen to it, and fails when a connection was refused. `{venv}` and `{port}` stand
/// in the command.
fn check(name: &str, command: &str) {
    let Some(venv) = packages() else { return };
    let port = free_port();
    let fleet = up(venv, port, command, "");
    let figures = [
        ("graceful restarts", ROUNDS),
        ("kill -9", ROUNDS),
        ("rolling restarts", ROUNDS),
        ("deaths of the supervisor, upgrades", 2),
    ];
    for (kind, (what, rounds)) in figures.into_iter().enumerate() {
        let load = Load::on(port);
        for _ in 0..rounds {
            let old = fleet.pid("web");
            match kind {
                0 => drop(fleet.run("restart web -q").expect(0)),
                1 => kill_9(old),
                2 => drop(fleet.run("restart web --rolling -q").expect(0)),
                _ => {
                    let supervisor = fleet.supervisor_pid();
                    kill_9(supervisor);
                    kill_9(old);
                    wait_until("another supervisor is in charge", || {
                        fleet.supervisor_pid_if_any().filter(|pid| *pid != supervisor)
                    });
                    wait_for_another_run(&fleet, old);
                    fleet.run("upgrade").expect(0);
                    fleet.run("restart web -q").expect(0);
                }
            }
            wait_for_another_run(&fleet, old);
            load.wait_for_answers();
        }
        let counts = load.end();
        println!(
            "{name}, {rounds} {what}: {} answered, {} refused, {} broken, longest wait {:?}",
            counts.answered, counts.refused, counts.broken, counts.longest
        );
        assert_eq!(counts.refused, 0, "{name}, {what}: {counts:?}");
        assert!(kind != 2 || counts.broken == 0, "{name}, {what}: {counts:?}");
    }
    let errors = fleet.read("logs/web.err.log");
    assert!(!errors.contains("procman:"), "the shim complains:\n{errors}");
}

#[test]
fn http_server_refuses_nobody() {
    check("http.server", "{venv}/bin/python -u -m http.server --bind 127.0.0.1 {port}");
}

#[test]
fn flask_refuses_nobody() {
    check("flask", "{venv}/bin/python -u flask_app.py {port}");
}

#[test]
fn flask_with_its_reloader_refuses_nobody() {
    check("flask with its reloader", "{venv}/bin/python -u flask_app.py {port} debug");
}

#[test]
fn uvicorn_with_fastapi_refuses_nobody() {
    check("uvicorn", "{venv}/bin/uvicorn --loop asyncio --port {port} fastapi_app:app");
}

#[test]
fn uvicorn_on_uvloop_refuses_nobody() {
    check("uvicorn on uvloop", "{venv}/bin/uvicorn --loop uvloop --port {port} fastapi_app:app");
}

#[test]
fn uvicorn_with_workers_refuses_nobody() {
    check("uvicorn with workers", "{venv}/bin/uvicorn --workers 2 --port {port} fastapi_app:app");
}

#[test]
fn aiohttp_refuses_nobody() {
    check("aiohttp", "{venv}/bin/python -u aiohttp_app.py {port}");
}

#[test]
fn aiohttp_with_reuse_port_refuses_nobody() {
    check("aiohttp with reuse_port", "{venv}/bin/python -u aiohttp_app.py {port} reuse");
}

#[test]
fn gunicorn_refuses_nobody() {
    check("gunicorn", "{venv}/bin/gunicorn --workers 2 --bind 127.0.0.1:{port} flask_app:app");
}

/// At SIGUSR2 its master executes itself in a child, which listens as well and says by `MAINPID` that it is the main process;
/// the master before is told to finish.
#[test]
fn gunicorn_that_replaces_itself_is_followed_and_refuses_nobody() {
    let Some(venv) = packages() else { return };
    let port = free_port();
    let command =
        "{venv}/bin/gunicorn --config gunicorn_conf.py --workers 2 --bind 127.0.0.1:{port} flask_app:app";
    let fleet = up(venv, port, command, "health = { notify = true }\nreload_signal = \"USR2\"\n");
    let load = Load::on(port);
    for round in 1..=ROUNDS {
        let old = fleet.pid("web");
        fleet.run("signal web").expect(0);
        let new = wait_until("another master is the main process", || {
            Some(fleet.pid("web")).filter(|pid| *pid != old)
        });
        load.wait_for_answers();
        kill(Pid::from_raw(old), Signal::SIGQUIT).unwrap();
        wait_until("the old one has ended, which the new one has noticed", || {
            let promoted = fleet.read("logs/web.err.log").matches("Master has been promoted").count();
            (!harness::is_alive(old) && promoted == round).then_some(())
        });
        let service = fleet.service("web");
        let seen = (service.pid.map(|pid| pid.as_raw()), service.state, service.restarts);
        assert_eq!(seen, (Some(new), State::Running, 0));
        load.wait_for_answers();
    }
    let counts = load.end();
    println!(
        "gunicorn, {ROUNDS} times replaced by itself: {} answered, {} refused",
        counts.answered, counts.refused
    );
    assert_eq!(counts.refused, 0, "{counts:?}");
}
