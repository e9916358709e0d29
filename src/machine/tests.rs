/// Ends that are put down to something.
mod blame;
/// Who goes down with what it needs, and who stays.
mod falls;
/// Graphs of many paths, and long ones.
mod graph;
/// Looks, checks and what is done about the unhealthy.
mod health;
/// Hooks, and what calls them off.
mod hooks;
/// Ports that others hold.
mod ports;
/// Exchanges of a run by another beside it.
mod rolling;
/// What the next supervisor goes on with.
mod succession;
/// Services with supervisord's policies.
mod supervisord;
/// Schedules, ages and limits of starts.
mod times;

use std::time::Duration;

use super::action::{Action, Change};
use super::blame::Blame;
use super::event::{Awaited, Command, End, Event, Finding, Obstacle, Verb};
use super::fleet::Fleet;
use super::memory::{LiveMemory, Progress, Survivor};
use super::phase::{Live, NextLook, Phase, Rest};
use super::sim::spec_maker::{fleet_of, health_of, name, plain, port_of};
use super::ticket::{Answer, TicketId, Verdict};
use crate::spec::graph::{Condition, Need};
use crate::spec::policy::RestartPolicy;
use crate::spec::service::Service;
use crate::vocab::identity::{Identity, Pid, StartTime};
use crate::vocab::moment::Moment;
use crate::vocab::outcome::Outcome;
use crate::vocab::run::RunId;
use crate::vocab::state::{Goal, State};

/// A fleet whose spawns succeed at once, with everything that it asked for.
struct Rig {
    fleet: Fleet,
    now: Moment,
    done: Vec<Action>,
}

impl Rig {
    fn new(services: Vec<Service>) -> Self {
        let fleet = Fleet::new(fleet_of(services), RunId(0));
        Self { fleet, now: Moment::since_boot(Duration::from_secs(100)), done: Vec::new() }
    }

    fn up(services: Vec<Service>) -> Self {
        let mut rig = Self::new(services);
        let names: Vec<String> = rig.fleet.services().keys().map(ToString::to_string).collect();
        rig.ask(1, Verb::Start, &names.iter().map(String::as_str).collect::<Vec<_>>());
        rig.pass(2000);
        rig
    }

    fn tell(&mut self, event: Event) {
        let mut events = vec![event];
        while let Some(event) = events.pop() {
            let mut actions = Vec::new();
            self.fleet.handle(event, self.now, &mut actions);
            for action in &actions {
                if let Action::Spawn { run, .. } = action {
                    events.push(Event::Spawned { run: *run, identity: identity(*run) });
                }
            }
            self.done.extend(actions);
        }
    }

    fn ask(&mut self, ticket: u64, verb: Verb, names: &[&str]) {
        let services = names.iter().map(|text| name(text)).collect();
        self.tell(Event::Command(Command { ticket: TicketId(ticket), verb, services, deadline: None }));
    }

    fn reload(&mut self, services: Vec<Service>) {
        self.tell(Event::Reconfigured(fleet_of(services)));
    }

    /// Lets time pass, with every timer that is due on the way.
    fn pass(&mut self, millis: u64) {
        let end = self.now.after(Duration::from_millis(millis));
        for _ in 0..10_000 {
            let Some((at, _)) = self.fleet.deadline().filter(|(at, _)| *at <= end) else { break };
            self.now = self.now.max(at);
            self.tell(Event::Tick);
        }
        assert!(self.fleet.deadline().is_none_or(|(at, _)| at > end), "a timer spins");
        self.now = end;
    }

    fn exit(&mut self, text: &str, code: i32) {
        let run = self.run(text);
        let end = end_of(code, Vec::new());
        self.tell(Event::Exited { run, end });
    }

    fn run(&self, text: &str) -> RunId {
        self.phase(text).run().unwrap()
    }

    fn run_if_any(&self, text: &str) -> Option<RunId> {
        self.phase(text).run()
    }

    fn phase(&self, text: &str) -> &Phase {
        self.fleet.services()[&name(text)].phase()
    }

    fn state(&self, text: &str) -> State {
        self.fleet.services()[&name(text)].state()
    }

