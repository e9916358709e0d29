use std::collections::BTreeMap;
use std::time::Duration;

use super::{Rig, failed, identity, needing};
use crate::machine::action::Action;
use crate::machine::blame::Blame;
use crate::machine::event::{End, Event, Finding, Traffic, Verb};
use crate::machine::exchange::{Roll, Second};
use crate::machine::memory::{LiveMemory, Progress, SecondMemory, SecondPlan, Survivor};
use crate::machine::phase::{Live, Phase};
use crate::machine::sim::spec_maker::{health_of, name, plain, port_of};
use crate::machine::ticket::Verdict;
use crate::spec::graph::Condition;
use crate::spec::hooks::{Hook, Occasion};
use crate::spec::limits::Limits;
use crate::spec::policy::RestartPolicy;
use crate::spec::replicas::Replica;
use crate::spec::service::Service;
use crate::vocab::outcome::Outcome;
use crate::vocab::run::RunId;
use crate::vocab::state::{Goal, State};

const ROLL: Verb = Verb::Roll { ready_within: Duration::from_secs(5) };

fn checked(text: &str) -> Service {
    let (ready, live) = (Some(health_of(3000).into()), Some(health_of(3000).into()));
    Service { ready, live, ..plain(text) }
}

fn replicas(count: u32, max_unavailable: u32) -> Vec<Service> {
    let text = |number| if number == 1 { "web".to_owned() } else { format!("web-{number}") };
    let replica = |number| Replica { of: name("web"), number };
    (1..=count)
        .map(|number| Service { replica: replica(number), max_unavailable, ..plain(&text(number)) })
        .collect()
}

impl Rig {
    fn second(&self, text: &str) -> Option<RunId> {
        self.fleet.services()[&name(text)].second().map(Second::run)
    }

    fn end(&mut self, run: RunId, code: i32) {
        let end = End {
            outcome: Outcome::Code(code),
            last_words: None,
            left: Vec::new(),
            taken: None,
            blame: Blame::Nothing,
        };
        self.tell(Event::Exited { run, end });
    }

    /// Runs that were asked to end since the last time.
    fn asked_to_end(&mut self) -> Vec<RunId> {
        let is_stop = |action: &Action| matches!(action, Action::Stop { .. });
        let (stops, others) = std::mem::take(&mut self.done).into_iter().partition(is_stop);
        self.done = others;
        let run_of = |action: Action| match action {
            Action::Stop { run, .. } => Some(run),
            _ => None,
        };
        Vec::into_iter(stops).filter_map(run_of).collect()
    }

    /// One service that is ready, being exchanged.
    fn rolling(service: Service) -> (Self, RunId, RunId) {
        let text = service.name.to_string();
        let is_checked = service.ready.is_some();
        let mut rig = Self::new(vec![service]);
        rig.ask(1, Verb::Start, &[&text]);
        rig.pass(200);
        let old = rig.run(&text);
        if is_checked {
            rig.tell(Event::Probed { run: old, finding: Finding::Good });
        }
        rig.ask(2, ROLL, &[&text]);
        let new = rig.second(&text).unwrap();
        (rig, old, new)
    }
}

#[test]
fn the_old_run_is_asked_to_end_only_when_the_new_one_is_ready() {
    let (mut rig, old, new) = Rig::rolling(checked("web"));
    rig.pass(50);
    rig.tell(Event::Probed { run: new, finding: Finding::Bad("not yet".to_owned()) });
    assert_eq!((rig.run("web"), rig.asked_to_end()), (old, vec![]));
    rig.pass(50);
    rig.tell(Event::Probed { run: new, finding: Finding::Good });
    assert_eq!((rig.run("web"), rig.second("web")), (new, Some(old)));
    assert_eq!((rig.state("web"), rig.answer(2)), (State::Running, None));
    assert_eq!(rig.asked_to_end(), [old]);
    rig.end(old, 0);
    assert_eq!((rig.second("web"), rig.verdict(2, "web")), (None, Some(&Verdict::Done)));
}

