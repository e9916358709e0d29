use super::{Rig, end_of, needing};
use crate::machine::action::Action;
use crate::machine::blame::Blame;
use crate::machine::event::{End, Event, Verb};
use crate::machine::sim::spec_maker::{name, plain};
use crate::machine::ticket::Verdict;
use crate::spec::graph::{Condition, Need};
use crate::spec::policy::{Recovery, RestartPolicy};
use crate::spec::service::Service;
use crate::spec::watch::Watch;
use crate::vocab::run::RunId;
use crate::vocab::state::{Goal, State};

fn chain() -> Vec<Service> {
    vec![
        plain("db"),
        needing("api", &[("db", Condition::Ready)]),
        needing("page", &[("api", Condition::Ready)]),
    ]
}

fn soft(text: &str, needed: &str) -> Service {
    let depends_on = [(name(needed), Need::soft(Condition::Ready))].into();
    Service { depends_on, ..plain(text) }
}

fn stops(rig: &Rig) -> Vec<RunId> {
    let stop = |action: &Action| match action {
        Action::Stop { run, .. } => Some(*run),
        _ => None,
    };
    rig.done.iter().filter_map(stop).collect()
}

fn reason(rig: &Rig, text: &str) -> String {
    rig.fleet.reason(&name(text)).unwrap_or_default()
}

#[test]
fn a_fall_takes_dependents_down_in_reverse_order_and_brings_them_back() {
    let mut rig = Rig::up(chain());
    let (api, page) = (rig.run("api"), rig.run("page"));
    rig.exit("db", 3);
    assert_eq!(stops(&rig), [page], "who needs nobody that leaves goes first");
    let why = "is taken down: `db` ended: exited with code 3 after 2.0s";
    assert_eq!((reason(&rig, "api"), reason(&rig, "page")), (why.to_owned(), why.to_owned()));
    rig.exit("page", 0);
    assert_eq!(stops(&rig), [page, api]);
    rig.exit("api", 0);
    assert!(reason(&rig, "api").starts_with("waits for `db` to be ready; was taken down: `db` ended"));
    rig.pass(2000);
    assert!(["db", "api", "page"].into_iter().all(|it| rig.state(it) == State::Running));
    assert!(rig.run("page") > rig.run("api") && rig.run("api") > rig.run("db"));
    assert_eq!(rig.fleet.services()[&name("api")].restarts(), 0, "that was no failure of theirs");
}

#[test]
fn smooth_recovery_lets_dependents_stay_until_it_is_given_up() {
    let mut db = Service { recovery: Recovery::Smooth, ..plain("db") };
    db.backoff.max_retries = 1;
    let mut rig = Rig::up(vec![db, needing("api", &[("db", Condition::Ready)])]);
    rig.exit("db", 3);
    rig.exit("db", 3);
    assert!(stops(&rig).is_empty(), "it is tried once more");
    rig.exit("db", 3);
    assert_eq!(rig.state("db"), State::Fatal);
    assert_eq!(stops(&rig), [rig.run("api")]);
    rig.exit("api", 0);
    let why = reason(&rig, "api");
    assert!(why.starts_with("waits in vain for `db`, which is fatal (exited with code 3 after "), "{why}");
}

#[test]
fn who_waits_for_its_file_is_given_up_even_if_its_recovery_is_smooth() {
    let db = Service { recovery: Recovery::Smooth, ..plain("db") };
    let mut rig = Rig::up(vec![db, needing("api", &[("db", Condition::Ready)])]);
    let blame = Blame::Program { file: None };
    let end = End { blame, ..end_of(1, Vec::new()) };
    rig.tell(Event::Exited { run: rig.run("db"), end });
    assert!(rig.fleet.services()[&name("db")].awaits_change());
    assert_eq!(stops(&rig), [rig.run("api")]);
    rig.exit("api", 0);
    rig.tell(Event::Repaired(name("db")));
    rig.pass(2000);
    assert_eq!(rig.state("api"), State::Running);
}

#[test]
fn who_is_stopped_takes_its_dependents_down_first_and_they_come_back_with_it() {
    let mut rig = Rig::up(chain());
    let (db, page) = (rig.run("db"), rig.run("page"));
    rig.ask(2, Verb::Stop, &["db"]);
    assert_eq!(stops(&rig), [page]);
    rig.exit("page", 0);
    rig.exit("api", 0);
    assert_eq!(stops(&rig).last(), Some(&db));
    rig.exit("db", 0);
    assert_eq!(rig.verdict(2, "db"), Some(&Verdict::Done));
    assert!(reason(&rig, "api").ends_with("was taken down: `db` was stopped"));
    rig.ask(3, Verb::Start, &["db"]);
    rig.pass(2000);
    assert_eq!(rig.state("page"), State::Running);
}

#[test]
fn a_restart_that_is_asked_for_concerns_nobody_else_unless_it_fails() {
    let mut rig = Rig::up(chain());
    let api = rig.run("api");
    rig.ask(2, Verb::Restart, &["db"]);
    rig.exit("db", 0);
    assert_eq!((rig.state("db"), rig.run("api")), (State::Starting, api));
    rig.exit("db", 3);
    assert_eq!(rig.fleet.services()[&name("api")].goal(), Goal::Again, "it did not come up again");
}

