//! Replicas, and exchanges of runs that leave no moment without one.

use std::collections::BTreeMap;
use std::fs;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use procman::protocol::status::{Part, SecondView};
use procman::vocab::state::State;

use crate::guardian::kill_supervisor;
use crate::harness::{Fleet, free_port, is_alive, wait_until};

/// A service that counts as ready after 300 ms, works after 20 ms, and ends at once when the file `broken` is there.
fn web(extra: &str) -> Fleet {
    let fleet = Fleet::new(&format!(
        "[services.web]\ncommand = \"{{puppet}} exit-if broken 7 after 20 beats stay\"\n\
         min_uptime = \"300ms\"\nstop_timeout = \"2s\"\n{extra}"
    ));
    fleet.run("up -q").expect(0);
    fleet
}

fn pids(fleet: &Fleet) -> BTreeMap<String, i32> {
    let services = fleet.status().services.into_iter();
    services.filter_map(|it| Some((it.name.to_string(), it.pid?.as_raw()))).collect()
}

fn second(fleet: &Fleet) -> Option<SecondView> {
    fleet.service("web").second
}

/// When each run worked, from its first to its last sign of life, in the order of their beginnings.
fn shifts(fleet: &Fleet) -> Vec<(u64, u64)> {
    let mut runs: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for line in fleet.read("beats").lines() {
        let (pid, at) = line.split_once(' ').unwrap();
        let at: u64 = at.parse().unwrap();
        let shift = runs.entry(pid.to_owned()).or_insert((at, at));
        shift.1 = shift.1.max(at);
    }
    let mut shifts: Vec<(u64, u64)> = runs.into_values().collect();
    shifts.sort_unstable();
    shifts
}

#[test]
fn ten_rolling_restarts_leave_no_moment_without_a_run_that_works() {
    let fleet = web("");
    let mut before = fleet.pid("web");
    for _ in 0..10 {
        fleet.run("restart web --rolling -q").expect(0);
        let service = fleet.service("web");
        let pid = service.pid.unwrap().as_raw();
        assert!(pid != before && !is_alive(before) && service.second.is_none());
        assert_eq!((service.state, service.restarts), (State::Running, 0));
        before = pid;
    }
    let shifts = shifts(&fleet);
    assert_eq!(shifts.len(), 11);
    for pair in shifts.windows(2) {
        assert!(pair[1].0 < pair[0].1, "a run began when the one before had ended: {shifts:?}");
    }
    // The same measure sees the gap of a restart that is none.
    fleet.run("restart web -q").expect(0);
    let shifts = self::shifts(&fleet);
    assert!(shifts[11].0 > shifts[10].1, "{shifts:?}");
}

#[test]
fn a_new_run_that_ends_is_rolled_back_and_the_old_one_is_untouched() {
    let fleet = web("");
    let before = fleet.pid("web");
    fs::write(fleet.path().join("broken"), "").unwrap();
    fleet.run("restart web --rolling").expect(1).says(&[
        "web: failed: the new run ended: exited with code 7 after",
        ": cannot go on: broken\n    cannot go on: broken",
    ]);
    assert_eq!((fleet.pid("web"), fleet.family("web").len(), second(&fleet)), (before, 1, None));
    fs::remove_file(fleet.path().join("broken")).unwrap();
    fleet.run("restart web --rolling").expect(0);
    assert_ne!(fleet.pid("web"), before);
}

#[test]
fn a_new_run_that_is_not_ready_in_time_is_rolled_back() {
    let fleet = web("");
    let before = fleet.pid("web");
    let config = fs::read_to_string(fleet.config()).unwrap();
    fleet.configure(&config.replace("300ms", "1h"));
    fleet.run("reload").expect(0);
    let said = ["web: failed: the new run did not become ready within 300ms"];
    fleet.run("restart web --rolling --timeout 300ms").expect(1).says(&said);
    assert_eq!((fleet.pid("web"), fleet.family("web").len()), (before, 1));
    fleet.run("status").expect(0);
}