#[test]
fn an_old_run_is_asked_to_end_when_its_connections_are_over_or_its_time_is() {
    let begin = || {
        let (mut rig, old, new) = Rig::rolling(Service { drain: Duration::from_secs(5), ..checked("web") });
        rig.pass(1);
        rig.tell(Event::Probed { run: new, finding: Finding::Good });
        assert_eq!((rig.run("web"), rig.second("web"), rig.asked_to_end()), (new, Some(old), vec![]));
        (rig, old, new)
    };
    let looks = |rig: &Rig| rig.done.iter().filter(|action| matches!(action, Action::Drain { .. })).count();
    let (mut rig, old, _) = begin();
    assert_eq!(looks(&rig), 0, "what cannot be taken back waits until the next supervisor would know");
    rig.pass(1);
    assert_eq!(looks(&rig), 1);
    for traffic in [Traffic::Ceased, Traffic::Flows, Traffic::Ceased] {
        rig.tell(Event::Drained { run: old, traffic });
        assert_eq!(rig.asked_to_end(), []);
        rig.pass(50);
    }
    rig.tell(Event::Drained { run: old, traffic: Traffic::Ceased });
    assert_eq!(rig.asked_to_end(), [old]);
    let (mut rig, old, _) = begin();
    for _ in 0..99 {
        rig.pass(50);
        rig.tell(Event::Drained { run: old, traffic: Traffic::Flows });
    }
    assert_eq!(rig.asked_to_end(), []);
    rig.pass(50);
    assert_eq!(rig.asked_to_end(), [old]);
    assert!(looks(&rig) > 90);
    // Nobody else serves, or nobody is to.
    let (mut rig, old, new) = begin();
    rig.end(new, 1);
    assert_eq!(rig.asked_to_end(), [old]);
    let (mut rig, old, new) = begin();
    rig.ask(3, Verb::Stop, &["web"]);
    assert_eq!(rig.asked_to_end(), [new, old]);
}

#[test]
fn an_old_run_that_ignores_its_signal_is_killed_after_its_timeout() {
    let (mut rig, old, _) = Rig::rolling(plain("web"));
    rig.pass(101);
    rig.pass(998);
    assert!(!rig.done.iter().any(|action| matches!(action, Action::Kill { .. })));
    rig.pass(2);
    assert!(rig.done.iter().any(|action| matches!(action, Action::Kill { run } if *run == old)));
    rig.pass(5000);
    failed(rig.verdict(2, "web"), "the kernel still holds it");
    assert_eq!(rig.state("web"), State::Running);
}

#[test]
fn a_new_run_that_ends_leaves_the_old_one_as_it_is() {
    let (mut rig, old, new) = Rig::rolling(plain("web"));
    rig.end(new, 7);
    assert_eq!((rig.run("web"), rig.second("web"), rig.state("web")), (old, None, State::Running));
    failed(rig.verdict(2, "web"), "the new run ended: exited with code 7");
    rig.pass(60_000);
    assert_eq!(rig.second("web"), None, "nobody tries again");
}

#[test]
fn a_new_run_that_is_not_ready_in_time_is_ended_and_the_old_one_stays() {
    let slow = Service { min_uptime: Duration::from_secs(60), ..plain("web") };
    let mut rig = Rig::new(vec![slow]);
    rig.ask(1, Verb::Start, &["web"]);
    rig.pass(60_000);
    let old = rig.run("web");
    rig.ask(2, ROLL, &["web"]);
    let new = rig.second("web").unwrap();
    rig.pass(4_999);
    assert_eq!(rig.asked_to_end(), []);
    rig.pass(1);
    assert_eq!((rig.asked_to_end(), rig.answer(2)), (vec![new], None));
    rig.end(new, 0);
    failed(rig.verdict(2, "web"), "did not become ready within 5.0s");
    assert_eq!((rig.run("web"), rig.state("web")), (old, State::Running));
}

#[test]
fn a_new_run_that_fails_its_check_too_often_is_not_waited_for() {
    let (mut rig, old, new) = Rig::rolling(checked("web"));
    let mut ended = Vec::new();
    for _ in 0..80 {
        rig.pass(50);
        rig.tell(Event::Probed { run: new, finding: Finding::Bad("answers 500".to_owned()) });
        ended = rig.asked_to_end();
        if !ended.is_empty() {
            break;
        }
    }
    assert_eq!(ended, [new], "it had five seconds, and is given up before");
    rig.end(new, 0);
    failed(rig.verdict(2, "web"), "answers 500");
    assert_eq!(rig.run("web"), old);
}

#[test]
fn a_new_run_counts_at_once_when_the_old_one_ends_by_itself() {
    for restart in [RestartPolicy::Always, RestartPolicy::Never] {
        let (mut rig, old, new) = Rig::rolling(Service { restart, ..plain("web") });
        rig.end(old, 1);
        assert_eq!((rig.run("web"), rig.second("web"), rig.state("web")), (new, None, State::Starting));
        rig.pass(100);
        assert_eq!(rig.verdict(2, "web"), Some(&Verdict::Done));
    }
}

