//! What bad input gets: its own message, the right exit code, and nothing touched.

use std::net::TcpListener;

use procman::vocab::state::State;

use crate::harness::{Fleet, free_port, is_alive, wait_until};

#[test]
fn a_missing_file_says_where_it_was_looked_for() {
    let fleet = Fleet::new("");
    std::fs::remove_file(fleet.config()).unwrap();
    fleet.run("up").expect(2).says(&["cannot find services.toml in", "-c FILE"]);
    fleet.run("up -c nowhere.toml").expect(2).says(&["cannot read nowhere.toml"]);
}

#[test]
fn wrong_usage_ends_with_2() {
    let fleet = Fleet::new("");
    for words in ["", "upp", "restart --quick --emergency", "stop", "flush 99999", "logs --since 10"] {
        fleet.run(words).expect(2);
    }
    fleet.run("--help").expect(0);
    assert!(fleet.run("--version").expect(0).stdout.starts_with("procman 0."));
}

#[test]
fn all_problems_of_a_file_come_at_once_and_nothing_that_runs_is_touched() {
    let fleet = Fleet::new("[services.api]\ncommand = \"{puppet} stay\"\nmin_uptime = \"1ms\"\n");
    fleet.run("up -q").expect(0);
    let pid = fleet.pid("api");
    fleet.configure(
        "[services.api]\ncomand = \"x\"\nport = 5000\ndepends_on = [\"nobody\"]\nstop_timeout = \"5\"\n",
    );
    for words in ["up", "restart", "restart --quick", "restart --emergency", "reload", "check", "flush"] {
        fleet.run(words).expect(2).says(&[
            "unknown key `comand`",
            "did you mean `command`?",
            "port 5000 is protected",
            "`5` is not a duration",
            "has no command",
            "services.toml:2:1",
            "nothing was touched",
        ]);
        assert!(is_alive(pid), "{words}");
    }
    assert_eq!(fleet.service("api").state, State::Running, "a broken file hides no supervisor");
    fleet.run("down").expect(0);
}

#[test]
fn each_kind_of_bad_input_says_place_line_cause_and_way_out() {
    let service = "[services.a]\ncommand = \"{puppet} stay\"\n";
    let cases: [(&str, [&str; 4]); 11] = [
        ("[services.a\n", ["services.toml:1:", "[services.a", "cannot read this as TOML", "brackets close"]),
        ("comand = \"x\"\n", [":3:1", "comand = ", "unknown key `comand`", "did you mean `command`?"]),
        (
            "nice = \"low\"\n",
            [":3:8", "nice = \"low\"", "expected an integer, found `low`", "a whole number"],
        ),
        ("stop_timeout = \"5\"\n", [":3:16", "stop_timeout", "`5` is not a duration", "with its unit"]),
        (
            "port = 8001\n[services.b]\ncommand = \"{puppet} stay\"\nport = 8001\n",
            [":6:8", "port = 8001", "`a` and `b` both declare port 8001", "a port of its own"],
        ),
        ("port = 9000\n", [":3:8", "port = 9000", "port 9000 is protected", "allowed_ports = [9000]"]),
        ("depends_on = [\"a\"]\n", [":3:15", "depends_on", "in a circle: a -> a", "remove one"]),
        (
            "depends_on = [\"b\"]\n",
            [":3:15", "depends_on", "`b`, which is not a service", "did you mean `a`?"],
        ),
        (
            "directory = \"nowhere\"\n",
            [":3:13", "directory", "nowhere does not exist", "config file's directory"],
        ),
        ("env = { A = \"${NO_SUCH}\" }\n", [":3:13", "env = ", "`NO_SUCH` is not set", "write a default"]),
        (
            "limits = { cpu = 0.001 }\n",
            [":3:18", "cpu = 0.001", "no number of processors", "write 0.01 or more"],
        ),
    ];
    let fleet = Fleet::new("");
    for (lines, says) in cases {
        let head = if lines.starts_with("[services.a") { "" } else { service };
        fleet.configure(&format!("{head}{lines}"));
        fleet.run("up").expect(2).says(&says).says(&["1 problem in", "nothing was touched"]);
        assert!(!fleet.path().join(".procman").exists() && !fleet.path().join("logs").exists(), "{lines}");
    }
    fleet.configure("[services.a]\ncommand = \"no-such-program\"\n");
    fleet.run("up").expect(2).says(&[":2:11", "no program `no-such-program` in PATH", "install it"]);
}

#[test]
fn a_port_taken_by_a_stranger_is_named_and_taken_over_when_free() {
    let port = free_port();
    let stranger = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let fleet = Fleet::new(&format!(
        "[services.api]\ncommand = \"{{puppet}} listen {port} stay\"\nport = {port}\nbackoff = {{ max_retries = 1 }}\n"
    ));
    let own = format!("(pid {}", std::process::id());
    fleet.run("check").expect(1);
    fleet.run("up").expect(1).says(&[&format!("cannot start: port {port} is held by"), &own]);
    let api = fleet.service("api");
    assert_eq!((api.state, api.restarts), (State::Backoff, 0), "a taken port burns no retries");
    drop(stranger);
    fleet.wait_for_state("api", State::Running);
}

