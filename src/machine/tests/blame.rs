use std::time::Duration;

use super::{Rig, failed, needing};
use crate::machine::blame::Blame;
use crate::machine::event::{End, Event, Finding, Verb};
use crate::machine::phase::Phase;
use crate::machine::sim::spec_maker::{plain, port_of};
use crate::spec::graph::Condition;
use crate::spec::policy::{Backoff, RestartPolicy};
use crate::spec::service::Service;
use crate::vocab::name::ServiceName;
use crate::vocab::outcome::Outcome;
use crate::vocab::state::State;

fn api() -> ServiceName {
    plain("api").name
}

fn fall(rig: &mut Rig, code: i32, blame: Blame) {
    let end = End { outcome: Outcome::Code(code), last_words: None, left: Vec::new(), taken: None, blame };
    rig.tell(Event::Exited { run: rig.run("api"), end });
}

fn of_program() -> Blame {
    Blame::Program { file: Some("/a/main.py".to_owned()) }
}

fn started(service: Service) -> Rig {
    let mut rig = Rig::new(vec![service]);
    rig.ask(1, Verb::Start, &["api"]);
    rig
}

#[test]
fn a_broken_program_waits_until_its_file_changes_and_says_so() {
    let mut rig = started(plain("api"));
    fall(&mut rig, 1, of_program());
    assert_eq!(rig.state("api"), State::Backoff);
    let reason = rig.fleet.reason(&api()).unwrap();
    let expected = "waits for `/a/main.py` to change, or for `procman start api`: exited with code 1";
    assert!(reason.starts_with(expected), "{reason}");
    rig.pass(29_000);
    assert_eq!(rig.state("api"), State::Backoff);
    rig.tell(Event::Repaired(api()));
    assert!(matches!(rig.phase("api"), Phase::Starting(..)));
}

#[test]
fn a_program_that_is_called_broken_without_being_so_is_tried_again_after_the_longest_wait_for_ever() {
    let mut rig = started(plain("api"));
    for _ in 0..50 {
        fall(&mut rig, 1, of_program());
        rig.pass(29_999);
        assert_eq!(rig.state("api"), State::Backoff);
        rig.pass(1);
        assert_eq!(rig.state("api"), State::Starting);
    }
    let hasty = Backoff { max: Duration::ZERO, ..Backoff::default() };
    let mut rig = started(Service { backoff: hasty, ..plain("api") });
    fall(&mut rig, 1, of_program());
    rig.pass(999);
    assert_eq!(rig.state("api"), State::Backoff, "and no sooner than after a second");
}

#[test]
fn people_need_not_wait_for_the_file() {
    for verb in [Verb::Start, Verb::Restart] {
        let mut rig = started(plain("api"));
        fall(&mut rig, 1, of_program());
        rig.ask(2, verb, &["api"]);
        assert_eq!(rig.state("api"), State::Starting);
    }
}

#[test]
fn what_ends_a_wait_for_a_file_is_said_at_once_to_who_started_it_and_to_who_needs_it() {
    let mut rig = Rig::new(vec![plain("api"), needing("web", &[("api", Condition::Ready)])]);
    rig.ask(1, Verb::Start, &["web"]);
    fall(&mut rig, 1, of_program());
    failed(rig.verdict(1, "api"), "waits for `/a/main.py` to change");
    failed(rig.verdict(1, "web"), "waits in vain for `api`");
}

#[test]
fn an_end_that_is_not_of_a_bad_start_follows_the_usual_policy() {
    let check = |service: Service, uptime_ms: u64, code: i32, expected: State| {
        let mut rig = started(service);
        rig.pass(uptime_ms);
        fall(&mut rig, code, of_program());
        assert!(!rig.fleet.services()[&api()].awaits_change());
        assert_eq!(rig.state("api"), expected);
    };
    check(Service { restart_by_cause: false, ..plain("api") }, 0, 1, State::Starting);
    check(Service { restart: RestartPolicy::Never, ..plain("api") }, 0, 1, State::Exited);
    check(Service { restart: RestartPolicy::OnFailure, ..plain("api") }, 0, 0, State::Exited);
    check(plain("api"), 61_000, 1, State::Starting);
    let mut rig = started(Service { ports: vec![port_of(3000)], ..plain("api") });
    rig.pass(1);
    rig.tell(Event::Probed { run: rig.run("api"), finding: Finding::Good });
    rig.pass(1000);
    fall(&mut rig, 1, of_program());
    assert_eq!(rig.state("api"), State::Starting, "it had proven itself");
}

#[test]
fn a_change_of_a_file_is_nothing_to_who_does_not_wait_for_it() {
    let mut rig = started(plain("api"));
    let run = rig.run("api");
    rig.tell(Event::Repaired(api()));
    assert_eq!(rig.run("api"), run);
    rig.exit("api", 1);
    rig.exit("api", 1);
    assert_eq!(rig.state("api"), State::Backoff);
    rig.tell(Event::Repaired(api()));
    assert_eq!(rig.state("api"), State::Backoff, "backoff goes by time");
}
