use super::{Rig, end_of, needing};
use crate::machine::action::Action;
use crate::machine::event::{Event, Finding, Verb};
use crate::machine::exchange::Second;
use crate::machine::phase::{Phase, Rest};
use crate::machine::sim::spec_maker::{name, plain, port_of};
use crate::machine::ticket::Verdict;
use crate::spec::age::MaxAge;
use crate::spec::graph::Condition;
use crate::spec::hooks::{Hook, Occasion};
use crate::spec::policy::{RestartPolicy, StartLimit};
use crate::spec::schedule::{Missed, Overlap, Schedule, Task};
use crate::spec::service::Service;
use crate::vocab::state::{Goal, State};
use jiff::tz::TimeZone;
use std::collections::BTreeMap;
use std::time::Duration;

/// A service that is started each minute, and succeeds with 0.
fn job(overlap: Overlap) -> Service {
    with_task(RestartPolicy::Never, Task::Start(overlap))
}

fn with_task(restart: RestartPolicy, task: Task) -> Service {
    let schedule = Schedule::new("* * * * *", TimeZone::UTC, task, Missed::Run).unwrap();
    Service { schedule: Some(schedule.into()), restart, ..plain("job") }
}

impl Rig {
    /// A time of its schedule comes.
    fn strike(&mut self) {
        self.tell(Event::ScheduleDue { service: name("job") });
    }

    fn reason_of(&self, text: &str) -> String {
        self.fleet.reason(&name(text)).unwrap_or_default()
    }

    fn spawned(&self) -> usize {
        self.done.iter().filter(|action| matches!(action, Action::Spawn { .. })).count()
    }
}

#[test]
fn up_waits_for_the_times_of_a_schedule_and_each_of_them_begins_a_run() {
    let mut rig = Rig::new(vec![job(Overlap::Skip)]);
    rig.ask(1, Verb::Up, &["job"]);
    assert_eq!(rig.verdict(1, "job"), Some(&Verdict::Done));
    assert_eq!((rig.state("job"), rig.spawned()), (State::Stopped, 0));
    for run in 1..4 {
        rig.strike();
        assert_eq!(rig.state("job"), State::Starting);
        rig.exit("job", 0);
        assert_eq!((rig.state("job"), rig.spawned()), (State::Exited, run));
        assert_eq!(rig.reason_of("job"), "");
    }
    rig.ask(2, Verb::Stop, &["job"]);
    rig.strike();
    assert_eq!((rig.state("job"), rig.spawned()), (State::Stopped, 3));
}

#[test]
fn start_begins_a_run_at_once_and_what_needs_it_waits_for_it() {
    let mut rig = Rig::new(vec![job(Overlap::Skip), needing("page", &[("job", Condition::Completed)])]);
    rig.ask(1, Verb::Up, &["page"]);
    assert_eq!(rig.reason_of("page"), "waits in vain for `job` until a time of its schedule comes");
    rig.ask(2, Verb::Start, &["job"]);
    rig.exit("job", 0);
    rig.pass(200);
    assert_eq!((rig.state("job"), rig.state("page")), (State::Exited, State::Running));
    rig.ask(3, Verb::Up, &["job"]);
    assert_eq!(rig.state("job"), State::Exited, "what completed stays so until its next time");
}

#[test]
fn a_time_that_comes_while_a_run_lives_is_skipped_queued_or_replaces_it() {
    for overlap in [Overlap::Skip, Overlap::Queue, Overlap::Replace] {
        let mut rig = Rig::new(vec![job(overlap)]);
        rig.ask(1, Verb::Up, &["job"]);
        rig.strike();
        rig.pass(500);
        let first = rig.run("job");
        rig.strike();
        rig.strike();
        let plan = rig.fleet.services()[&name("job")].plan().unwrap();
        assert_eq!(plan.skipped, if overlap == Overlap::Skip { 2 } else { 0 });
        let is_asked = matches!(rig.phase("job"), Phase::Stopping { .. });
        assert_eq!(is_asked, overlap == Overlap::Replace);
        rig.exit("job", 0);
        let follows = rig.run_if_any("job").is_some_and(|run| run > first);
        assert_eq!(follows, overlap != Overlap::Skip, "{overlap:?}");
        if follows {
            rig.exit("job", 0);
            assert_eq!((rig.state("job"), rig.spawned()), (State::Exited, 2), "one is queued at most");
        }
    }
}

