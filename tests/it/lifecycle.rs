//! Up, seen, ended, down.

use std::collections::BTreeSet;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use procman::vocab::outcome::Outcome;
use procman::vocab::port::HeldBy;
use procman::vocab::state::{Health, State};

use crate::harness::{Fleet, free_port, is_alive, wait_until};

/// Two services of which one needs the other, with a port and a check each.
fn pair() -> (Fleet, u16, u16) {
    let (api, db) = (free_port(), free_port());
    let fleet = Fleet::new(&format!(
        r#"
        [services.api]
        command = "{{puppet}} err up http {api} 200 stay"
        port = {api}
        health = {{ http = "/health" }}
        depends_on = ["db"]
        [services.db]
        command = "{{puppet}} after 50 listen {db} stay"
        port = {db}
        health = {{ tcp = true }}
        group = "store"
        "#
    ));
    (fleet, api, db)
}

#[test]
fn up_brings_services_up_in_order_and_down_leaves_nothing() {
    let (fleet, api, db) = pair();
    let up = fleet.run("up").expect(0);
    let at = |word: &str| up.stderr.find(word).unwrap_or_else(|| panic!("`{word}` is not in {}", up.stderr));
    assert!(at("db running") < at("api running"));
    assert!(up.stdout.contains("healthy"), "{}", up.stdout);
    let status = fleet.status();
    assert!(status.supervisor.running);
    for (name, port) in [("api", api), ("db", db)] {
        let service = fleet.service(name);
        assert_eq!((service.state, service.health), (State::Running, Health::Healthy), "{name}");
        assert_eq!(service.ports[0].port.number(), port);
        assert_eq!((service.ports[0].held_by, service.ports[0].pid), (HeldBy::Service, service.pid));
    }
    fleet.run("up").expect(0);
    let pids: Vec<i32> = fleet.processes().into_iter().collect();
    assert_eq!(pids.len(), 4, "two services, their supervisor and its guardian");
    fleet.run("down").expect(0);
    assert!(pids.iter().all(|pid| !is_alive(*pid)));
    assert!(!fleet.paths().socket.exists() && !fleet.paths().lock.exists());
    assert!(!fleet.paths().journal.exists());
    fleet.run("status").expect(4).says(&["no supervisor is running", "procman up"]);
    fleet.run("down").expect(0);
}

#[test]
fn status_json_has_the_fields_of_the_contract() {
    let (fleet, ..) = pair();
    fleet.run("up -q").expect(0);
    let json: serde_json::Value = serde_json::from_str(&fleet.run("status --json").expect(0).stdout).unwrap();
    let has = |value: &serde_json::Value, keys: &[&str]| {
        for key in keys {
            assert!(value.get(key).is_some(), "`{key}` is not in {value}");
        }
    };
    has(&json, &["supervisor", "services", "ports"]);
    has(&json["supervisor"], &["running", "pid", "version", "uptime_s", "config", "socket", "restarts"]);
    let service = [
        "name",
        "group",
        "state",
        "health",
        "pid",
        "ports",
        "uptime_s",
        "restarts",
        "exit",
        "cpu_percent",
        "memory_bytes",
        "reason",
        "stdout_log",
        "stderr_log",
    ];
    has(&json["services"][0], &service);
    has(&json["services"][0]["ports"][0], &["port", "held_by", "pid"]);
    has(&json["ports"][0], &["port", "service", "held_by", "pid", "command", "user"]);
    assert_eq!(json["services"][0]["ports"][0]["held_by"], "self");
    assert_eq!(json["services"][1]["group"], "store");
}

#[test]
fn a_killed_service_comes_back_at_once_with_its_port() {
    let (fleet, ..) = pair();
    fleet.run("up -q").expect(0);
    let first = fleet.pid("api");
    kill(Pid::from_raw(first), Signal::SIGKILL).unwrap();
    let back = wait_until("api is back", || {
        Some(fleet.service("api"))
            .filter(|it| it.state == State::Running && it.pid.map(|pid| pid.as_raw()) != Some(first))
    });
    assert_eq!(back.ports[0].held_by, HeldBy::Service);
    assert_eq!(back.exit, Some(Outcome::Signal(procman::vocab::signal::Signal::KILL)));
    assert_eq!(back.restarts, 1);
}

