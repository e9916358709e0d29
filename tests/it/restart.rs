//! Restarts of services and of the whole system, graceful ones.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::time::Instant;

use procman::rundir::turn;
use procman::vocab::port::HeldBy;
use procman::vocab::state::State;

use crate::harness::{Fleet, free_port, is_alive};

/// A chain of three services with ports; `extra` goes into the last one.
fn chain(extra: &str) -> Fleet {
    let mut config = String::new();
    for (name, need) in [("a", None), ("b", Some("a")), ("c", Some("b"))] {
        let port = free_port();
        let need = need.map_or_else(String::new, |need| format!("depends_on = [\"{need}\"]"));
        let extra = if name == "c" { extra } else { "" };
        writeln!(
            config,
            "[services.{name}]\ncommand = \"{{puppet}} {extra} listen {port} stay\"\nport = {port}\nstop_timeout = \"1500ms\"\n{need}"
        )
        .unwrap();
    }
    let fleet = Fleet::new(&config);
    fleet.run("up -q").expect(0);
    fleet
}

fn pids(fleet: &Fleet) -> BTreeMap<String, i32> {
    fleet
        .status()
        .services
        .into_iter()
        .filter_map(|it| Some((it.name.to_string(), it.pid?.as_raw())))
        .collect()
}

fn all_run_on_their_ports(fleet: &Fleet) {
    for service in fleet.status().services {
        assert_eq!(service.state, State::Running, "{}", service.name);
        assert_eq!(service.ports[0].held_by, HeldBy::Service, "{}", service.name);
    }
}

#[test]
fn a_master_restart_replaces_everything_and_shows_its_seven_steps() {
    let fleet = chain("");
    let (before, supervisor) = (pids(&fleet), fleet.supervisor_pid());
    let ran = fleet.run("restart").expect(0);
    let steps: Vec<&str> = ran.stderr.lines().filter(|line| line.starts_with('[')).collect();
    assert_eq!(steps.len(), 7, "{}", ran.stderr);
    assert!(steps[1].starts_with("[2/7] stop the services: 3 stopped ("), "{}", steps[1]);
    assert!(steps[3].contains("3 ports proven free"), "{}", steps[3]);
    assert!(steps[6].starts_with("[7/7] verify every service: 3 verified ("), "{}", steps[6]);
    all_run_on_their_ports(&fleet);
    let after = pids(&fleet);
    assert!(before.iter().all(|(name, pid)| after[name] != *pid && !is_alive(*pid)));
    assert_ne!(fleet.supervisor_pid(), supervisor);
    assert!(!is_alive(supervisor));
}

#[test]
fn a_quick_restart_leaves_ports_alone() {
    let fleet = chain("");
    let before = pids(&fleet);
    let ran = fleet.run("restart --quick").expect(0);
    assert!(ran.stderr.contains("[5/5] verify every service: 3 verified"), "{}", ran.stderr);
    assert!(!ran.stderr.contains("flush"), "{}", ran.stderr);
    assert!(pids(&fleet).iter().all(|(name, pid)| before[name] != *pid));
    all_run_on_their_ports(&fleet);
}

#[test]
fn a_dry_run_shows_pids_and_ports_and_touches_nothing() {
    let fleet = chain("");
    let (before, supervisor) = (pids(&fleet), fleet.supervisor_pid());
    for mode in ["restart --dry-run", "restart --quick --dry-run", "restart --emergency --dry-run"] {
        let ran = fleet.run(mode).expect(0);
        assert!(ran.stderr.contains("nothing was touched"), "{}", ran.stderr);
        for pid in before.values().chain([&supervisor]) {
            assert!(ran.stdout.contains(&pid.to_string()), "pid {pid} is not in\n{}", ran.stdout);
        }
    }
    for (mode, steps) in [("", 7), ("--quick", 5), ("--emergency", 8)] {
        let plan = fleet.run(&format!("restart {mode} --dry-run --json")).expect(0).stdout;
        let plan: serde_json::Value = serde_json::from_str(&plan).unwrap();
        let numbers: Vec<u64> =
            plan["steps"].as_array().unwrap().iter().filter_map(|it| it["step"].as_u64()).collect();
        assert_eq!(numbers, (1..=steps).collect::<Vec<_>>(), "{plan}");
    }
    let plan = fleet.run("restart a --with-dependents --dry-run --json").expect(0).stdout;
    let plan: serde_json::Value = serde_json::from_str(&plan).unwrap();
    assert_eq!(plan["restart"][2]["pid"], before["a"], "{plan}");
    assert!(fleet.run("down --dry-run").expect(0).stdout.contains(&supervisor.to_string()));
    assert_eq!((pids(&fleet), fleet.supervisor_pid()), (before, supervisor));
}

