//! Hooks: commands on occasions in the life of a service, and what waits for them.

use std::time::Instant;

use procman::vocab::state::State;
use serde_json::Value;

use crate::harness::{DEADLINE, Fleet, is_alive, wait_until};

/// A hook that adds the event it is told of to `told`.
fn note(occasion: &str) -> String {
    format!("{occasion} = [\"sh\", \"-c\", \"cat >> told\"]\n")
}

impl Fleet {
    /// The events that hooks were told of.
    fn told(&self) -> Vec<Value> {
        self.read("told").lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn told_names(&self) -> Vec<String> {
        self.told().iter().map(|told| told["event"].as_str().unwrap().to_owned()).collect()
    }
}

#[test]
fn the_hooks_of_a_restart_run_in_their_order_and_are_told_of_their_event() {
    let hooks: String = ["pre_start", "post_start", "pre_stop", "post_stop"].map(note).concat();
    let fleet =
        Fleet::new(&format!("[services.api]\ncommand = \"{{puppet}} stay\"\nmin_uptime = \"50ms\"\n{hooks}"));
    fleet.run("up").expect(0);
    wait_until("it was told of its start", || (fleet.told().len() == 2).then_some(()));
    let first = fleet.pid("api");
    fleet.run("restart api").expect(0);
    wait_until("all were told", || (fleet.told().len() == 6).then_some(()));
    let order = ["pre_start", "post_start", "pre_stop", "post_stop", "pre_start", "post_start"];
    assert_eq!(fleet.told_names(), order);
    let told = fleet.told();
    assert_eq!(told[2]["pid"], first);
    assert_eq!(told[2]["service"], "api");
    assert_eq!(told[3]["pid"], Value::Null);
    assert_eq!(told[3]["exit"]["signal"], "SIGTERM");
    assert_eq!(told[4]["run"], 2);
    fleet.run("down").expect(0);
    assert_eq!(fleet.told_names()[6..], ["pre_stop", "post_stop"]);
    fleet.wait_until_nothing_lives();
}

#[test]
fn a_pre_start_that_fails_is_a_start_that_fails_with_its_last_words() {
    let fleet = Fleet::new(
        "[services.api]\ncommand = \"{puppet} touch started stay\"\nbackoff = { max_retries = 1 }\n\
         pre_start = [\"sh\", \"-c\", \"echo no such table >&2; exit 7\"]\n\
         on_failure = [\"sh\", \"-c\", \"cat >> told\"]\n",
    );
    fleet.run("up").expect(1).says(&["its pre_start failed", "exited with code 7: no such table"]);
    let api = fleet.wait_for_state("api", State::Fatal);
    assert!(api.reason.unwrap().contains("no such table"));
    assert!(!fleet.path().join("started").exists());
    assert!(fleet.read("logs/api.err.log").contains("no such table"), "a hook writes into the service's log");
    wait_until("its failures were told", || (fleet.told().len() == 2).then_some(()));
    assert!(fleet.told()[0]["reason"].as_str().unwrap().contains("no such table"));
}

#[test]
fn a_hook_that_takes_too_long_ends_with_its_whole_tree_and_delays_a_stop_no_longer() {
    let fleet = Fleet::new(
        "[services.api]\ncommand = \"{puppet} stay\"\nmin_uptime = \"50ms\"\n\
         pre_stop = { command = [\"sh\", \"-c\", \"sleep 60 & echo $! > pid; wait\"], timeout = \"300ms\" }\n",
    );
    fleet.run("up").expect(0);
    let start = Instant::now();
    fleet.run("stop api").expect(0);
    assert!(start.elapsed() < DEADLINE);
    assert_eq!(
        fleet.service("api").exit.map(|exit| exit.to_string()),
        Some("was ended by SIGTERM".to_owned())
    );
    assert!(!is_alive(fleet.read("pid").trim().parse().unwrap()));
    let log = std::fs::read_to_string(&fleet.paths().supervisor_log).unwrap();
    assert!(log.contains("did not end within 300ms"), "{log}");
}

#[test]
fn a_start_that_nobody_wants_any_more_does_not_wait_for_its_pre_start() {
    let fleet = Fleet::new(
        "[services.api]\ncommand = \"{puppet} touch started stay\"\n\
         pre_start = [\"sh\", \"-c\", \"echo $$$$ > pid; exec sleep 60\"]\n",
    );
    fleet.run("up --no-wait").expect(0);
    let pid = wait_until("its pre_start runs", || fleet.read("pid").trim().parse().ok());
    let api = fleet.service("api");
    assert_eq!((api.state, api.reason.as_deref()), (State::Starting, Some("runs its pre_start")));
    let start = Instant::now();
    fleet.run("stop api").expect(0);
    assert!(start.elapsed() < DEADLINE);
    assert_eq!(fleet.service("api").state, State::Stopped);
    wait_until("its pre_start has ended", || (!is_alive(pid)).then_some(()));
    assert!(!fleet.path().join("started").exists());
}

#[test]
fn a_failure_is_told_of_with_its_exit() {
    let fleet = Fleet::new(&format!(
        "[services.api]\ncommand = \"{{puppet}} after 200 err KeyError exit 3\"\nmin_uptime = \"50ms\"\nrestart = \"never\"\n{}{}",
        note("on_failure"),
        note("post_stop"),
    ));
    fleet.run("up").expect(0);
    fleet.wait_for_state("api", State::Exited);
    wait_until("both were told", || (fleet.told().len() == 2).then_some(()));
    let mut names = fleet.told_names();
    names.sort();
    assert_eq!(names, ["on_failure", "post_stop"]);
    assert!(fleet.told().iter().all(|told| told["exit"]["code"] == 3));
}