#[test]
fn a_service_that_dies_at_once_is_fatal_and_its_last_words_are_shown() {
    let fleet = Fleet::new(
        r#"
        [services.bad]
        command = "{puppet} out nothing err 'ValueError: no key' exit 3"
        backoff = { initial = "1ms", max = "2ms", max_retries = 3 }
        [services.good]
        command = "{puppet} stay"
        min_uptime = "1ms"
        "#,
    );
    fleet.run("up").expect(1).says(&["bad: failed: exited with code 3", "ValueError: no key"]);
    let bad = fleet.service("bad");
    assert_eq!((bad.state, bad.exit, bad.restarts), (State::Fatal, Some(Outcome::Code(3)), 3));
    assert!(bad.reason.unwrap().ends_with("ValueError: no key (given up after 4 quick failures)"));
    assert_eq!(fleet.service("good").state, State::Running);
    let status = fleet.run("status").expect(3);
    assert!(status.stdout.contains("ValueError: no key"));
    fleet.run("status good").expect(0);
    fleet.run("stop bad").expect(0);
    fleet.run("status").expect(0);
}

#[test]
fn a_service_whose_need_fails_is_not_started_and_says_so() {
    let fleet = Fleet::new(
        r#"
        [services.base]
        command = "{puppet} exit 1"
        restart = "never"
        [services.task]
        command = "{puppet} exit 0"
        restart = "on-failure"
        [services.above]
        command = "{puppet} touch above stay"
        depends_on = ["base"]
        [services.after]
        command = "{puppet} touch after stay"
        min_uptime = "1ms"
        depends_on = { task = "completed" }
        "#,
    );
    fleet.run("up").expect(1).says(&["waits in vain for `base`, which is exited"]);
    assert!(!fleet.path().join("above").exists());
    wait_until("what may run has run", || fleet.path().join("after").exists().then_some(()));
    assert_eq!(fleet.service("task").state, State::Exited);
}

#[test]
fn the_tree_of_a_service_ends_with_it() {
    let port = free_port();
    let fleet = Fleet::new(&format!(
        r#"
        [services.parent]
        command = "{{puppet}} listen-inherited {port} child stubborn child setsid child orphan stay"
        port = {port}
        stop_timeout = "300ms"
        "#
    ));
    fleet.run("up -q").expect(0);
    wait_until("the tree has four processes", || (fleet.service("parent").processes == 4).then_some(()));
    let tree: Vec<i32> = fleet.processes().into_iter().collect();
    let first = fleet.pid("parent");
    kill(Pid::from_raw(first), Signal::SIGKILL).unwrap();
    let second = wait_until("the service is back on its port", || {
        let service = fleet.service("parent");
        let pid = service.pid?.as_raw();
        (service.state == State::Running && pid != first && service.processes == 4).then_some(pid)
    });
    assert_eq!(fleet.service("parent").restarts, 1, "it came back in one attempt");
    let supervisor = fleet.status().supervisor;
    let supervisors: BTreeSet<i32> =
        supervisor.guardian.into_iter().chain(supervisor.pid).map(|pid| pid.as_raw()).collect();
    assert!(tree.iter().filter(|pid| !supervisors.contains(pid)).all(|pid| !is_alive(*pid)));
    fleet.run("stop parent").expect(0);
    assert!(!is_alive(second));
    assert_eq!(fleet.processes(), supervisors);
}

#[test]
fn start_stop_signal_kill_and_wait_do_what_they_say() {
    let (fleet, ..) = pair();
    fleet.run("up -q").expect(0);
    fleet.run("stop store:* --force").expect(0);
    assert_eq!(fleet.service("db").state, State::Stopped);
    fleet.run("wait db --for stopped --timeout 5s").expect(0);
    fleet.run("wait db --for ready --timeout 50ms").expect(1).says(&["db: not in time: is stopped"]);
    fleet.run("start api").expect(0);
    assert_eq!(fleet.service("db").state, State::Running, "start takes along what is needed");
    let pid = fleet.pid("api");
    fleet.run("signal api -s USR1").expect(0);
    wait_until("SIGUSR1 ended the puppet", || (!is_alive(pid)).then_some(()));
    fleet.run("wait api --timeout 10s").expect(0);
    fleet.run("signal CONT api").expect(0);
    fleet.run("signal CONT").expect(2).says(&["cannot find a service called `CONT`"]);
    fleet.run("kill a*").expect(0);
    assert_eq!(fleet.service("api").state, State::Stopped);
    fleet.run("signal api").expect(1).says(&["cannot signal it: it is stopped"]);
    fleet.run("stop apo").expect(2).says(&["cannot find a service called `apo`", "did you mean `api`?"]);
    fleet.run("restart apo").expect(2).says(&["no service is called `apo`", "did you mean `api`?"]);
    fleet.run("stop worker").expect(2).says(&["`procman status` lists the services"]);
}

