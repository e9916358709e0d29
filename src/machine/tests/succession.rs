use super::{Rig, needing};
use crate::machine;
use crate::machine::event::{Event, Verb};
use crate::machine::sim::spec_maker::{name, plain};
use crate::machine::trouble::Remedy;
use crate::spec::graph::Condition;
use crate::spec::limits::Limits;
use crate::spec::service::Service;
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