#[test]
fn a_service_that_ignores_its_stop_signal_holds_up_only_itself() {
    let fleet = Fleet::new("");
    let mut config = String::new();
    for name in ["a", "b", "stubborn"] {
        let port = free_port();
        // It needs the others: they are not to wait for its end before their own.
        let (extra, needs) = if name == "stubborn" { ("ignore-term", "\"a\", \"b\"") } else { ("", "") };
        writeln!(config, "[services.{name}]\ncommand = \"{{puppet}} {extra} listen {port} stay\"\nport = {port}\nstop_timeout = \"2s\"\ndepends_on = [{needs}]").unwrap();
    }
    fleet.configure(&config);
    fleet.run("up -q").expect(0);
    let before = pids(&fleet);
    let events = fleet.spawn("restart");
    let started = Instant::now();
    let mut back_after = BTreeMap::new();
    while back_after.len() < 3 {
        assert!(started.elapsed() < crate::harness::DEADLINE);
        for service in fleet.status().services {
            let name = service.name.to_string();
            let is_back = service.state == State::Running
                && service.pid.is_some_and(|pid| pid.as_raw() != before[&name]);
            if is_back {
                back_after.entry(name).or_insert_with(|| started.elapsed());
            }
        }
    }
    let ran = events.wait_with_output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let said = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert!(said.contains("2 stopped, still stopping: stubborn"), "{said}");
    // The order of events, not a measured time: both were back while the stubborn one still had its timeout.
    assert!(back_after["a"] < back_after["stubborn"] && back_after["b"] < back_after["stubborn"]);
    all_run_on_their_ports(&fleet);
}

#[test]
fn only_the_services_named_are_restarted_with_their_dependents_if_asked() {
    let fleet = chain("");
    let before = pids(&fleet);
    fleet.run("restart b").expect(0);
    let changed = |now: &BTreeMap<String, i32>| -> String {
        now.iter().filter(|(name, pid)| before[*name] != **pid).map(|(name, _)| name.as_str()).collect()
    };
    assert_eq!(changed(&pids(&fleet)), "b");
    fleet.run("restart b --with-dependents").expect(0);
    assert_eq!(changed(&pids(&fleet)), "bc");
    all_run_on_their_ports(&fleet);
}

#[test]
fn a_foreign_listener_is_asked_about_before_anything_is_stopped() {
    let (own, port) = (free_port(), free_port());
    let one = format!("[services.a]\ncommand = \"{{puppet}} listen {own} stay\"\nport = {own}\n");
    let fleet = Fleet::new(&one);
    fleet.run("up -q").expect(0);
    let pid = fleet.pid("a");
    let stranger = TcpListener::bind(("127.0.0.1", port)).unwrap();
    fleet.configure(&format!(
        "{one}[services.b]\ncommand = \"{{puppet}} listen {port} stay\"\nport = {port}\n"
    ));
    // The stranger is this test, an ancestor of the command: even consent does not end it.
    fleet.run("restart --yes").expect(5).says(&["nothing was touched"]);
    fleet.run("restart").expect(5).says(&["nothing was touched"]);
    assert_eq!(fleet.pid("a"), pid);
    drop(stranger);
    fleet.run("restart").expect(0);
    all_run_on_their_ports(&fleet);
}