#[test]
fn an_exchange_is_seen_and_a_stop_ends_both_runs() {
    let fleet = web("");
    let before = fleet.pid("web");
    let config = fs::read_to_string(fleet.config()).unwrap();
    fleet.configure(&config.replace("300ms", "1h"));
    fleet.run("reload").expect(0);
    let rolling = fleet.spawn("restart web --rolling");
    let seen = wait_until("a second run", || second(&fleet));
    assert_eq!((seen.part, fleet.pid("web")), (Part::Understudy, before));
    let table = fleet.run("status").expect(0).stdout;
    assert!(table.contains(&format!("web: pid {} starts beside it", seen.pid)), "{table}");
    fleet.run("stop web").expect(0);
    assert!(fleet.family("web").is_empty());
    let rolled = rolling.wait_with_output().unwrap();
    assert_eq!(rolled.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&rolled.stderr).contains("was stopped meanwhile"));
    // One that is stopped is started.
    fleet.configure(&config);
    fleet.run("reload").expect(0);
    fleet.run("restart web --rolling").expect(0);
    assert_eq!(fleet.service("web").state, State::Running);
}

#[test]
fn a_supervisor_that_dies_in_the_middle_is_followed_by_one_that_brings_the_exchange_to_its_end() {
    for part in [Part::Understudy, Part::Leaving] {
        let fleet = Fleet::new(
            "[services.web]\ncommand = \"{puppet} ignore-term stay\"\nmin_uptime = \"1s\"\nstop_timeout = \"1500ms\"\n",
        );
        fleet.run("up -q").expect(0);
        let before = fleet.pid("web");
        let mut rolling = fleet.spawn("restart web --rolling");
        let seen = wait_until("the exchange is so far", || second(&fleet).filter(|it| it.part == part));
        let new = if part == Part::Understudy { seen.pid.as_raw() } else { fleet.pid("web") };
        kill_supervisor(&fleet);
        wait_until("the exchange is over", || {
            let is_over = second(&fleet).is_none() && fleet.pid("web") == new && !is_alive(before);
            is_over.then_some(())
        });
        assert_eq!(fleet.family("web"), [new].into());
        assert_eq!(fleet.service("web").state, State::Running);
        assert_eq!(rolling.wait().unwrap().code(), Some(4), "its supervisor broke off");
    }
}

#[test]
fn what_cannot_be_exchanged_is_refused_before_anything_is_touched() {
    let port = free_port();
    let fleet = web(&format!("[services.api]\ncommand = \"{{puppet}} listen {port} stay\"\nport = {port}\n"));
    let before = pids(&fleet);
    for words in ["restart all --rolling", "restart web api --rolling", "restart api --rolling --dry-run"] {
        fleet.run(words).expect(2).says(&[
            "cannot exchange `api` run by run",
            "nothing was touched",
            "hint:",
        ]);
    }
    fleet.run("restart --rolling").expect(2);
    let plan = fleet.run("restart web --rolling --dry-run").expect(0).stdout;
    assert_eq!(plan, format!("start a new run of web; when it is ready, end pid {}\n", before["web"]));
    assert_eq!(pids(&fleet), before);
}

#[test]
fn replicas_are_exchanged_in_turn_and_none_after_a_failure() {
    let fleet = web("replicas = 3\n");
    let before = pids(&fleet);
    assert_eq!(before.keys().collect::<Vec<_>>(), ["web", "web-2", "web-3"]);
    fs::write(fleet.path().join("broken"), "").unwrap();
    fleet.run("restart web --rolling").expect(1).says(&[
        "web: failed: the new run ended",
        "web-2: failed: was not tried",
        "web-3: failed: was not tried",
    ]);
    assert_eq!(pids(&fleet), before);
    fs::remove_file(fleet.path().join("broken")).unwrap();
    fleet.run("restart web-1 web-3 --rolling").expect(0);
    let after = pids(&fleet);
    assert!(after["web"] != before["web"] && after["web-2"] == before["web-2"]);
    assert!(after["web-3"] != before["web-3"]);
}