#[test]
fn who_can_be_up_without_it_stays_and_waits_only_while_it_is_on_its_way() {
    let mut rig = Rig::up(vec![plain("cache"), soft("api", "cache")]);
    let api = rig.run("api");
    rig.exit("cache", 3);
    rig.ask(2, Verb::Stop, &["cache"]);
    assert_eq!((rig.state("api"), rig.run("api")), (State::Running, api));
    let mut rig = Rig::new(vec![plain("cache"), soft("api", "cache")]);
    rig.ask(1, Verb::Start, &["api"]);
    assert_eq!(reason(&rig, "api"), "waits for `cache` to be ready");
    rig.exit("cache", 3);
    assert_eq!(rig.run_if_any("api"), None, "it is tried again at once");
    rig.exit("cache", 3);
    assert_eq!(rig.state("cache"), State::Backoff);
    assert!(rig.run_if_any("api").is_some());
    rig.pass(200);
    assert_eq!(rig.verdict(1, "api"), Some(&Verdict::Done));
    assert_eq!(rig.verdict(1, "cache"), None, "nobody asked for it");
}

#[test]
fn what_fails_two_steps_away_lets_go_whoever_waits_for_the_step_between() {
    let mut db = plain("db");
    db.restart = RestartPolicy::Never;
    let mut rig = Rig::new(vec![db, needing("cache", &[("db", Condition::Ready)]), soft("api", "cache")]);
    rig.ask(1, Verb::Start, &["api"]);
    assert_eq!(rig.run_if_any("api"), None);
    rig.exit("db", 3);
    assert!(rig.run_if_any("api").is_some(), "{}", reason(&rig, "api"));
}

#[test]
fn of_replicas_the_last_one_takes_dependents_down() {
    let mut second = plain("db-2");
    second.replica = crate::spec::replicas::Replica { of: name("db"), number: 2 };
    let needs = [("db", Condition::Ready), ("db-2", Condition::Ready)];
    let mut rig = Rig::up(vec![plain("db"), second, needing("api", &needs)]);
    rig.ask(2, Verb::Stop, &["db"]);
    assert_eq!(rig.fleet.services()[&name("api")].goal(), Goal::Up);
    rig.exit("db", 0);
    rig.exit("db-2", 3);
    assert_eq!(rig.fleet.services()[&name("api")].goal(), Goal::Again);
}

#[test]
fn what_has_completed_cannot_fall() {
    let mut task = plain("task");
    task.restart = RestartPolicy::Never;
    let mut rig = Rig::new(vec![task, needing("api", &[("task", Condition::Completed)])]);
    rig.ask(1, Verb::Start, &["api"]);
    rig.exit("task", 0);
    rig.pass(200);
    rig.ask(2, Verb::Restart, &["task"]);
    rig.exit("task", 3);
    assert_eq!(rig.state("api"), State::Running);
}

#[test]
fn what_had_completed_and_is_to_run_again_in_vain_takes_down_whoever_stands_on_it() {
    let paths = vec!["*.py".to_owned()];
    let watch = Some(Watch { paths, ignore: Vec::new(), debounce: Watch::DEBOUNCE });
    let api = needing("api", &[("db", Condition::Ready)]);
    let api = Service { restart: RestartPolicy::OnFailure, watch, ..api };
    let mut rig = Rig::up(vec![plain("db"), api, needing("page", &[("api", Condition::Ready)])]);
    rig.exit("api", 0);
    assert_eq!(rig.state("api"), State::Exited);
    let end = End { blame: Blame::Program { file: None }, ..end_of(1, Vec::new()) };
    rig.tell(Event::Exited { run: rig.run("db"), end });
    assert!(stops(&rig).is_empty(), "it stands on what has completed");
    rig.tell(Event::FileChanged { service: name("api"), path: "api.py".to_owned() });
    assert_eq!(stops(&rig), [rig.run("page")]);
    assert!(reason(&rig, "page").starts_with("is taken down: `db` ended: "), "{}", reason(&rig, "page"));
    rig.exit("page", 0);
    rig.tell(Event::Repaired(name("db")));
    rig.pass(2000);
    assert!(["db", "api", "page"].into_iter().all(|it| rig.state(it) == State::Running));
}

#[test]
fn what_many_need_tells_of_few_of_them_and_of_nothing_else_while_they_stop() {
    let leaves: Vec<String> = (0..50).map(|number| format!("leaf-{number:02}")).collect();
    let needing_hub = leaves.iter().map(|leaf| needing(leaf, &[("hub", Condition::Ready)]));
    let mut rig = Rig::up(std::iter::once(plain("hub")).chain(needing_hub).collect());
    let everybody: Vec<&str> = std::iter::once("hub").chain(leaves.iter().map(String::as_str)).collect();
    rig.done.clear();
    rig.ask(7, Verb::Stop, &everybody);
    assert_eq!(reason(&rig, "hub"), "is stopped after `leaf-00`, `leaf-01`, `leaf-02` and 47 more");
    leaves[..48].iter().for_each(|leaf| rig.exit(leaf, 0));
    assert_eq!(reason(&rig, "hub"), "is stopped after `leaf-48`, `leaf-49`");
    ["leaf-48", "leaf-49", "hub"].into_iter().for_each(|name| rig.exit(name, 0));
    assert_eq!(rig.verdict(7, "hub"), Some(&Verdict::Done));
    let told = rig.done.iter().filter(|action| matches!(action, Action::Publish(_))).count();
    assert!(told <= 3 * everybody.len(), "{told} changes are told of {} services", everybody.len());
}