#[test]
fn a_scheduled_run_that_fails_is_told_of_or_tried_again_with_backoff_and_the_next_time_forgives() {
    let mut rig = Rig::new(vec![job(Overlap::Skip)]);
    rig.ask(1, Verb::Up, &["job"]);
    rig.strike();
    rig.pass(60_000);
    rig.exit("job", 3);
    assert_eq!(rig.state("job"), State::Exited);
    assert!(rig.reason_of("job").contains("exited with code 3"), "{}", rig.reason_of("job"));
    let mut rig = Rig::new(vec![with_task(RestartPolicy::OnFailure, Task::Start(Overlap::Skip))]);
    rig.ask(1, Verb::Up, &["job"]);
    rig.strike();
    for _ in 0..10 {
        rig.pass(60_000);
        rig.exit("job", 3);
    }
    rig.pass(60_000);
    rig.exit("job", 3);
    assert_eq!(rig.state("job"), State::Fatal);
    rig.strike();
    assert_eq!(rig.state("job"), State::Starting);
}

#[test]
fn a_schedule_restarts_what_runs_and_leaves_alone_what_is_stopped() {
    let mut rig = Rig::up(vec![with_task(RestartPolicy::Always, Task::Restart)]);
    // It has no port, so that two of its runs may live at the same time.
    rig.strike();
    assert_eq!(rig.reason_of("job"), "is replaced: a time of its schedule has come");
    rig.pass(200);
    let second = rig.fleet.services()[&name("job")].second().unwrap().run();
    assert!(rig.run("job") > second, "the new run counts, and the old one is leaving");
    let mut rig = Rig::up(vec![Service {
        ports: vec![port_of(3000)],
        ..with_task(RestartPolicy::Always, Task::Restart)
    }]);
    let run = rig.run("job");
    rig.tell(Event::Probed { run, finding: Finding::Good });
    rig.strike();
    assert_eq!(rig.reason_of("job"), "is restarted: a time of its schedule has come");
    rig.exit("job", 0);
    assert!(rig.run("job") > run);
    rig.ask(2, Verb::Kill, &["job"]);
    rig.exit("job", 0);
    rig.strike();
    assert_eq!(rig.state("job"), State::Stopped);
}

#[test]
fn a_schedule_that_a_reload_takes_away_leaves_a_service_that_runs() {
    let mut rig = Rig::new(vec![job(Overlap::Skip)]);
    rig.ask(1, Verb::Up, &["job"]);
    assert_eq!(*rig.phase("job"), Phase::Resting(Rest::Planned));
    rig.reload(vec![plain("job")]);
    rig.pass(200);
    assert_eq!(rig.state("job"), State::Running);
    rig.reload(vec![job(Overlap::Skip)]);
    assert_eq!(rig.state("job"), State::Running, "what runs is not touched");
}

#[test]
fn a_run_that_is_too_old_is_replaced_within_its_variance_and_no_failure_is_counted() {
    let max_age = Some(MaxAge { age: Duration::from_secs(100), variance: 0.1 });
    let mut rig = Rig::up(vec![
        Service { max_age, ..plain("rolled") },
        Service { max_age, ports: vec![port_of(3000)], ..plain("bound") },
    ]);
    let run = rig.run("bound");
    rig.tell(Event::Probed { run, finding: Finding::Good });
    let rolled = rig.run("rolled");
    rig.pass(85_000);
    assert_eq!((rig.run("bound"), rig.run("rolled")), (run, rolled));
    let mut waited = 0_u32;
    while rig.reason_of("bound").is_empty() && waited < 260 {
        rig.pass(100);
        waited += 1;
    }
    let reason = rig.reason_of("bound");
    assert!(reason.starts_with("is restarted: it has run for 1m "), "{reason}");
    assert!(reason.ends_with("and max_age is 1m 40s"), "{reason}");
    rig.exit("bound", 0);
    assert!(rig.run("bound") > run);
    rig.pass(u64::from(260 - waited) * 100);
    assert!(rig.run("rolled") > rolled);
    let renewed = rig.fleet.services()[&name("rolled")].renewed(rolled).unwrap_or_default();
    assert!(renewed.starts_with("it has run for 1m ") && renewed.ends_with("max_age is 1m 40s"), "{renewed}");
    let bound = rig.fleet.services()[&name("bound")].memory();
    assert_eq!((bound.goal, bound.failures), (Goal::Up, 0));
}

#[test]
fn an_exchange_that_somebody_asks_for_is_not_put_down_to_a_renewal_that_failed_before() {
    let max_age = Some(MaxAge { age: Duration::from_secs(100), variance: 0.0 });
    let mut rig = Rig::up(vec![Service { max_age, ..plain("rolled") }]);
    let old = rig.run("rolled");
    rig.pass(98_000);
    let second = |rig: &Rig| rig.fleet.services()[&name("rolled")].second().map(Second::run);
    while second(&rig).is_none() {
        rig.pass(10);
    }
    rig.tell(Event::Exited { run: second(&rig).unwrap(), end: end_of(1, Vec::new()) });
    assert!(rig.reason_of("rolled").starts_with("was to be replaced (it has run for 1m 40s"));
    rig.ask(2, Verb::Roll { ready_within: Duration::from_secs(5) }, &["rolled"]);
    rig.pass(1_000);
    assert!(rig.run("rolled") > old);
    assert_eq!(rig.fleet.services()[&name("rolled")].renewed(old), None);
}

