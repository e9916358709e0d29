use std::fs;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use procman::vocab::enablement::Enablement;
use procman::vocab::state::{Goal, State};

use crate::harness::{Fleet, wait_until};
use crate::socket::post;

/// A database, what needs it, and what needs that; and a page that can do without.
fn chain(more_of_db: &str) -> Fleet {
    Fleet::new(&format!(
        r#"
        [defaults]
        min_uptime = "1ms"
        stop_timeout = "2s"
        [services.db]
        command = "{{puppet}} stay"
        {more_of_db}
        [services.api]
        command = "{{puppet}} stay"
        depends_on = ["db"]
        [services.page]
        command = "{{puppet}} stay"
        depends_on = {{ api = "started" }}
        [services.extra]
        command = "{{puppet}} stay"
        depends_on = {{ db = {{ condition = "ready", required = false }} }}
        "#
    ))
}

const ALL: [&str; 4] = ["db", "api", "page", "extra"];

fn pids(fleet: &Fleet) -> [i32; 4] {
    ALL.map(|name| fleet.pid(name))
}

fn all_run(fleet: &Fleet) -> Option<()> {
    ALL.iter().all(|name| fleet.service(name).state == State::Running).then_some(())
}

#[test]
fn a_crash_takes_what_needs_it_down_and_brings_it_back_and_the_rest_stays() {
    let fleet = chain("");
    fleet.run("up -q").expect(0);
    let before = pids(&fleet);
    kill(Pid::from_raw(before[0]), Signal::SIGKILL).unwrap();
    let after = wait_until("all three have another run and are ready", || {
        let changed = ["db", "api", "page"]
            .iter()
            .zip(before)
            .all(|(name, old)| fleet.service(name).pid.is_some_and(|pid| pid.as_raw() != old));
        changed.then(|| all_run(&fleet)).flatten().map(|()| pids(&fleet))
    });
    assert_eq!(after[3], before[3], "what can be up without it stays");
    assert_eq!(fleet.service("api").restarts, 0, "that was no failure of its own");
}

#[test]
fn what_is_given_up_keeps_its_dependents_down_until_somebody_starts_it() {
    let fleet = chain("restart = \"never\"");
    fleet.run("up -q").expect(0);
    kill(Pid::from_raw(fleet.pid("db")), Signal::SIGKILL).unwrap();
    let reason = wait_until("page is down", || {
        let page = fleet.service("page");
        page.pid.is_none().then_some(page.reason).flatten()
    });
    assert!(reason.contains("was taken down: `db` ended: was ended by SIGKILL"), "{reason}");
    let api = wait_until("api is down", || {
        let api = fleet.service("api");
        api.pid.is_none().then_some(api)
    });
    assert_eq!(api.goal, Goal::Up, "nobody stopped it");
    let reason = api.reason.unwrap();
    assert!(reason.starts_with("waits in vain for `db`, which is exited (was ended by SIGKILL"), "{reason}");
    fleet.run("status").expect(3).says(&[]);
    // The next supervisor goes on from there.
    let old = fleet.supervisor_pid();
    kill(Pid::from_raw(old), Signal::SIGKILL).unwrap();
    wait_until("a successor answers", || fleet.supervisor_pid_if_any().filter(|new| *new != old));
    assert!(fleet.service("api").pid.is_none());
    fleet.run("start db -q").expect(0);
    wait_until("all are back", || all_run(&fleet));
}

#[test]
fn smooth_recovery_keeps_dependents_up_through_a_crash() {
    let fleet = chain("smooth_recovery = true");
    fleet.run("up -q").expect(0);
    let before = pids(&fleet);
    kill(Pid::from_raw(before[0]), Signal::SIGKILL).unwrap();
    let new = wait_until("the database is back", || {
        let db = fleet.service("db");
        db.pid.map(|pid| pid.as_raw()).filter(|pid| *pid != before[0] && db.state == State::Running)
    });
    assert_eq!(pids(&fleet), [new, before[1], before[2], before[3]]);
}

#[test]
fn a_restart_of_one_service_is_of_that_service_alone() {
    let fleet = chain("");
    fleet.run("up -q").expect(0);
    let before = pids(&fleet);
    fleet.run("restart db").expect(0);
    let after = pids(&fleet);
    assert_ne!(after[0], before[0]);
    assert_eq!(after[1..], before[1..]);
}