    fn answer(&self, ticket: u64) -> Option<&Answer> {
        self.done.iter().rev().find_map(|action| match action {
            Action::Answer { ticket: TicketId(id), answer } if *id == ticket => Some(answer),
            _ => None,
        })
    }

    fn verdict(&self, ticket: u64, text: &str) -> Option<&Verdict> {
        self.answer(ticket)?.get(&name(text))
    }
}

fn end_of(code: i32, left: Vec<String>) -> End {
    End { outcome: Outcome::Code(code), last_words: None, left, taken: None, blame: Blame::Nothing }
}

fn identity(run: RunId) -> Identity {
    Identity { pid: Pid::new(i32::try_from(run.0).unwrap() + 100).unwrap(), started: StartTime(run.0) }
}

fn needing(text: &str, needs: &[(&str, Condition)]) -> Service {
    let depends_on = needs.iter().map(|(needed, condition)| (name(needed), Need::hard(*condition))).collect();
    Service { depends_on, ..plain(text) }
}

fn failed(verdict: Option<&Verdict>, piece: &str) {
    match verdict {
        Some(Verdict::Failed(why)) => assert!(why.contains(piece), "`{piece}` is not in `{why}`"),
        other => panic!("should have failed with `{piece}`: {other:?}"),
    }
}

#[test]
fn what_ended_for_good_is_not_run_again_by_the_next_supervisor() {
    for rest in [Rest::Completed, Rest::Failed, Rest::Fatal] {
        let mut rig = Rig::new(vec![Service { restart: RestartPolicy::Never, ..plain("job") }]);
        let (service, goal) = (name("job"), Goal::Up);
        let memory = Survivor { rest: Some(rest), ..Survivor::new(service, goal) };
        rig.tell(Event::Resumed(vec![memory.clone()]));
        assert_eq!(*rig.phase("job"), Phase::Resting(rest));
        assert_eq!(rig.fleet.services()[&name("job")].memory(), memory);
    }
}

#[test]
fn a_process_that_hangs_in_the_kernel_does_not_keep_what_it_needs_alive() {
    let mut rig = Rig::up(vec![plain("db"), needing("api", &[("db", Condition::Ready)])]);
    rig.ask(2, Verb::Stop, &["api", "db"]);
    rig.pass(5_900);
    assert_eq!(rig.state("db"), State::Running);
    rig.pass(200);
    assert_eq!(rig.state("db"), State::Stopping);
    rig.exit("db", 0);
    assert_eq!(rig.verdict(2, "db"), Some(&Verdict::Done));
    failed(rig.verdict(2, "api"), "the kernel still holds it");
}

#[test]
fn every_ticket_on_a_service_that_a_reload_removes_is_answered() {
    let mut rig = Rig::up(vec![plain("api"), plain("old")]);
    rig.exit("old", 1);
    rig.ask(2, Verb::Await(Awaited::Gone), &["old"]);
    rig.ask(3, Verb::Stop, &["old"]);
    rig.ask(4, Verb::Await(Awaited::Ready), &["old"]);
    rig.reload(vec![plain("api")]);
    rig.ask(5, Verb::Restart, &["old"]);
    failed(rig.verdict(5, "old"), "is not in the config any more");
    rig.exit("old", 0);
    assert!(!rig.fleet.services().contains_key(&name("old")));
    assert_eq!(rig.verdict(2, "old"), Some(&Verdict::Done));
    assert_eq!(rig.verdict(3, "old"), Some(&Verdict::Done));
    failed(rig.verdict(4, "old"), "is not in the config any more");
}

#[test]
fn a_service_that_is_added_again_while_it_stops_comes_up_again() {
    let mut rig = Rig::up(vec![plain("api"), plain("other")]);
    let run = rig.run("api");
    rig.reload(vec![plain("other")]);
    rig.reload(vec![plain("api"), plain("other")]);
    rig.exit("api", 0);
    rig.pass(1000);
    assert_eq!(rig.state("api"), State::Running);
    assert!(rig.run("api") > run);
}

