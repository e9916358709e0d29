//! Many services at once: the supervisor has time for everybody else between their starts.

use std::fmt::Write;
use std::fs;
use std::process::Child;

use procman::protocol::status::Status;
use procman::vocab::state::State;

use crate::harness::{Fleet, wait_until};

/// How many services are tried, one count after another: a machine may have started them all before anybody has looked.
const COUNTS: [usize; 3] = [400, 800, 1600];

/// A fleet in the middle of its start, with `up` under way.
struct Half {
    fleet: Fleet,
    up: Child,
    status: Status,
    count: usize,
}

fn half_started() -> Half {
    COUNTS.into_iter().find_map(started_up_to_the_middle).unwrap()
}

/// None if everything was started before the first answer.
fn started_up_to_the_middle(count: usize) -> Option<Half> {
    let mut config = String::new();
    for number in 0..count {
        writeln!(config, "[services.s{number}]\ncommand = \"{{puppet}} stay\"\nmin_uptime = \"1ms\"")
            .unwrap();
    }
    let fleet = Fleet::new(&config);
    let up = fleet.spawn("up -q");
    let status = wait_until("something is started", || {
        let status = serde_json::from_str::<Status>(&fleet.run("status --json").stdout).ok()?;
        let is_begun = status.services.iter().any(|service| service.pid.is_some());
        (status.supervisor.running && is_begun).then_some(status)
    });
    if status.services.iter().all(|service| service.pid.is_some()) {
        fleet.run("down").expect(0);
        up.wait_with_output().unwrap();
        return None;
    }
    Some(Half { fleet, up, status, count })
}

#[test]
fn status_answers_while_many_services_are_being_started() {
    let Half { fleet, up, status, count: _ } = half_started();
    assert!(status.services.iter().all(|it| it.pid.is_some() || it.state == State::Starting));
    assert!(up.wait_with_output().unwrap().status.success());
    assert!(fleet.status().services.iter().all(|service| service.state == State::Running));
    fleet.run("down").expect(0);
    fleet.wait_until_nothing_lives();
}

#[test]
fn what_is_called_off_before_its_turn_is_never_started() {
    let called_off = COUNTS.into_iter().filter_map(started_up_to_the_middle).any(|half| {
        let Half { fleet, up, status: _, count } = half;
        fleet.run("down").expect(0);
        let is_called_off = !up.wait_with_output().unwrap().status.success();
        fleet.wait_until_nothing_lives();
        let log = fs::read_to_string(fleet.paths().supervisor_log).unwrap();
        let is_in_time = log.matches("started service=").count() < count;
        assert!(!is_in_time || is_called_off, "`up` says that not everything was started");
        is_in_time
    });
    assert!(called_off, "`down` comes before the end of a start");
}