#[test]
fn an_order_that_comes_in_between_ends_the_new_run_and_is_obeyed() {
    for (verb, again) in [(Verb::Stop, false), (Verb::Restart, true)] {
        let (mut rig, old, new) = Rig::rolling(plain("web"));
        rig.ask(3, verb, &["web"]);
        let mut ended = rig.asked_to_end();
        ended.sort_unstable();
        assert_eq!(ended, [old, new]);
        rig.end(old, 0);
        assert_eq!((rig.run_if_any("web"), rig.answer(3)), (None, None), "two runs have to end first");
        rig.end(new, 0);
        rig.pass(100);
        assert_eq!(rig.verdict(3, "web"), Some(&Verdict::Done));
        assert_eq!(rig.state("web"), if again { State::Running } else { State::Stopped });
        if !again {
            failed(rig.verdict(2, "web"), "was stopped meanwhile");
        }
    }
}

#[test]
fn a_reload_that_needs_a_new_process_ends_both_runs() {
    let (mut rig, old, new) = Rig::rolling(plain("web"));
    rig.reload(vec![Service { nice: Some(1), ..plain("web") }]);
    rig.end(new, 0);
    rig.end(old, 0);
    rig.pass(100);
    assert!(rig.run("web") > new);
    assert_eq!(rig.verdict(2, "web"), Some(&Verdict::Done), "it has a new run alone");
}

#[test]
fn what_needs_a_service_notices_nothing_of_its_exchange() {
    let mut rig = Rig::up(vec![plain("db"), needing("api", &[("db", Condition::Ready)])]);
    let (api, db) = (rig.run("api"), rig.run("db"));
    rig.ask(2, ROLL, &["db"]);
    rig.pass(100);
    rig.end(db, 0);
    assert_eq!((rig.run("api"), rig.state("api")), (api, State::Running));
    assert_eq!(rig.verdict(2, "db"), Some(&Verdict::Done));
}

#[test]
fn replicas_are_exchanged_in_the_order_of_their_numbers_and_so_many_at_once() {
    for limit in [1, 2] {
        let mut rig = Rig::up(replicas(12, limit));
        let names: Vec<String> = rig.fleet.services().keys().map(ToString::to_string).collect();
        rig.ask(2, ROLL, &names.iter().map(String::as_str).collect::<Vec<_>>());
        let mut order = Vec::new();
        while rig.answer(2).is_none() {
            let under_way: Vec<String> =
                names.iter().filter(|text| rig.second(text).is_some()).cloned().collect();
            assert_eq!(under_way.len(), limit as usize);
            rig.pass(100);
            for text in under_way {
                let old = rig.second(&text).unwrap();
                order.push(rig.fleet.services()[&name(&text)].spec().replica.number);
                rig.end(old, 0);
            }
        }
        let is_in_order = order.chunks(limit as usize).flat_map(|some| {
            let mut some = some.to_vec();
            some.sort_unstable();
            some
        });
        assert_eq!(is_in_order.collect::<Vec<_>>(), (1..=12).collect::<Vec<_>>());
    }
}

#[test]
fn after_one_failure_no_other_replica_is_tried() {
    let mut rig = Rig::up(replicas(3, 1));
    let before = ["web", "web-2", "web-3"].map(|text| rig.run(text));
    rig.ask(2, ROLL, &["web", "web-2", "web-3"]);
    rig.end(rig.second("web").unwrap(), 1);
    failed(rig.verdict(2, "web"), "the new run ended");
    failed(rig.verdict(2, "web-3"), "was not tried: the exchange of `web` failed");
    assert_eq!(["web", "web-2", "web-3"].map(|text| rig.run(text)), before);
}

#[test]
fn a_service_whose_ports_one_run_holds_is_not_exchanged() {
    let mut rig = Rig::up(vec![Service { ports: vec![port_of(3000)], ..plain("web") }]);
    let run = rig.run("web");
    rig.ask(2, ROLL, &["web"]);
    failed(rig.verdict(2, "web"), "only one of its runs can hold its ports");
    assert_eq!((rig.run("web"), rig.second("web")), (run, None));
}

#[test]
fn one_that_has_no_run_is_started_with_what_it_needs() {
    let mut rig = Rig::new(vec![plain("db"), needing("api", &[("db", Condition::Ready)])]);
    rig.ask(1, ROLL, &["api"]);
    rig.pass(500);
    assert_eq!((rig.verdict(1, "api"), rig.state("db")), (Some(&Verdict::Done), State::Running));
}

#[test]
fn nothing_is_exchanged_while_what_it_needs_is_missing() {
    let mut rig = Rig::up(vec![plain("db"), needing("api", &[("db", Condition::Ready)])]);
    rig.ask(2, Verb::Restart, &["db"]);
    rig.ask(3, ROLL, &["api"]);
    failed(rig.verdict(3, "api"), "it needs `db`, which is stopping");
    assert_eq!(rig.fleet.services()[&name("api")].second(), None);
}

