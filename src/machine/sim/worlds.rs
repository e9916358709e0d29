use std::panic;

use super::operator::Flavour;
use super::world::{Telling, World};

/// So many worlds are played unless said otherwise.
const WORLDS: u64 = 22_000;

/// So many flavours share them.
const FLAVOURS: u64 = 5;

fn worlds_wanted() -> u64 {
    std::env::var("PROCMAN_SIM_WORLDS").ok().and_then(|text| text.parse().ok()).unwrap_or(WORLDS)
}

fn check(flavour: Flavour) {
    if let Some(seed) = std::env::var("PROCMAN_SIM_SEED").ok().and_then(|text| text.parse().ok()) {
        if Flavour::of(seed) == flavour {
            play(seed, Telling::Aloud);
        }
        return;
    }
    let seeds = (0..).filter(|seed| Flavour::of(*seed) == flavour);
    for seed in seeds.take(usize::try_from(worlds_wanted().div_ceil(FLAVOURS)).unwrap()) {
        play(seed, Telling::Silent);
    }
}

/// Plays one world; one that fails says how to see it again, be it the world or the machine that cries out.
fn play(seed: u64, telling: Telling) {
    let verdict = panic::catch_unwind(|| World::new(seed, telling).play());
    let why = match verdict {
        Ok(Ok(())) => return,
        Ok(Err(why)) => why,
        Err(_) => "the machine panicked, see above".to_owned(),
    };
    panic!(
        "world {seed}: {why}\n\nreplay it with: PROCMAN_SIM_SEED={seed} cargo test --lib machine::sim -- --nocapture"
    );
}

#[test]
fn worlds_in_which_processes_misbehave_come_to_their_goal() {
    check(Flavour::Processes);
}

#[test]
fn worlds_in_which_the_daemon_dies_at_any_step_come_to_their_goal() {
    check(Flavour::Deaths);
}

#[test]
fn worlds_in_which_the_config_changes_come_to_their_goal() {
    check(Flavour::Reloads);
}

#[test]
fn worlds_in_which_processes_hand_over_come_to_their_goal() {
    check(Flavour::Handovers);
}

#[test]
fn worlds_in_which_everything_happens_come_to_their_goal() {
    check(Flavour::Everything);
}
