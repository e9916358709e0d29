//! A service whose policy is supervisord's: an early exit is a failure whatever its code, waits grow by a second each,
//! and a run that has lasted forgets them.

use std::time::Duration;

use super::super::phase::Phase;
use super::{Rig, Verb};
use crate::machine::fleet::Fleet;
use crate::machine::sim::spec_maker::{fleet_that_stops, plain};
use crate::spec::policy::{Backoff, EarlyExit, Growth, RestartPolicy};
use crate::spec::service::Service;
use crate::spec::supervisor::StopOrder;
use crate::vocab::moment::Moment;
use crate::vocab::run::RunId;
use crate::vocab::state::State;

/// `startsecs=1 startretries=3`, as supervisord has them unless said.
fn program(restart: RestartPolicy) -> Service {
    let second = Duration::from_secs(1);
    let backoff = Backoff {
        initial: second,
        max: 3 * second,
        growth: Growth::Linear,
        jitter: 0.0,
        reset_after: second,
        max_retries: 3,
        early_exit: EarlyExit::Failed,
    };
    Service { restart, min_uptime: second, backoff, ..plain("p") }
}

#[test]
fn early_exits_are_tried_again_after_one_two_and_three_seconds_and_then_no_more() {
    for restart in [RestartPolicy::Always, RestartPolicy::OnFailure, RestartPolicy::Never] {
        let mut rig = Rig::new(vec![program(restart)]);
        rig.ask(1, Verb::Start, &["p"]);
        for seconds in 1..=3 {
            rig.pass(900);
            assert_eq!(rig.state("p"), State::Starting, "{restart:?}");
            rig.exit("p", 0);
            assert_eq!(rig.state("p"), State::Backoff, "{restart:?}");
            rig.pass(seconds * 1000 - 1);
            assert_eq!(rig.state("p"), State::Backoff, "{restart:?}: the wait {seconds}");
            rig.pass(1);
        }
        rig.exit("p", 0);
        assert_eq!(rig.state("p"), State::Fatal, "{restart:?}");
    }
}

#[test]
fn a_run_that_lasted_forgets_failures_and_ends_as_its_policy_has_it() {
    let mut rig = Rig::new(vec![program(RestartPolicy::OnFailure)]);
    rig.ask(1, Verb::Start, &["p"]);
    rig.exit("p", 1);
    rig.pass(1000);
    rig.pass(1000);
    assert_eq!(rig.state("p"), State::Running);
    rig.exit("p", 1);
    assert!(matches!(rig.phase("p"), Phase::Starting(..)), "it is started again at once");
    rig.exit("p", 1);
    rig.pass(999);
    assert_eq!(rig.state("p"), State::Backoff, "the first wait is a second again");
    rig.pass(1);
    rig.pass(1000);
    rig.exit("p", 0);
    assert_eq!(rig.state("p"), State::Exited);
}

#[test]
fn without_startsecs_nothing_is_too_early() {
    let program = Service { min_uptime: Duration::ZERO, ..program(RestartPolicy::Never) };
    let mut rig = Rig::new(vec![program]);
    rig.ask(1, Verb::Start, &["p"]);
    assert_eq!(rig.state("p"), State::Running);
    rig.exit("p", 0);
    assert_eq!(rig.state("p"), State::Exited);
}

/// Services of these priorities, which say who ends first, all of them up.
fn ranked(services: &[(&str, i32)]) -> Rig {
    let services: Vec<Service> =
        services.iter().map(|(name, priority)| Service { priority: *priority, ..plain(name) }).collect();
    let names: Vec<String> = services.iter().map(|service| service.name.to_string()).collect();
    let fleet = Fleet::new(fleet_that_stops(StopOrder::ByPriority, services), RunId(0));
    let mut rig = Rig { fleet, now: Moment::since_boot(Duration::from_secs(100)), done: Vec::new() };
    rig.ask(1, Verb::Start, &names.iter().map(String::as_str).collect::<Vec<_>>());
    rig.pass(2000);
    rig
}

const RANKED: [(&str, i32); 4] = [("db", 1), ("ears", -1), ("mail", 5), ("web", 5)];

#[test]
fn of_services_that_end_together_those_of_higher_priority_values_go_first() {
    let mut rig = ranked(&RANKED);
    rig.ask(2, Verb::Stop, &["db", "ears", "mail", "web"]);
    let states = |rig: &Rig| RANKED.map(|(name, _)| rig.state(name));
    use State::{Running, Stopped, Stopping};
    assert_eq!(states(&rig), [Running, Running, Stopping, Stopping]);
    rig.exit("mail", 0);
    assert_eq!(states(&rig), [Running, Running, Stopped, Stopping]);
    rig.exit("web", 0);
    assert_eq!(states(&rig), [Stopping, Running, Stopped, Stopped]);
    rig.exit("db", 0);
    assert_eq!(states(&rig), [Stopped, Stopping, Stopped, Stopped]);
}

#[test]
fn priorities_hold_up_nobody_who_ends_alone_or_is_to_end_at_once() {
    let mut rig = ranked(&RANKED);
    rig.ask(2, Verb::Stop, &["ears"]);
    assert_eq!((rig.state("ears"), rig.state("web")), (State::Stopping, State::Running));
    rig.ask(3, Verb::StopAtOnce, &["db", "web"]);
    assert_eq!((rig.state("db"), rig.state("web")), (State::Stopping, State::Stopping));
}

#[test]
fn one_that_is_to_start_again_holds_others_up_until_its_run_has_ended() {
    let mut rig = ranked(&RANKED);
    rig.ask(2, Verb::Stop, &["db", "web"]);
    rig.ask(3, Verb::Start, &["web"]);
    assert_eq!(rig.state("db"), State::Running);
    rig.exit("web", 0);
    assert_eq!(rig.state("db"), State::Stopping);
}