#[test]
fn the_next_supervisor_brings_an_exchange_to_its_end() {
    let begin = |progress, plan| {
        let mut rig = Rig::new(vec![plain("web")]);
        let since = rig.now;
        let first = LiveMemory { live: Live::new(RunId(7), identity(RunId(7)), since), progress };
        let second = SecondMemory { live: Live::new(RunId(8), identity(RunId(8)), since), plan };
        let (service, goal) = (name("web"), Goal::Up);
        let (live, second) = (Some(first), Some(second));
        let memory = Survivor { live, second, ..Survivor::new(service, goal) };
        rig.tell(Event::Resumed(vec![memory.clone()]));
        assert_eq!(rig.fleet.services()[&name("web")].memory(), memory);
        rig
    };
    let now = Rig::new(Vec::new()).now;
    let mut rig =
        begin(Progress::Ready, SecondPlan::Understudy { give_up_at: now.after(Duration::from_secs(5)) });
    rig.pass(100);
    assert_eq!((rig.run("web"), rig.second("web")), (RunId(8), Some(RunId(7))));
    let mut rig =
        begin(Progress::Ready, SecondPlan::Understudy { give_up_at: now.after(Duration::from_millis(50)) });
    rig.pass(100);
    assert_eq!(rig.run("web"), RunId(7));
    assert!(matches!(rig.fleet.services()[&name("web")].roll(), Roll::Failed { .. }));
    let mut rig =
        begin(Progress::Ready, SecondPlan::Draining { until: now.after(Duration::from_millis(50)) });
    rig.pass(1);
    assert!(rig.done.iter().any(|action| matches!(action, Action::Drain { run: RunId(8), .. })));
    assert_eq!(rig.asked_to_end(), []);
    rig.pass(50);
    assert_eq!(rig.asked_to_end(), [RunId(8)]);
    let mut rig =
        begin(Progress::Ready, SecondPlan::Stopping { kill_at: now.after(Duration::from_millis(50)) });
    rig.pass(100);
    assert!(rig.done.iter().any(|action| matches!(action, Action::Kill { run: RunId(8) })));
    assert!(matches!(rig.phase("web"), Phase::Running(live, _) if live.run == RunId(7)));
}

#[test]
fn a_fit_waits_for_those_that_came_and_for_those_that_went() {
    let mut rig = Rig::up(replicas(2, 1));
    let gone = rig.run("web-2");
    let other = Service { autostart: false, ..plain("other") };
    rig.reload([replicas(1, 1), vec![other]].concat());
    rig.ask(2, Verb::Fit, &["other", "web-2"]);
    rig.pass(200);
    assert_eq!((rig.state("other"), rig.answer(2)), (State::Running, None));
    rig.end(gone, 0);
    assert_eq!(rig.verdict(2, "web-2"), Some(&Verdict::Done));
    assert_eq!(rig.verdict(2, "other"), Some(&Verdict::Done));
}

#[test]
fn the_memory_of_a_run_that_is_promoted_is_measured() {
    let limits = Limits { memory_bytes: Some(1), ..Limits::default() };
    let (mut rig, old, new) = Rig::rolling(Service { limits, ..checked("web") });
    rig.pass(2001);
    let measured = |rig: &Rig, run| {
        rig.done.iter().any(|action| matches!(action, Action::Measure { run: measured } if *measured == run))
    };
    assert!(measured(&rig, old) && !measured(&rig, new));
    rig.end(old, 1);
    assert_eq!(rig.run("web"), new);
    rig.pass(2001);
    assert!(measured(&rig, new));
}

#[test]
fn a_replica_that_gets_hooks_of_its_stop_before_its_turn_is_not_waited_for() {
    let with_hooks = |services: Vec<Service>| {
        let hook = Hook { command: plain("a").command, timeout: Duration::from_secs(1) };
        let hooks = BTreeMap::from([(Occasion::PostStop, hook)]);
        services.into_iter().map(|service| Service { hooks: hooks.clone(), ..service }).collect()
    };
    let mut rig = Rig::up(replicas(2, 1));
    rig.ask(2, ROLL, &["web", "web-2"]);
    let new = rig.second("web").unwrap();
    rig.reload(with_hooks(replicas(2, 1)));
    rig.end(rig.run("web"), 0);
    rig.pass(1);
    assert_eq!(rig.run("web"), new);
    rig.pass(1000);
    failed(rig.verdict(2, "web-2"), "cannot be exchanged: its hooks of a stop");
}
