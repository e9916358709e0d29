//! After a boot nothing of the run directory is true: pids belong to others, and what was wanted was wanted before.

use std::process::Command;
use std::time::Duration;

use procman::rundir::journal::{Entry, Journal, LiveEntry, Stage};
use procman::sys::{clock, process};
use procman::vocab::identity::{Identity, Pid};
use procman::vocab::name::ServiceName;
use procman::vocab::run::RunId;
use procman::vocab::state::{Goal, State};

use crate::harness::{Beside, Fleet};

const STAY: &str = "command = \"{puppet} stay\"\nmin_uptime = \"1ms\"\n";

/// A fleet as a supervisor left it before the machine went down; the pid of its one live run belongs to somebody else.
fn rebooted() -> (Fleet, Beside) {
    let fleet = Fleet::new(&format!(
        "[services.ran]\n{STAY}[services.rested]\n{STAY}[services.asked]\n{STAY}autostart = false\n"
    ));
    let stranger = Beside::start(Command::new("sleep").arg("600"));
    let identity = process::identify(Pid::new(stranger.pid()).unwrap()).unwrap();
    fleet.paths().prepare().unwrap();
    journal(identity).write(&fleet.paths().journal).unwrap();
    (fleet, stranger)
}

fn journal(identity: Identity) -> Journal {
    let entry = |name: &str, goal, live| Entry {
        service: ServiceName::parse(name).unwrap(),
        goal,
        restarts: 7,
        failures: 0,
        starts: Vec::new(),
        plan: None,
        rest: None,
        fallen_with: None,
        condemned: None,
        gave_up: None,
        last: None,
        live,
        second: None,
        startup: None,
    };
    let since = clock::now().after(Duration::ZERO);
    let live = LiveEntry { run: RunId(41), identity, first: None, since, stage: Stage::Ready };
    Journal {
        boot: format!("not {}", clock::boot_id()),
        last_run: RunId(41),
        takeovers: 3,
        services: vec![
            entry("ran", Goal::Up, Some(live)),
            entry("rested", Goal::Down, None),
            entry("asked", Goal::Up, None),
        ],
    }
}

#[test]
fn up_believes_no_journal_of_another_boot_and_starts_what_has_autostart() {
    let (fleet, stranger) = rebooted();
    fleet.run("up -q").expect(0);
    let status = fleet.status();
    let state = |name: &str| status.services.iter().find(|it| it.name.as_str() == name).unwrap().state;
    assert_eq!(
        [state("ran"), state("rested"), state("asked")],
        [State::Running, State::Running, State::Stopped]
    );
    assert_ne!(fleet.pid("ran"), stranger.pid());
    assert!(status.services.iter().all(|service| service.restarts == 0));
    assert_eq!(status.supervisor.restarts, 0, "this boot has had no other supervisor");
    fleet.run("restart -q").expect(0);
    fleet.run("down").expect(0);
    assert!(stranger.is_alive(), "a pid of another boot is nobody's");
}

#[test]
fn no_command_signals_a_pid_of_another_boot() {
    for words in ["status", "down", "restart --emergency -q", "flush", "restart ran -q"] {
        let (fleet, stranger) = rebooted();
        let ran = fleet.run(words);
        assert!(stranger.is_alive(), "{words}");
        assert!(!ran.stdout.contains(&stranger.pid().to_string()), "{words}: {}", ran.stdout);
        fleet.run("down").expect(0);
        assert!(stranger.is_alive(), "{words}");
    }
}
