//! The same config and the same script of calls, against supervisord 4.3.0 and against procman, by supervisorctl and by
//! procman under its name: what is said, the states and the exit codes are the same, but for what [`deliberate`] lists.
//! supervisor and superlance come from the Python package index the first time; where that cannot be reached, the tests are skipped and
//! say so.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod deliberate;
mod events;
mod own;
mod scripts;
mod superlance;
mod venv;
mod world;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::thread;

use deliberate::DELIBERATE;
use world::{Client, Server, Step, World};

/// A config and what is done with it.
struct Script {
    name: &'static str,
    config: &'static str,
    steps: &'static [Step],
}

/// The pairs beside supervisord with supervisorctl, which is what all others are held against.
const PAIRS: [(Server, Client); 3] = [
    (Server::Supervisord, Client::Shim),
    (Server::Procman, Client::Supervisorctl),
    (Server::Procman, Client::Shim),
];

fn check(script: &Script) {
    let Some(programs) = venv::programs() else { return };
    let play = |(server, client)| {
        let world = World::start(server, client, programs, script.config);
        script.steps.iter().map(|step| world.run(*step)).collect::<Vec<String>>()
    };
    let (reference, others) = thread::scope(|scope| {
        let others = PAIRS.map(|pair| scope.spawn(move || play(pair)));
        let reference = play((Server::Supervisord, Client::Supervisorctl));
        (reference, others.map(|other| other.join().unwrap()))
    });
    let mut differences = String::new();
    let mut met = BTreeSet::new();
    for ((server, client), transcript) in PAIRS.iter().zip(others) {
        for ((step, expected), found) in script.steps.iter().zip(&reference).zip(transcript) {
            let label = format!("{}: {step:?}", script.name);
            let known = DELIBERATE.iter().position(|known| *server == Server::Procman && label == known.step);
            match known {
                Some(known) if *expected != found => {
                    met.insert(known);
                    if DELIBERATE[known].procman.is_some_and(|words| words != found) {
                        let words = DELIBERATE[known].procman;
                        let _ = writeln!(differences, "\n{label}\nlisted as {words:?}\nand is {found:?}");
                    }
                }
                Some(_) | None if *expected == found => (),
                Some(_) | None => {
                    let _ = writeln!(
                        differences,
                        "\n{label}\nsupervisord: {expected:?}\n{server:?} by {client:?}: {found:?}"
                    );
                }
            }
        }
    }
    for (index, known) in DELIBERATE.iter().enumerate() {
        let is_here = known.step.split(':').next() == Some(script.name);
        if is_here && !met.contains(&index) {
            let _ = writeln!(differences, "\n{} is listed, and does not differ", known.step);
        }
    }
    assert!(differences.is_empty(), "{differences}");
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

#[test]
fn listeners_are_told_the_same_events() {
    check(&events::EVENTS);
}

#[test]
fn the_own_log_and_what_is_said_of_all_programs_are_the_same() {
    check(&own::OWN);
}

#[test]
fn the_whole_ends_in_the_same_order() {
    check(&own::ORDER);
}

#[test]
fn superlance_does_the_same() {
    check(&superlance::SUPERLANCE);
}

#[test]
fn methods_answer_with_the_same_values_and_faults() {
    check(&scripts::METHODS);
}
