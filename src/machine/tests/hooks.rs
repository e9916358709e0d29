use super::{Rig, needing};
use crate::machine::action::Action;
use crate::machine::event::{Event, Finding, Verb};
use crate::machine::sim::spec_maker::{name, plain, port_of};
use crate::spec::graph::Condition;
use crate::spec::hooks::{Hook, Occasion};
use crate::spec::policy::{Backoff, Growth, Recovery, StartLimit};
use crate::spec::service::Service;
use crate::vocab::state::{Goal, State};
use std::time::Duration;

fn with_hook(occasion: Occasion, service: Service) -> Service {
    let hook = Hook { command: plain("a").command, timeout: Duration::from_secs(1) };
    Service { hooks: [(occasion, hook)].into(), ..service }
}

fn has_run(rig: &Rig, occasion: Occasion) -> bool {
    let is_it = |action: &Action| matches!(action, Action::Hook { occasion: it, .. } if *it == occasion);
    rig.done.iter().any(is_it)
}

/// A service that is ready a second after its start, and what it needs, which has one start only. When that fails at
/// once it is tried again after a second, in the moment in which the other is ready, and is given up.
fn pair() -> Vec<Service> {
    let second = Duration::from_secs(1);
    let db = Service {
        ports: vec![port_of(1)],
        recovery: Recovery::Smooth,
        start_limit: Some(StartLimit { starts: 1, within: Duration::from_secs(60) }),
        backoff: Backoff { initial: second, growth: Growth::Linear, ..Backoff::default() },
        ..plain("db")
    };
    let api = Service { min_uptime: second, ..needing("api", &[("db", Condition::Ready)]) };
    vec![db, with_hook(Occasion::PostStart, api)]
}

#[test]
fn a_run_that_a_fall_ends_in_the_moment_in_which_it_is_ready_runs_no_post_start() {
    let mut rig = Rig::new(pair());
    rig.ask(1, Verb::Start, &["api", "db"]);
    rig.pass(1);
    rig.tell(Event::Probed { run: rig.run("db"), finding: Finding::Good });
    assert_eq!((rig.state("db"), rig.state("api")), (State::Running, State::Starting));
    rig.exit("db", 3);
    assert_eq!(rig.state("db"), State::Backoff);
    rig.pass(999);
    assert_eq!(rig.state("api"), State::Starting);
    rig.pass(1);
    assert_eq!(rig.state("db"), State::Fatal);
    assert_eq!(rig.fleet.services()[&name("api")].goal(), Goal::Again);
    assert!(!has_run(&rig, Occasion::PostStart));
}

#[test]
fn a_run_that_is_ready_and_stays_runs_its_post_start() {
    let mut rig = Rig::new(pair());
    rig.ask(1, Verb::Start, &["api", "db"]);
    rig.pass(1);
    rig.tell(Event::Probed { run: rig.run("db"), finding: Finding::Good });
    rig.pass(1000);
    assert_eq!(rig.state("api"), State::Running);
    assert!(has_run(&rig, Occasion::PostStart));
}
