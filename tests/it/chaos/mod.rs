//! A storm of random faults over eight services and their supervisor, from a seed that is printed when something breaks.
//! `PROCMAN_CHAOS_SECONDS` makes it longer, `PROCMAN_CHAOS_SEED` rolls the same dice again.

mod ledger;
mod observer;
mod storm;

use std::time::{Duration, Instant};

use procman::vocab::state::{Goal, State};

use crate::harness::wait_until;
use ledger::Ledger;
use observer::Observer;
use storm::Storm;

/// The dice of every run that is not told others; what the machine does in between differs all the same.
const SEED: u64 = 20_261_125;

/// How long the faults go on.
const SECONDS: u64 = 15;

/// What the environment says, or something else.
fn setting(variable: &str, otherwise: impl FnOnce() -> u64) -> u64 {
    std::env::var(variable).map_or_else(|_| otherwise(), |text| text.parse().unwrap())
}

#[test]
fn whatever_happens_each_service_runs_once_no_line_is_doubled_and_nothing_is_left() {
    let seed = setting("PROCMAN_CHAOS_SEED", || SEED);
    let end = Instant::now() + Duration::from_secs(setting("PROCMAN_CHAOS_SECONDS", || SECONDS));
    let mut storm = Storm::new(seed);
    storm.fleet.run("up -q").expect(0);
    let observer = Observer::start(storm.fleet.paths().instance, storm.fleet.path().join("counted"));
    while Instant::now() < end {
        storm.strike();
        observer.watch_for(storm.calm());
    }
    wait_until("every service runs", || {
        let status = storm.fleet.status();
        // One that a reload restarts may still be stopping.
        let is_lost = |state| matches!(state, State::Stopped | State::Exited | State::Fatal);
        let is_wanted = |goal| goal != Goal::Down;
        assert!(status.services.iter().all(|it| is_wanted(it.goal) && !is_lost(it.state)), "{status:#?}");
        status.services.iter().all(|it| it.name.as_str() == "crash" || it.is_as_wanted()).then_some(())
    });
    storm.fleet.wait_for_state("crash", State::Running);
    let before = storm.fleet.counted();
    wait_until("they write", || {
        let runs = storm.fleet.counted().into_iter();
        (runs.filter(|(run, count)| before.get(run).is_some_and(|it| it < count)).count() >= 7).then_some(())
    });
    storm.fleet.run("down").expect(0);
    storm.fleet.wait_until_nothing_lives();
    let scans = observer.end();
    let ledger = Ledger::read(&storm);
    println!("{}; {scans} looks at all processes; {}", storm.summary(), ledger.summary());
    ledger.check(storm.deaths_of_both);
    storm.end();
}