#[test]
fn a_service_that_was_started_too_often_is_fatal_whatever_came_of_it_until_somebody_asks() {
    let start_limit = Some(StartLimit { starts: 3, within: Duration::from_secs(60) });
    let mut rig = Rig::new(vec![Service { start_limit, ..plain("api") }]);
    rig.ask(1, Verb::Up, &["api"]);
    for _ in 0..3 {
        rig.pass(5_000);
        rig.exit("api", 0);
    }
    assert_eq!((rig.state("api"), rig.spawned()), (State::Fatal, 3));
    let reason = rig.reason_of("api");
    let expected =
        "was started 3 times within 1m 00s, which start_limit allows and no more; at last it exited";
    assert!(reason.starts_with(expected), "{reason}");
    rig.ask(2, Verb::Start, &["api"]);
    assert_eq!(rig.state("api"), State::Starting);
    // Starts that are further apart than that are as many as there are.
    for _ in 0..5 {
        rig.pass(21_000);
        rig.exit("api", 0);
        assert_eq!(rig.state("api"), State::Starting);
    }
}

#[test]
fn a_restart_by_age_or_by_schedule_takes_nobody_down_and_a_job_between_its_times_neither() {
    let max_age = Some(MaxAge { age: Duration::from_secs(100), variance: 0.0 });
    let bound = Service { ports: vec![port_of(3000)], ..with_task(RestartPolicy::Always, Task::Restart) };
    for aged in [None, max_age] {
        let mut rig = Rig::up(vec![
            Service { max_age: aged, ..bound.clone() },
            needing("page", &[("job", Condition::Ready)]),
        ]);
        let run = rig.run("job");
        rig.tell(Event::Probed { run, finding: Finding::Good });
        rig.pass(200);
        let page = rig.run("page");
        if aged.is_some() {
            rig.pass(98_000)
        } else {
            rig.strike()
        }
        assert!(rig.reason_of("job").starts_with("is restarted: "), "{}", rig.reason_of("job"));
        rig.exit("job", 0);
        assert!(rig.run("job") > run);
        let run = rig.run("job");
        rig.tell(Event::Probed { run, finding: Finding::Good });
        rig.pass(200);
        assert_eq!((rig.state("page"), rig.run("page")), (State::Running, page));
    }
    let mut rig = Rig::new(vec![job(Overlap::Queue), needing("page", &[("job", Condition::Ready)])]);
    rig.ask(1, Verb::Up, &["page"]);
    rig.strike();
    rig.pass(200);
    let page = rig.run("page");
    rig.strike();
    for _ in 0..3 {
        rig.exit("job", 0);
        rig.strike();
        rig.pass(200);
    }
    assert_eq!((rig.state("page"), rig.run("page")), (State::Running, page));
}

#[test]
fn who_has_no_start_left_takes_down_what_needs_it() {
    let start_limit = Some(StartLimit { starts: 1, within: Duration::from_secs(60) });
    let mut rig =
        Rig::up(vec![Service { start_limit, ..plain("db") }, needing("api", &[("db", Condition::Ready)])]);
    rig.exit("db", 0);
    rig.exit("api", 0);
    assert_eq!((rig.state("db"), rig.state("api")), (State::Fatal, State::Starting));
    let reason = rig.reason_of("api");
    assert!(reason.starts_with("waits in vain for `db`, which is fatal (was started 1 times"), "{reason}");
}

#[test]
fn what_a_fit_lets_end_and_the_config_has_again_is_as_that_wants_it() {
    let hook = Hook { command: plain("a").command, timeout: Duration::from_secs(1) };
    let hooks = BTreeMap::from([(Occasion::PostStop, hook)]);
    let with_hook = || Service { hooks: hooks.clone(), ..job(Overlap::Skip) };
    let mut rig = Rig::new(vec![with_hook()]);
    rig.ask(1, Verb::Start, &["job"]);
    rig.exit("job", 0);
    rig.reload(Vec::new());
    rig.ask(2, Verb::Fit, &["job"]);
    assert_eq!(rig.answer(2), None, "its post_stop is under way");
    rig.reload(vec![with_hook()]);
    assert_eq!(*rig.phase("job"), Phase::Resting(Rest::Planned));
    assert_eq!(rig.verdict(2, "job"), Some(&Verdict::Done), "nothing was started: it waits for its times");
}