#[test]
fn a_dead_supervisors_services_live_and_are_taken_over() {
    let (fleet, ..) = pair();
    fleet.run("up -q").expect(0);
    let api = fleet.pid("api");
    fleet.behead();
    let alone = fleet.run("status").expect(4);
    assert!(alone.stdout.contains("alive without a supervisor"), "{}", alone.stdout);
    fleet.run("up -q").expect(0);
    assert_eq!(fleet.pid("api"), api);
    kill(Pid::from_raw(api), Signal::SIGKILL).unwrap();
    wait_until("api is back", || {
        let service = fleet.service("api");
        (service.state == State::Running && service.pid.map(|pid| pid.as_raw()) != Some(api)).then_some(())
    });
    fleet.run("down").expect(0);
    assert!(fleet.processes().is_empty());
}

#[test]
fn a_supervisor_in_the_foreground_ends_with_its_services_at_sigterm() {
    let (fleet, ..) = pair();
    let mut supervisor = fleet.spawn("up --foreground");
    wait_until("api runs", || {
        let status = fleet.status();
        status.services.iter().any(|it| it.name.as_str() == "api" && it.state == State::Running).then_some(())
    });
    let pid = Pid::from_raw(i32::try_from(supervisor.id()).unwrap());
    kill(pid, Signal::SIGTERM).unwrap();
    assert!(supervisor.wait().unwrap().success());
    assert!(fleet.processes().is_empty());
}

#[test]
fn a_command_runs_in_a_services_surroundings() {
    let fleet = Fleet::new(
        r#"
        [services.api]
        command = "{puppet} stay"
        env = { FLAVOUR = "sweet" }
        "#,
    );
    let ran = fleet
        .command("run api --")
        .args(["sh", "-c", "echo $FLAVOUR $PROCMAN_SERVICE; exit 7"])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&ran.stdout), "sweet api\n");
    assert_eq!(ran.status.code(), Some(7));
}

#[test]
fn down_stops_services_whose_supervisor_died_and_cleans_up_after_it() {
    let fleet = Fleet::new(
        "[services.a]\ncommand = \"{puppet} stay\"\nmin_uptime = \"1ms\"\n\
         [services.b]\ncommand = \"{puppet} ignore-term stay\"\nstop_timeout = \"100ms\"\nmin_uptime = \"1ms\"\n",
    );
    fleet.run("up -q").expect(0);
    let services = [fleet.pid("a"), fleet.pid("b")];
    fleet.behead();
    let planned = fleet.run("down --dry-run --json").expect(0).stdout;
    assert!(services.iter().all(|pid| planned.contains(&pid.to_string())), "{planned}");
    fleet.run("down").expect(0);
    assert!(services.iter().all(|pid| !is_alive(*pid)));
    assert!(!fleet.paths().socket.exists() && !fleet.paths().journal.exists());
    fleet.run("down").expect(0).says(&["no supervisor is running"]);
}

#[test]
fn services_without_a_supervisor_are_stopped_as_they_were_started_whatever_the_file_says_meanwhile() {
    let fleet = Fleet::new(
        "[services.a]\ncommand = ['sh', '-c', 'trap \"echo asked > asked; exit\" USR1; echo > traps; while :; do sleep 0.02; done']\n\
         stop_signal = \"USR1\"\nmin_uptime = \"1ms\"\n",
    );
    let good = fleet.read("services.toml");
    let other = "[services.b]\ncommand = \"{puppet} stay\"\nmin_uptime = \"1ms\"\n";
    for (file, command) in
        [("[services.a\ncommand = \"no", "down"), (other, "down"), (other, "restart --quick")]
    {
        fleet.configure(&good);
        let _ = std::fs::remove_file(fleet.path().join("traps"));
        let _ = std::fs::remove_file(fleet.path().join("asked"));
        fleet.run("up -q").expect(0);
        wait_until("it waits for its signal", || fleet.path().join("traps").exists().then_some(()));
        fleet.behead();
        fleet.configure(file);
        fleet.run(command).expect(0);
        assert!(fleet.path().join("asked").exists(), "{command}: it was not asked to end in its way");
        assert!(fleet.family("a").is_empty());
        fleet.configure(other);
        fleet.run("down").expect(0);
        fleet.wait_until_nothing_lives();
    }
}