#[test]
fn scaling_touches_only_the_difference_and_is_remembered() {
    let fleet = web(
        "replicas = 2\n[services.page]\ncommand = \"{puppet} stay\"\nmin_uptime = \"1ms\"\ndepends_on = [\"web\"]\n",
    );
    let two = pids(&fleet);
    assert_eq!(fleet.run("scale web=4 --dry-run").expect(0).stdout, "start web-3\nstart web-4\n");
    assert_eq!(pids(&fleet), two);
    fleet.run("scale web=4").expect(0);
    let four = pids(&fleet);
    assert_eq!(four.len(), 5);
    assert!(two.iter().all(|(name, pid)| four[name] == *pid), "{two:?} {four:?}");
    let environment = fs::read(format!("/proc/{}/environ", four["web-4"])).unwrap();
    assert!(String::from_utf8_lossy(&environment).contains("PROCMAN_REPLICA=4\0"));
    let third = fleet.service("web-3");
    assert_eq!((third.replica_of.unwrap().as_str(), third.replica), ("web", 3));
    assert!(third.stdout_log.unwrap().ends_with("logs/web-3.out.log"));
    fleet.run("restart web-3 -q").expect(0);
    let four = pids(&fleet);
    kill_supervisor(&fleet);
    assert_eq!(pids(&fleet), four, "the next supervisor knows how many there are");
    fleet.run("upgrade").expect(0);
    assert_eq!(pids(&fleet), four, "and so does the next procman");
    fleet.behead();
    fleet.run("up -q").expect(0);
    assert_eq!(pids(&fleet), four, "and one that comes later as well");
    let surplus = format!("stop web-4 (pid {})\n", four["web-4"]);
    assert_eq!(fleet.run("scale web=3 --dry-run").expect(0).stdout, surplus);
    fleet.run("scale web=3").expect(0);
    let mut three = four.clone();
    three.remove("web-4");
    assert_eq!(pids(&fleet), three);
    assert!(!is_alive(four["web-4"]));
    let said = fleet.run("reload").expect(0).stdout;
    assert!(said.contains("- web-3 (is stopped)"), "{said}");
    wait_until("the file holds again", || (pids(&fleet) == two).then_some(()));
    assert!(!is_alive(three["web-3"]));
}

#[test]
fn a_restart_of_the_whole_system_has_as_many_as_the_file_says() {
    let fleet = web("replicas = 2\n");
    fleet.run("scale web=3").expect(0);
    fleet.run("restart").expect(0);
    assert_eq!(pids(&fleet).keys().collect::<Vec<_>>(), ["web", "web-2"]);
    kill_supervisor(&fleet);
    assert_eq!(pids(&fleet).len(), 2);
}

#[test]
fn counts_that_cannot_be_are_refused_and_touch_nothing() {
    let port = free_port();
    let fleet = web(&format!(
        "[services.api]\ncommand = \"{{puppet}} listen {port} stay\"\nport = {port}\n\
         [services.web-2]\ncommand = \"{{puppet}} stay\"\nmin_uptime = \"1ms\"\n"
    ));
    let before = pids(&fleet);
    for (words, said) in [
        ("scale api=2", "the 2 replicas of `api` cannot share port"),
        ("scale web=2", "`web-2` is a service of its own"),
        ("scale web=0", "a service has 1 to 1000 replicas"),
        ("scale nobody=2", "declares no such service"),
    ] {
        fleet.run(words).expect(2).says(&[said]);
    }
    assert_eq!(pids(&fleet), before);
}

#[test]
fn one_replica_that_crashes_concerns_no_other() {
    let fleet = web("replicas = 3\n");
    let before = pids(&fleet);
    kill(Pid::from_raw(before["web-2"]), Signal::SIGKILL).unwrap();
    wait_until("it is back", || {
        let service = fleet.service("web-2");
        (service.restarts == 1 && service.state == State::Running).then_some(())
    });
    let after = pids(&fleet);
    assert!(after["web"] == before["web"] && after["web-3"] == before["web-3"]);
    assert_eq!(fleet.service("web").restarts, 0);
}

#[test]
fn a_dry_run_of_down_has_scaled_replicas_before_what_they_need() {
    let fleet =
        web("depends_on = [\"db\"]\n[services.db]\ncommand = \"{puppet} stay\"\nmin_uptime = \"1ms\"\n");
    fleet.run("scale web=2 -q").expect(0);
    let told = fleet.run("down --dry-run").expect(0).stdout;
    let at = |name: &str| told.find(name).unwrap_or_else(|| panic!("{name} is not in {told}"));
    assert!(at("web-2") < at("db"), "{told}");
}