#[test]
fn a_reload_touches_only_what_differs() {
    let fleet = chain("");
    let config = std::fs::read_to_string(fleet.config()).unwrap();
    let before = pids(&fleet);
    fleet.configure(&config.replace("1500ms", "1400ms"));
    let shown = fleet.run("reload --dry-run").expect(0).stdout;
    assert!(shown.contains("~ a: stop_timeout changed (applies as it runs)"), "{shown}");
    fleet.run("reload").expect(0);
    assert_eq!(pids(&fleet), before);
    let changed = config.replacen("[services.b]", "[services.b]\nenv = { A = \"1\" }", 1);
    let (with_new, _) =
        (format!("{changed}[services.new]\ncommand = \"{{puppet}} stay\"\nmin_uptime = \"1ms\"\n"), ());
    fleet.configure(&with_new);
    let shown = fleet.run("reload").expect(0).stdout;
    assert!(
        shown.contains("+ new") && shown.contains("~ b: env, stop_timeout changed (is restarted)"),
        "{shown}"
    );
    fleet.run("wait all").expect(0);
    let after = pids(&fleet);
    assert!(after["a"] == before["a"] && after["b"] != before["b"] && after["c"] == before["c"]);
    fleet.configure(&changed);
    fleet.run("reload").expect(0);
    crate::harness::wait_until("the removed one is gone", || {
        (fleet.status().services.len() == 3).then_some(())
    });
    assert!(!is_alive(after["new"]));
    assert!(fleet.run("reload").expect(0).stderr.contains("nothing differs"));
}

#[test]
fn a_restart_brings_back_what_ran_beside_the_autostarted() {
    let fleet = Fleet::new(
        "[services.a]\ncommand = \"{puppet} stay\"\nmin_uptime = \"1ms\"\n\
         [services.extra]\ncommand = \"{puppet} stay\"\nautostart = false\nmin_uptime = \"1ms\"\n\
         [services.off]\ncommand = \"{puppet} stay\"\nautostart = false\n",
    );
    fleet.run("up -q").expect(0);
    fleet.run("start extra").expect(0);
    for mode in ["restart", "restart --quick", "restart --emergency"] {
        let before = pids(&fleet);
        fleet.run(mode).expect(0);
        let after = pids(&fleet);
        assert_eq!(after.keys().collect::<Vec<_>>(), ["a", "extra"], "{mode}");
        assert!(after.iter().all(|(name, pid)| before[name] != *pid), "{mode}");
    }
}

#[test]
fn services_that_live_without_a_supervisor_are_restarted_gracefully() {
    let fleet = chain("");
    let before = pids(&fleet);
    fleet.behead();
    let ran = fleet.run("restart").expect(0);
    assert!(ran.stderr.contains("stop the services: 3 stopped"), "{}", ran.stderr);
    assert!(before.values().all(|pid| !is_alive(*pid)));
    all_run_on_their_ports(&fleet);
}

#[test]
fn a_command_that_runs_inside_a_service_does_not_end_the_system() {
    let fleet = chain("");
    let before = pids(&fleet);
    let tag = format!("{}/a/1", fleet.paths().instance);
    for words in ["restart", "restart --quick", "restart --emergency", "down"] {
        let output = fleet.command(words).env("PROCMAN_RUN", &tag).output().unwrap();
        assert_eq!(output.status.code(), Some(5), "{words}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("inside the service `a`"), "{words}");
    }
    assert_eq!(pids(&fleet), before);
}

#[test]
fn a_state_directory_that_is_open_to_others_is_refused_before_anything_is_stopped() {
    let fleet = chain("");
    let before = pids(&fleet);
    let directory = fleet.paths().own_dir;
    std::fs::set_permissions(&directory, std::fs::Permissions::from_mode(0o755)).unwrap();
    for words in ["restart", "restart --quick", "restart --emergency", "check"] {
        let ran = fleet.run(words).expect(1);
        assert!(format!("{}{}", ran.stdout, ran.stderr).contains("chmod 700"), "{words}: {}", ran.stderr);
    }
    std::fs::set_permissions(&directory, std::fs::Permissions::from_mode(0o700)).unwrap();
    assert_eq!(pids(&fleet), before);
}

#[test]
fn restarts_of_the_whole_system_at_the_same_time_take_their_turns() {
    let fleet = Fleet::new(
        "[services.api]\ncommand = \"{puppet} stay\"\nmin_uptime = \"300ms\"\n[services.b]\ncommand = \"{puppet} stay\"\n",
    );
    fleet.run("up -q").expect(0);
    // An emergency waits ten seconds: it has one of the others before it at most.
    for words in [["restart", "restart --quick", "restart"].as_slice(), &["restart", "restart --emergency"]] {
        let turn = turn::take(&fleet.paths()).unwrap().unwrap();
        let all: Vec<_> = words.iter().map(|words| fleet.talker(words)).collect();
        for talker in &all {
            talker.wait_for("is under way; waiting for it to end");
        }
        drop(turn);
        for talker in all {
            talker.end().expect(0);
        }
    }
    assert!(!fleet.paths().restart.exists());
}