#[test]
fn a_stop_of_what_others_need_is_refused_unless_it_says_what_becomes_of_them() {
    let fleet = chain("");
    fleet.run("up -q").expect(0);
    let before = pids(&fleet);
    for verb in ["stop", "kill"] {
        let says = format!("cannot {verb} `db`: `api`, `page` cannot be up without it");
        fleet.run(&format!("{verb} db")).expect(5).says(&[&says, "--with-dependents", "--force"]);
    }
    let refused = post(&fleet.paths().socket, "/v1/commands", r#"{"stop":{"services":["db"]}}"#);
    assert!(refused.contains("409") && refused.contains("\"kind\":\"needed\""), "{refused}");
    assert_eq!(pids(&fleet), before, "nothing was touched");
    fleet.run("stop db --force").expect(0);
    wait_until("what needs it is down", || fleet.service("api").pid.is_none().then_some(()));
    assert_eq!(fleet.pid("extra"), before[3]);
    fleet.run("start db").expect(0);
    wait_until("it has brought them back", || all_run(&fleet));
    fleet.run("stop db --with-dependents").expect(0);
    let goals = ["db", "api", "page", "extra"].map(|name| fleet.service(name).goal);
    assert_eq!(goals, [Goal::Down; 4], "who can be up without it needs it, too");
    fleet.run("start all").expect(0);
    fleet.run("stop db api page").expect(0);
    fleet.run("stop all").expect(0);
}

#[test]
fn a_soft_dependency_that_fails_blocks_nothing() {
    let fleet = Fleet::new(
        r#"
        [defaults]
        min_uptime = "1ms"
        [services.cache]
        command = "{puppet} exit 3"
        autostart = false
        [services.slow]
        command = "{puppet} after 200 touch slow stay"
        ready = { exec = "test -e slow", interval = "50ms" }
        autostart = false
        [services.api]
        command = "{puppet} exit-if absent 4 stay"
        depends_on = { cache = { required = false }, slow = { condition = "ready", required = false } }
        pre_start = "test -e slow"
        "#,
    );
    fleet.run("up").expect(0);
    assert!(fs::exists(fleet.path().join("slow")).unwrap(), "what is on its way was waited for");
    assert_eq!(fleet.service("api").restarts, 0);
    assert_ne!(fleet.service("cache").state, State::Running);
}

#[test]
fn a_task_that_fails_is_named_by_what_waits_for_it_and_one_that_succeeds_is_well() {
    let fleet = Fleet::new(
        r#"
        [services.migrate]
        command = "{puppet} wait-for go exit-if bad 4 exit 0"
        restart = "never"
        [services.api]
        command = "{puppet} stay"
        min_uptime = "1ms"
        depends_on = { migrate = "completed" }
        "#,
    );
    for name in ["go", "bad"] {
        fs::write(fleet.path().join(name), "").unwrap();
    }
    fleet
        .run("up")
        .expect(1)
        .says(&["api: failed: waits in vain for `migrate`, which is exited (exited with code 4"]);
    fleet.run("wait migrate").expect(1).says(&["exited with code 4"]);
    fleet.run("status").expect(3).says(&[]);
    fs::remove_file(fleet.path().join("bad")).unwrap();
    fleet.run("up").expect(0);
    fleet.run("status").expect(0);
    fleet.run("wait migrate api").expect(0);
    fleet.run("wait migrate --for stopped").expect(0);
    assert_eq!(fleet.service("migrate").state, State::Exited);
    // What has completed cannot fall.
    let api = fleet.pid("api");
    fleet.run("stop migrate").expect(0);
    assert_eq!(fleet.pid("api"), api);
}

/// A task, what waits for it and is ready after a while, and what needs that.
fn slow() -> Fleet {
    Fleet::new(
        r#"
        [services.task]
        command = "{puppet} after 150 exit 0"
        restart = "never"
        [services.api]
        command = "{puppet} after 150 notify READY=1 stay"
        ready = { notify = true }
        depends_on = { task = "completed" }
        [services.page]
        command = "{puppet} after 150 notify READY=1 stay"
        ready = { notify = true }
        depends_on = { api = "ready", side = { condition = "ready", required = false } }
        [services.side]
        command = "{puppet} stay"
        min_uptime = "1ms"
        "#,
    )
}

fn chain_of(fleet: &Fleet) -> Vec<(String, u64, u64)> {
    let graph: serde_json::Value = serde_json::from_str(&fleet.run("graph --json").expect(0).stdout).unwrap();
    let links = graph["critical_chain"].as_array().unwrap().clone();
    let number = |value: &serde_json::Value| value.as_u64().unwrap();
    let link = |it: &serde_json::Value| {
        (it["service"].as_str().unwrap().to_owned(), number(&it["at_ms"]), number(&it["took_ms"]))
    };
    links.iter().map(link).collect()
}

#[test]
fn the_graph_is_drawn_with_the_critical_chain_of_the_last_start() {
    let fleet = slow();
    fleet.run("graph").expect(0).says(&["the times of the last start are not known"]);
    fleet.run("up -q").expect(0);
    let chain = chain_of(&fleet);
    let names: Vec<&str> = chain.iter().map(|(name, ..)| name.as_str()).collect();
    assert_eq!(names, ["page", "api", "task"]);
    assert!(chain.iter().all(|(_, _, took)| *took >= 149), "{chain:?}");
    assert!(chain.windows(2).all(|pair| pair[0].1 >= pair[1].1 + pair[0].2), "{chain:?}");
    let drawn = fleet.run("graph page").expect(0).stdout;
    for words in [
        "page  running",
        "├─ api  running",
        "│  └─ task (completed)  exited",
        "└─ side (not required)  running",
        "critical chain of the last start",
    ] {
        assert!(drawn.contains(words), "{drawn}");
    }
    let alone = fleet.run("graph task --dot").expect(0).stdout;
    assert!(alone.contains("\"task\"") && !alone.contains("\"page\""), "{alone}");
    // The next supervisor remembers.
    let old = fleet.supervisor_pid();
    kill(Pid::from_raw(old), Signal::SIGKILL).unwrap();
    wait_until("a successor answers", || fleet.supervisor_pid_if_any().filter(|new| *new != old));
    assert_eq!(chain_of(&fleet).len(), 3);
    fleet.run("graph apo").expect(2);
    fleet.run("down -q").expect(0);
    let offline = fleet.run("graph").expect(0).says(&["not known"]);
    assert!(offline.stdout.contains("└─ task (completed)"), "{}", offline.stdout);
}

#[test]
fn what_starts_by_itself_is_remembered_over_reload_supervisors_and_down() {
    let fleet = Fleet::new(
        r#"
        [defaults]
        min_uptime = "1ms"
        [services.api]
        command = "{puppet} stay"
        replicas = 2
        [services.job]
        command = "{puppet} stay"
        autostart = false
        "#,
    );
    let said = |name: &str| {
        let service = fleet.service(name);
        (service.autostart, service.enablement)
    };
    fleet.run("up -q").expect(0);
    assert_eq!((said("api"), said("job")), ((true, None), (false, None)));
    let pid = fleet.pid("api-2");
    fleet.run("disable api").expect(0);
    fleet.run("enable job").expect(0);
    let check = || {
        assert_eq!([said("api"), said("api-2")], [(false, Some(Enablement::Disabled)); 2]);
        assert_eq!(said("job"), (true, Some(Enablement::Enabled)));
    };
    check();
    assert_eq!(fleet.pid("api-2"), pid, "what runs goes on");
    assert!(fleet.run("status").stdout.contains("api: disabled"));
    fleet.run("reload").expect(0);
    check();
    let old = fleet.supervisor_pid();
    kill(Pid::from_raw(old), Signal::SIGKILL).unwrap();
    wait_until("a successor answers", || fleet.supervisor_pid_if_any().filter(|new| *new != old));
    check();
    fleet.run("upgrade").expect(0);
    check();
    fleet.run("down -q").expect(0);
    fleet.run("up -q").expect(0);
    check();
    assert_eq!((fleet.service("api").goal, fleet.service("job").goal), (Goal::Down, Goal::Up));
    fleet.run("start api").expect(0);
    fleet.run("down -q").expect(0);
    fleet.run("enable api -q").expect(0);
    fleet.run("disable apo").expect(2);
    fleet.run("up -q").expect(0);
    assert_eq!(fleet.service("api-2").state, State::Running);
}

#[test]
fn a_stop_by_hand_is_remembered_over_reload_upgrade_and_supervisors() {
    let config = |extra: &str| {
        format!(
            "[services.api]\ncommand = \"{{puppet}} stay\"\nmin_uptime = \"1ms\"\n{extra}[services.job]\ncommand = \"{{puppet}} stay\"\nmin_uptime = \"1ms\"\n"
        )
    };
    let fleet = Fleet::new(&config(""));
    fleet.run("up -q").expect(0);
    fleet.run("stop api -q").expect(0);
    let rests = || {
        let api = fleet.service("api");
        assert_eq!((api.goal, api.state), (Goal::Down, State::Stopped));
        assert_eq!(fleet.service("job").state, State::Running);
    };
    fleet.configure(&config("env = { CHANGED = \"1\" }\n"));
    fleet.run("reload").expect(0);
    rests();
    fleet.run("upgrade").expect(0);
    rests();
    let old = fleet.supervisor_pid();
    kill(Pid::from_raw(old), Signal::SIGKILL).unwrap();
    wait_until("a successor answers", || fleet.supervisor_pid_if_any().filter(|new| *new != old));
    rests();
}