#[test]
fn services_that_are_removed_together_stop_in_their_order() {
    let chain = vec![
        plain("db"),
        needing("api", &[("db", Condition::Ready)]),
        needing("page", &[("api", Condition::Ready)]),
    ];
    let mut rig = Rig::up([chain, vec![plain("other")]].concat());
    rig.reload(vec![plain("other")]);
    for (stopping, next) in [("page", "api"), ("api", "db")] {
        assert_eq!((rig.state(stopping), rig.state(next)), (State::Stopping, State::Running));
        let reason = rig.fleet.reason(&name(next));
        assert_eq!(reason, Some(format!("is stopped after `{stopping}`")));
        rig.exit(stopping, 0);
    }
    rig.exit("db", 0);
    assert_eq!(rig.fleet.services().len(), 1);
}

/// `before` is looked at for the second time when a reload makes it a service that nobody looks at; the finding is
/// late. Its dependent stops slowly, so that a run that has to be replaced stays for a while.
fn check_removed_check(before: &Service) {
    let page = || needing("page", &[("api", Condition::Started)]);
    for finding in [Finding::Good, Finding::Bad("it is late".to_owned())] {
        let mut rig = Rig::new(vec![before.clone(), page()]);
        rig.ask(1, Verb::Start, &["page"]);
        rig.pass(10);
        let run = rig.run("api");
        rig.tell(Event::Probed { run, finding: Finding::Good });
        rig.pass(2500);
        rig.ask(2, Verb::Restart, &["page"]);
        rig.reload(vec![plain("api"), page()]);
        rig.tell(Event::Probed { run, finding });
        rig.pass(10_000);
    }
}

#[test]
fn a_reload_that_removes_the_check_leaves_no_look_behind() {
    let checked =
        Service { ready: Some(health_of(3000).into()), live: Some(health_of(3000).into()), ..plain("api") };
    check_removed_check(&checked);
    check_removed_check(&Service { ports: vec![port_of(3000)], ..checked });
}

#[test]
fn a_reload_that_asks_for_a_longer_life_is_obeyed_by_a_run_that_starts() {
    let mut rig = Rig::new(vec![plain("api")]);
    rig.ask(1, Verb::Start, &["api"]);
    rig.reload(vec![Service { min_uptime: Duration::from_secs(1), ..plain("api") }]);
    rig.pass(999);
    assert_eq!(rig.state("api"), State::Starting);
    rig.pass(1);
    assert_eq!(rig.state("api"), State::Running);
}

#[test]
fn a_finding_counts_only_while_a_look_is_under_way() {
    let checked =
        Service { ready: Some(health_of(3000).into()), live: Some(health_of(3000).into()), ..plain("api") };
    let mut rig = Rig::new(vec![checked]);
    rig.ask(1, Verb::Start, &["api"]);
    rig.pass(10);
    let run = rig.run("api");
    rig.tell(Event::Probed { run, finding: Finding::Good });
    for _ in 0..5 {
        rig.tell(Event::Probed { run, finding: Finding::Bad("it is late".to_owned()) });
    }
    match rig.phase("api") {
        Phase::Running(_, proof) => assert!(proof.failures == 0 && proof.next != NextLook::UnderWay),
        other => panic!("{other:?}"),
    }
}

/// Layers of services of which each needs all of the layer below.
fn layers(depth: usize, width: usize) -> Vec<Service> {
    let text = |layer: usize, at: usize| format!("l{layer:02}-{at}");
    let of_layer = |layer: usize| {
        (0..width).map(move |at| {
            let below = if layer == 0 { 0 } else { width };
            let needs: Vec<String> = (0..below).map(|at| text(layer - 1, at)).collect();
            let needs: Vec<_> = needs.iter().map(|needed| (needed.as_str(), Condition::Ready)).collect();
            needing(&text(layer, at), &needs)
        })
    };
    (0..depth).flat_map(of_layer).collect()
}

#[test]
fn a_restart_of_a_process_that_hangs_in_the_kernel_is_answered() {
    let mut rig = Rig::up(vec![plain("db"), needing("api", &[("db", Condition::Ready)])]);
    rig.ask(2, Verb::Restart, &["db"]);
    rig.exit("api", 1);
    rig.reload(vec![plain("db"), needing("api", &[("db", Condition::Ready)]), plain("new")]);
    rig.pass(7000);
    failed(rig.verdict(2, "db"), "the kernel still holds it");
    rig.ask(3, Verb::Start, &["api"]);
    failed(rig.verdict(3, "api"), "waits in vain for `db`");
    rig.exit("db", 0);
    rig.pass(1000);
    assert_eq!((rig.state("db"), rig.state("api")), (State::Running, State::Running));
}