#[test]
fn a_program_that_vanishes_after_the_start_is_named() {
    let fleet = Fleet::new("");
    let program = fleet.path().join("program");
    std::fs::copy(crate::harness::puppet(), &program).unwrap();
    fleet.configure(
        "[services.api]\ncommand = \"./program stay\"\nmin_uptime = \"1ms\"\nbackoff = { initial = \"1ms\", max_retries = 2 }\n",
    );
    fleet.run("up -q").expect(0);
    std::fs::remove_file(&program).unwrap();
    fleet.run("kill api").expect(0);
    fleet.run("status").expect(0);
    let socket = fleet.paths().socket;
    let body = r#"{"start":{"services":["api"]}}"#;
    let answer = crate::socket::post(&socket, "/v1/commands", body);
    assert!(answer.contains("there is no program `./program`"), "{answer}");
    std::fs::copy(crate::harness::puppet(), &program).unwrap();
    wait_until("start works again", || (fleet.run("start api").code == 0).then_some(()));
}

#[test]
fn problems_of_the_supervisor_are_told_together_with_those_of_services() {
    let fleet = Fleet::new(
        "[supervisor]\nstate_dri = \"x\"\n[emergency]\nalso_kill = [\"[x\"]\n[services.a]\ncomand = \"x\"\n",
    );
    let all = ["did you mean `state_dir`?", "this is not a glob", "did you mean `command`?", "4 problems"];
    for words in ["check", "up", "status", "logs"] {
        fleet.run(words).expect(2).says(&all);
    }
    let found = fleet.run("check --json").expect(2).stdout;
    let found: serde_json::Value = serde_json::from_str(&found).unwrap();
    assert_eq!(found["problems"].as_array().unwrap().len(), 4, "{found}");
    let long = "x".repeat(300);
    fleet.configure(&format!(
        "[supervisor]\nstate_dir = \"{long}\"\n[services.a]\ncommand = \"{{puppet}} stay\"\n"
    ));
    fleet.run("up").expect(2).says(&["no directory can be made of this name", "write a shorter path"]);
}

#[test]
fn what_runs_can_be_looked_at_while_its_config_has_problems() {
    let fleet = Fleet::new("[services.api]\ncommand = \"{puppet} out hello stay\"\nmin_uptime = \"1ms\"\n");
    fleet.run("up -q").expect(0);
    let hello = |words: &str| fleet.run(words).expect(0).stdout.contains("hello").then_some(());
    wait_until("its line is there", || hello("logs -n 5"));
    fleet.configure("[services.api]\ncomand = \"x\"\n");
    for words in ["status", "ports", "graph", "why api", "history api"] {
        fleet.run(words).expect(0);
    }
    fleet.run("logs api").expect(0).says(&["the config has problems, and is not what runs"]);
    assert!(fleet.run("logs api").stdout.contains("hello"));
    assert!(fleet.run("down --dry-run").expect(0).stdout.contains("stop api"));
    fleet.run("logs nobody").expect(2).says(&["there are api"]);
    fleet.run("down").expect(0);
    fleet.run("logs api").expect(2).says(&["did you mean `command`?"]);
}

#[test]
fn check_names_logs_and_state_that_can_never_be_written_with_the_cause_and_the_way_out() {
    let check = |keys: &str, told: &[&str]| {
        let fleet = Fleet::new(&keys.replace("SERVICE", "[services.a]\ncommand = \"{puppet} stay\""));
        std::fs::create_dir_all(fleet.path().join("logs/a.err.log")).unwrap();
        std::fs::write(fleet.path().join("file"), "").unwrap();
        let found = fleet.run("check").expect(1).stdout;
        for told in told {
            assert!(found.contains(told), "{keys}: `{told}` is not in\n{found}");
        }
    };
    check(
        "SERVICE",
        &["problem: a: its log file ", "logs/a.err.log cannot be written: is a directory; name another"],
    );
    check(
        "SERVICE\nstdout = \"file/x.log\"\nstderr = \"stdout\"",
        &["a: its log directory ", "file cannot be written: not a directory; "],
    );
    check(
        "[supervisor]\nlog_dir = \"file/logs\"\nSERVICE",
        &["problem: the log directory ", "`log_dir` of [supervisor]"],
    );
    check(
        "[supervisor]\nstate_dir = \"file/x\"\nSERVICE",
        &["cannot use the state directory: ", "not a directory", "`state_dir`"],
    );
    if cfg!(target_os = "linux") {
        check(
            "[supervisor]\nlog_dir = \"/proc/nope\"\nSERVICE",
            &["the log directory /proc/nope cannot be made in /proc: ", "problem: a: "],
        );
        check("SERVICE\nstdout = \"/proc/x.log\"", &["a: its log directory /proc cannot be written: "]);
    }
}
