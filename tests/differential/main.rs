//! The same config and the same script of calls, against supervisord 4.3.0 by supervisorctl and by procman under its name:
//! what is said, the states and the exit codes are the same. supervisor comes from the Python package index the first time;
//! where that cannot be reached, the tests are skipped and say so.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod scripts;
mod venv;
mod world;

use std::fmt::Write as _;
use std::thread;

use world::{Client, Step, World};

/// A config and what is done with it.
struct Script {
    name: &'static str,
    config: &'static str,
    steps: &'static [Step],
}

fn check(script: &Script) {
    let Some(programs) = venv::programs() else { return };
    let play = |client| {
        let world = World::start(client, programs, script.config);
        script.steps.iter().map(|step| world.run(*step)).collect::<Vec<String>>()
    };
    let (reference, ours) = thread::scope(|scope| {
        let ours = scope.spawn(|| play(Client::Shim));
        (play(Client::Supervisorctl), ours.join().unwrap())
    });
    let mut differences = String::new();
    for ((step, expected), found) in script.steps.iter().zip(&reference).zip(ours) {
        if *expected != found {
            let _ = writeln!(differences, "\n{step:?}\nsupervisorctl: {expected:?}\nprocman: {found:?}");
        }
    }
    assert!(differences.is_empty(), "{}:{differences}", script.name);
}

#[test]
fn states_and_exit_codes_of_single_programs_are_the_same() {
    check(&scripts::STATES);
}

#[test]
fn groups_are_started_stopped_and_signalled_the_same() {
    check(&scripts::GROUPS);
}

#[test]
fn a_changed_config_is_told_and_applied_the_same() {
    check(&scripts::CONFIG);
}

#[test]
fn logs_are_shown_and_cleared_the_same() {
    check(&scripts::LOGS);
}
