use std::time::Duration;

use super::{Rig, needing};
use crate::machine;
use crate::machine::event::{Command, Event, Obstacle, Verb};
use crate::machine::sim::spec_maker::{name, plain};
use crate::machine::ticket::TicketId;
use crate::machine::trouble::Remedy;
use crate::spec::graph::Condition;
use crate::spec::limits::Limits;
use crate::spec::policy::{Backoff, RestartPolicy, StartLimit};
use crate::spec::service::Service;
use crate::vocab::outcome::Outcome;
use crate::vocab::state::State;

impl Rig {
    /// What the next supervisor makes of what this one remembers.
    fn next(&self, services: Vec<Service>) -> Self {
        let survivors = self.fleet.services().values().map(machine::service::Service::memory).collect();
        let mut next = Self { now: self.now, ..Self::new(services) };
        next.tell(Event::Resumed(survivors));
        next
    }

    fn told(&self, text: &str) -> String {
        self.fleet.reason(&name(text)).unwrap_or_default()
    }
}

fn pair() -> Vec<Service> {
    vec![plain("db"), needing("api", &[("db", Condition::Ready)])]
}

#[test]
fn whose_fall_takes_a_run_down_is_known_to_the_next_supervisor_which_brings_it_back() {
    let mut rig = Rig::up(pair());
    rig.exit("db", 3);
    let mut next = rig.next(pair());
    assert_eq!(next.told("api"), "is taken down: `db` ended: exited with code 3 after 2.0s");
    let by = next.fleet.services()[&name("api")].taken_down_by().map(|(by, _)| by.clone());
    assert_eq!(by, Some(name("db")), "so that the record of its end says so");
    let before = next.run("api");
    next.exit("api", 0);
    next.pass(2000);
    assert_eq!(next.state("api"), State::Running);
    assert!(next.run("api") > before);
}

#[test]
fn who_waits_after_a_fall_says_so_under_the_next_supervisor() {
    let mut rig = Rig::up(pair());
    rig.ask(2, Verb::Stop, &["db"]);
    rig.exit("api", 0);
    rig.exit("db", 0);
    let mut next = rig.next(pair());
    assert!(next.told("api").ends_with("was taken down: `db` was stopped"), "{}", next.told("api"));
    next.ask(3, Verb::Start, &["db"]);
    next.pass(2000);
    assert_eq!((next.state("api"), next.told("api")), (State::Running, String::new()));
}

#[test]
fn why_a_run_is_ended_is_known_to_the_next_supervisor() {
    let limits = Limits { memory_bytes: Some(1_000_000), ..Limits::default() };
    let services = || vec![Service { limits, ..plain("api") }];
    let mut rig = Rig::up(services());
    rig.pass(2000);
    rig.tell(Event::Measured { run: rig.run("api"), memory_bytes: 2_000_000 });
    let mut next = rig.next(services());
    let why = "is restarted: used 2.0 MB, more than limits.memory = 1.0 MB";
    assert_eq!(next.told("api"), why);
    let condemned = next.fleet.services()[&name("api")].condemned().map(|(_, remedy)| remedy);
    assert_eq!(condemned, Some(Remedy::Fail));
    next.exit("api", 0);
    assert_eq!(next.fleet.services()[&name("api")].failures(), 1, "it was ended, and has failed");
}

#[test]
fn how_the_last_run_ended_is_known_to_the_next_supervisor_and_to_the_one_after_it() {
    let once = || vec![Service { restart: RestartPolicy::Never, ..plain("api") }];
    let mut rig = Rig::up(once());
    let words = |rig: &Rig| {
        let last = rig.fleet.services()[&name("api")].last().map(|last| last.end.outcome);
        (rig.state("api"), last, rig.told("api"))
    };
    rig.pass(2000);
    rig.exit("api", 3);
    let before = words(&rig);
    assert_eq!(before, (State::Exited, Some(Outcome::Code(3)), "exited with code 3 after 4.0s".to_owned()));
    let next = rig.next(once());
    assert_eq!(words(&next), before);
    assert_eq!(words(&next.next(once())), before);
}

#[test]
fn why_a_service_was_given_up_is_known_to_the_next_supervisor() {
    let at_once = Backoff { max_retries: 0, ..Backoff::default() };
    let limit = Some(StartLimit { starts: 1, within: Duration::from_secs(60) });
    let services = || {
        vec![
            Service { backoff: at_once, ..plain("crashes") },
            Service { backoff: at_once, ..plain("gone") },
            Service { start_limit: limit, ..plain("often") },
        ]
    };
    let mut rig = Rig::new(services());
    rig.ask(1, Verb::Start, &["crashes", "often"]);
    rig.exit("crashes", 3);
    rig.pass(2000);
    rig.exit("often", 0);
    let start =
        Command { ticket: TicketId(2), verb: Verb::Start, services: vec![name("gone")], deadline: None };
    rig.fleet.handle(Event::Command(start), rig.now, &mut Vec::new());
    let obstacle = Obstacle::Refused { why: "no such file".to_owned() };
    rig.tell(Event::NotSpawned { run: rig.run("gone"), obstacle });
    let names = ["crashes", "gone", "often"];
    let next = rig.next(services());
    for (service, told) in
        names.iter().zip(["exited with code 3", "no such file", "was started 1 times within"])
    {
        assert!(rig.told(service).contains(told), "{service}: {}", rig.told(service));
        assert_eq!((next.state(service), next.told(service)), (State::Fatal, rig.told(service)));
    }
}