#[test]
fn down_that_can_stop_nothing_says_that_services_go_on_and_what_to_do() {
    let fleet = Fleet::new("[services.a]\ncommand = \"{puppet} stay\"\nmin_uptime = \"1ms\"\n");
    let good = fleet.read("services.toml");
    fleet.run("up -q").expect(0);
    let pid = fleet.pid("a");
    fleet.behead();
    std::fs::remove_file(fleet.paths().applied).unwrap();
    fleet.configure("[services.a]\ncommand = 3\n");
    let down = fleet.run("down").expect(1).says(&["they go on running", "services.toml", "hint: mend"]);
    assert!(!down.stderr.contains("are stopped"), "{}", down.stderr);
    assert!(is_alive(pid));
    fleet.configure(&good);
    fleet.run("down").expect(0);
    assert!(!is_alive(pid));
}

#[test]
fn down_goes_on_when_nobody_waits_for_it() {
    let fleet = Fleet::new(
        "[services.a]\ncommand = \"{puppet} stay\"\nmin_uptime = \"1ms\"\ndepends_on = [\"b\"]\n\
         [services.b]\ncommand = \"{puppet} ignore-term stay\"\nstop_timeout = \"700ms\"\nmin_uptime = \"1ms\"\n\
         [services.c]\ncommand = \"{puppet} ignore-term stay\"\nstop_timeout = \"500ms\"\nmin_uptime = \"1ms\"\n",
    );
    fleet.run("up -q").expect(0);
    let supervisor = fleet.supervisor_pid();
    fleet.run("down --timeout 50ms").expect(1);
    wait_until("the supervisor has ended", || (!is_alive(supervisor)).then_some(()));
    assert!(fleet.processes().is_empty());
}

#[test]
fn two_configs_in_one_directory_have_nothing_to_do_with_each_other() {
    let config = "[services.a]\ncommand = \"{puppet} stay\"\nmin_uptime = \"1ms\"\n";
    let fleet = Fleet::new(config);
    let other = config.replace("{puppet}", fleet.puppet().to_str().unwrap());
    std::fs::write(fleet.path().join("other.toml"), other).unwrap();
    fleet.run("up -q").expect(0);
    let before = fleet.pid("a");
    fleet.run("-c other.toml up -q").expect(0);
    fleet.run("-c other.toml restart --quick -q").expect(0);
    fleet.run("-c other.toml down").expect(0);
    assert_eq!(fleet.pid("a"), before);
}

#[test]
fn a_service_inherits_no_descriptor_and_no_ignored_signal() {
    let fleet = Fleet::new(
        "[services.a]\ncommand = \"/bin/sh -c 'ls -l /proc/self/fd | grep -c held; grep SigIgn /proc/self/status; exec sleep 600'\"\n",
    );
    let held = std::fs::File::create(fleet.path().join("held")).unwrap();
    nix::fcntl::fcntl(&held, nix::fcntl::FcntlArg::F_SETFD(nix::fcntl::FdFlag::empty())).unwrap();
    let nohup = std::process::Command::new("nohup")
        .arg(crate::harness::procman())
        .args(["up", "-q"])
        .current_dir(fleet.path())
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap();
    assert!(nohup.status.success(), "{nohup:?}");
    let log =
        wait_until("it told", || Some(fleet.read("logs/a.out.log")).filter(|log| log.contains("SigIgn")));
    assert!(log.starts_with("0\n"), "{log}");
    let mask = log.split("SigIgn:\t").nth(1).unwrap().trim();
    let standard = u64::from_str_radix(mask, 16).unwrap() & 0x7fff_ffff;
    assert_eq!(standard, 0, "{log}");
}

#[test]
fn a_process_whose_name_is_cut_in_the_middle_of_a_character_is_supervised_like_any_other() {
    let fleet = Fleet::new("");
    let program = fleet.path().join("aaaaaaaaaaaaaa\u{e9}x");
    std::fs::hard_link(fleet.puppet(), &program).unwrap();
    fleet.configure(&format!(
        "[services.a]\ncommand = [\"{}\", \"stay\"]\nmin_uptime = \"1ms\"\n",
        program.display()
    ));
    fleet.run("up -q").expect(0);
    let pid = fleet.pid("a");
    fleet.run("stop a").expect(0);
    assert!(!is_alive(pid));
}