#[test]
fn what_was_reached_and_lost_again_before_the_answer_is_not_done() {
    let mut rig = Rig::up(vec![plain("api"), plain("slow")]);
    rig.ask(2, Verb::Stop, &["api", "slow"]);
    rig.exit("api", 0);
    rig.ask(3, Verb::Start, &["api"]);
    rig.exit("slow", 0);
    failed(rig.verdict(2, "api"), "was started again meanwhile");
    assert_eq!(rig.verdict(2, "slow"), Some(&Verdict::Done));
    rig.pass(1000);
    rig.ask(4, Verb::Start, &["api", "slow"]);
    rig.pass(50);
    rig.exit("api", 1);
    rig.pass(60);
    assert_eq!((rig.state("slow"), rig.answer(4)), (State::Running, None));
    rig.pass(1000);
    assert_eq!(rig.verdict(4, "api"), Some(&Verdict::Done));
}

#[test]
fn who_is_always_started_again_is_waited_for_in_vain_to_complete() {
    let mut rig = Rig::new(vec![plain("db"), needing("api", &[("db", Condition::Completed)])]);
    rig.ask(1, Verb::Start, &["api"]);
    rig.pass(1000);
    failed(rig.verdict(1, "api"), "its policy always starts it again");
}

#[test]
fn a_job_whose_stray_cannot_be_ended_is_still_not_run_again() {
    let mut rig = Rig::up(vec![Service { restart: RestartPolicy::Never, ..plain("job") }]);
    let left = vec!["pid 4".to_owned()];
    let end = end_of(0, left);
    rig.tell(Event::Exited { run: rig.run("job"), end });
    assert_eq!(*rig.phase("job"), Phase::Resting(Rest::Completed));
}

#[test]
fn an_event_of_a_run_that_is_over_moves_nothing() {
    let mut rig = Rig::up(vec![plain("api")]);
    let old = rig.run("api");
    rig.exit("api", 0);
    rig.pass(1000);
    let phase = rig.phase("api").clone();
    let end = end_of(1, Vec::new());
    rig.tell(Event::Exited { run: old, end });
    rig.tell(Event::Spawned { run: old, identity: identity(old) });
    let run = rig.run("api");
    rig.tell(Event::Spawned { run, identity: identity(old) });
    rig.tell(Event::NotSpawned { run, obstacle: Obstacle::Refused { why: "late".to_owned() } });
    assert_eq!(*rig.phase("api"), phase);
}

#[test]
fn the_next_supervisor_keeps_to_the_time_of_the_kill() {
    let mut rig = Rig::new(vec![plain("api")]);
    let kill_at = rig.now.after(Duration::from_millis(300));
    let since = rig.now;
    let progress = Progress::Stopping { kill_at };
    let live = LiveMemory { live: Live::new(RunId(7), identity(RunId(7)), since), progress };
    let (service, goal) = (name("api"), Goal::Down);
    let memory = Survivor { live: Some(live), ..Survivor::new(service, goal) };
    rig.tell(Event::Resumed(vec![memory]));
    rig.pass(299);
    assert!(!rig.done.iter().any(|action| matches!(action, Action::Kill { .. })));
    rig.pass(1);
    assert!(rig.done.iter().any(|action| matches!(action, Action::Kill { run: RunId(7) })));
}

#[test]
fn a_service_that_a_reload_adds_is_told_of_from_rest_on() {
    let mut rig = Rig::up(vec![plain("api")]);
    rig.done.clear();
    rig.reload(vec![plain("api"), plain("new")]);
    let first = rig.done.iter().find_map(|action| match action {
        Action::Publish(change) if change.service == name("new") => Some(change.clone()),
        _ => None,
    });
    let Change { previous, state, .. } = first.unwrap();
    assert_eq!((previous, state), (State::Stopped, State::Starting));
}
