use std::fs;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
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
