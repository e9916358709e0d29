//! Many services at once: the supervisor has time for everybody else between their starts.

use std::fmt::Write;
use std::fs;

use procman::protocol::status::Status;
use procman::vocab::state::State;

use crate::harness::{Fleet, wait_until};

const SERVICES: usize = 400;

/// A fleet in the middle of its start, and the status that says so.
fn half_started() -> (Fleet, std::process::Child, Status) {
    let mut config = String::new();
    for number in 0..SERVICES {
        writeln!(config, "[services.s{number}]\ncommand = \"{{puppet}} stay\"\nmin_uptime = \"1ms\"")
            .unwrap();
    }
    let fleet = Fleet::new(&config);
    let up = fleet.spawn("up -q");
    let status = wait_until("a status comes in the middle", || {
        let status = serde_json::from_str::<Status>(&fleet.run("status --json").stdout).ok()?;
        let started = status.services.iter().filter(|service| service.pid.is_some()).count();
        assert!(started < SERVICES, "everything was started before the first answer");
        (status.supervisor.running && started > 0).then_some(status)
    });
    (fleet, up, status)
}

#[test]
fn status_answers_while_many_services_are_being_started() {
    let (fleet, mut up, status) = half_started();
    assert!(status.services.iter().all(|it| it.pid.is_some() || it.state == State::Starting));
    assert!(up.wait().unwrap().success());
    assert!(fleet.status().services.iter().all(|service| service.state == State::Running));
    fleet.run("down").expect(0);
    fleet.wait_until_nothing_lives();
}

#[test]
fn what_is_called_off_before_its_turn_is_never_started() {
    let (fleet, mut up, _) = half_started();
    fleet.run("down").expect(0);
    assert!(!up.wait().unwrap().success(), "what it asked for was called off");
    fleet.wait_until_nothing_lives();
    let log = fs::read_to_string(fleet.paths().supervisor_log).unwrap();
    assert!(
        log.matches("started service=").count() < SERVICES,
        "those whose turn had not come were not made"
    );
}
