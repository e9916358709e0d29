//! The preflight: a run that could not be followed by another is not touched.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use procman::vocab::state::State;

use crate::harness::{Fleet, free_port, is_alive};

const GOOD: &str = "import time\ntime.sleep(1000)\n";
const BAD: &str = "import time\n\nwhile True\n    time.sleep(1)\n";

/// A fleet of one service that runs a script; none where there is no Python to run it.
fn fleet(keys: &str) -> Option<Fleet> {
    if !Path::new("/usr/bin/python3").exists() {
        println!("skipped: there is no /usr/bin/python3");
        return None;
    }
    let fleet = Fleet::new(&config(keys));
    fs::write(fleet.path().join("main.py"), GOOD).unwrap();
    fleet.run("up -q").expect(0);
    Some(fleet)
}

fn config(keys: &str) -> String {
    format!("[services.api]\ncommand = \"/usr/bin/python3 -u main.py\"\nmin_uptime = \"200ms\"\n{keys}\n")
}

#[test]
fn a_script_that_does_not_compile_leaves_the_old_run_untouched() {
    let Some(fleet) = fleet("") else { return };
    let (pid, supervisor) = (fleet.pid("api"), fleet.supervisor_pid());
    fs::write(fleet.path().join("main.py"), BAD).unwrap();
    fleet.configure(&config("env = { EDITION = \"2\" }"));
    let rehearsals =
        ["restart api --dry-run", "restart --dry-run", "restart --quick --dry-run", "reload --dry-run"];
    for words in ["restart api", "restart", "restart --quick", "reload"].into_iter().chain(rehearsals) {
        fleet.run(words).expect(1).says(&["api: ", "main.py: line 3: ", "while True"]);
        assert!(is_alive(pid) && fleet.pid("api") == pid && fleet.supervisor_pid() == supervisor, "{words}");
    }
    let checked = fleet.run("check").expect(1).stdout;
    assert!(checked.contains("main.py: line 3: "), "{checked}");
    assert!(!fleet.path().join("__pycache__").exists(), "a look writes nothing");
    fs::write(fleet.path().join("main.py"), GOOD).unwrap();
    rehearsals.into_iter().for_each(|words| drop(fleet.run(words).expect(0)));
    fleet.run("check").expect(0);
    fleet.run("restart api").expect(0);
    assert!(!is_alive(pid) && fleet.pid("api") != pid);
    fleet.run("reload").expect(0);
}

#[test]
fn an_emergency_waits_for_no_preflight_and_a_service_can_do_without() {
    let Some(fleet) = fleet("preflight = false\nbackoff = { max_retries = 0 }") else { return };
    fs::write(fleet.path().join("main.py"), BAD).unwrap();
    let pid = fleet.pid("api");
    fleet.run("restart api").expect(1).says(&["SyntaxError"]);
    assert!(!is_alive(pid));
    fs::write(fleet.path().join("main.py"), GOOD).unwrap();
    fleet.configure(&config("backoff = { max_retries = 0 }"));
    fleet.run("restart").expect(0);
    fs::write(fleet.path().join("main.py"), BAD).unwrap();
    let pid = fleet.pid("api");
    fleet.run("restart --emergency").expect(1).says(&["SyntaxError"]);
    assert!(!is_alive(pid));
}

#[test]
fn an_interpreter_that_takes_too_long_is_no_broken_script() {
    let fleet = Fleet::new("");
    fs::create_dir(fleet.path().join("bin")).unwrap();
    let interpreter = fleet.path().join("bin/python3");
    fs::write(
        &interpreter,
        format!(
            "#!/bin/sh\ncase $1 in -I) echo $$ > asked; exec sleep 100;; esac\nexec {} stay\n",
            fleet.puppet().display()
        ),
    )
    .unwrap();
    fs::set_permissions(&interpreter, fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(fleet.path().join("main.py"), BAD).unwrap();
    fleet.configure("[services.api]\ncommand = \"bin/python3 main.py\"\nmin_uptime = \"200ms\"\n");
    fleet.run("up -q").expect(0);
    let pid = fleet.pid("api");
    let begun = Instant::now();
    fleet.run("restart api").expect(0);
    assert!(begun.elapsed() < Duration::from_secs(60) && fleet.pid("api") != pid);
    let asked = fs::read_to_string(fleet.path().join("asked")).unwrap();
    assert!(!is_alive(asked.trim().parse().unwrap()), "whoever was asked is not left behind");
}

#[test]
fn a_port_that_a_stranger_holds_keeps_a_quick_restart_from_stopping_anything() {
    let port = free_port();
    let fleet = Fleet::new(&format!(
        "[services.api]\ncommand = \"{{puppet}} wait-for go listen {port} stay\"\nport = {port}\n\
         [services.other]\ncommand = \"{{puppet}} stay\"\nmin_uptime = \"1ms\"\n"
    ));
    fleet.run("up --no-wait -q").expect(0);
    let other = fleet.wait_for_state("other", State::Running).pid;
    let api = fleet.pid("api");
    let stranger = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let held = format!("port {port} is held by");
    fleet.run("restart --quick").expect(1).says(&[&format!("api: {held}"), "nothing was touched"]);
    fleet.run("restart api").expect(1).says(&[&held]);
    assert_eq!((fleet.service("other").pid, fleet.pid("api")), (other, api));
    drop(stranger);
    fs::write(fleet.path().join("go"), "").unwrap();
    fleet.wait_for_state("api", State::Running);
    fleet.run("restart --quick -q").expect(0);
    assert_ne!(fleet.service("other").pid, other);
}

#[test]
fn a_service_that_is_down_already_keeps_nobody_from_being_restarted() {
    let Some(fleet) = fleet(
        "backoff = { max_retries = 0 }\n[services.other]\ncommand = \"{puppet} stay\"\nmin_uptime = \"1ms\"",
    ) else {
        return;
    };
    fleet.run("stop api").expect(0);
    fs::write(fleet.path().join("main.py"), BAD).unwrap();
    let other = fleet.pid("other");
    fleet.run("restart").expect(1).says(&["note: api: ", "main.py: line 3: "]);
    assert_ne!(fleet.pid("other"), other);
}
