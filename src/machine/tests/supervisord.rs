//! A service whose policy is supervisord's: an early exit is a failure whatever its code, waits grow by a second each,
//! and a run that has lasted forgets them.

use std::time::Duration;

use super::super::phase::Phase;
use super::Rig;
use crate::machine::sim::spec_maker::plain;
use crate::spec::policy::{Backoff, EarlyExit, Growth, RestartPolicy};
use crate::spec::service::Service;
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
        rig.ask(1, super::Verb::Start, &["p"]);
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
    rig.ask(1, super::Verb::Start, &["p"]);
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
    rig.ask(1, super::Verb::Start, &["p"]);
    assert_eq!(rig.state("p"), State::Running);
    rig.exit("p", 0);
    assert_eq!(rig.state("p"), State::Exited);
}
