use std::time::Duration;

use crate::machine::action::Action;
use crate::machine::event::{Command, Event, Finding, Verb};
use crate::machine::fleet::Fleet;
use crate::machine::sim::spec_maker::{fleet_of, health_of, name, plain};
use crate::machine::ticket::TicketId;
use crate::spec::health::{Aspect, Budget, Check, Health, OnUnhealthy};
use crate::spec::service::Service;
use crate::vocab::identity::{Identity, Pid, StartTime};
use crate::vocab::moment::Moment;
use crate::vocab::run::RunId;
use crate::vocab::state::{Health as Seen, State};

/// One service that was just spawned.
struct Rig {
    fleet: Fleet,
    now: Moment,
}

impl Rig {
    fn of(service: Service) -> Self {
        let fleet = Fleet::new(fleet_of(vec![service]), RunId(0));
        let mut rig = Self { fleet, now: Moment::since_boot(Duration::from_secs(100)) };
        let (ticket, services) = (TicketId(1), vec![name("api")]);
        rig.tell(Event::Command(Command { ticket, verb: Verb::Start, services, deadline: None }));
        let identity = Identity { pid: Pid::new(7).unwrap(), started: StartTime(7) };
        rig.tell(Event::Spawned { run: RunId(1), identity });
        rig
    }

    fn tell(&mut self, event: Event) -> Vec<Action> {
        let mut actions = Vec::new();
        self.fleet.handle(event, self.now, &mut actions);
        actions
    }

    /// Waits for the next look; says how long that took and what it asked, and answers it.
    fn look(&mut self, finding: Finding) -> (Duration, Aspect, Vec<Action>) {
        let (at, _) = self.fleet.deadline().unwrap();
        let waited = at.since(self.now);
        self.now = self.now.max(at);
        let asked = self.tell(Event::Tick).into_iter().find_map(|action| match action {
            Action::Probe { aspect, .. } => Some(aspect),
            _ => None,
        });
        let done = self.tell(Event::Probed { run: RunId(1), finding });
        (waited, asked.unwrap(), done)
    }

    fn bad(&mut self) -> Vec<Action> {
        self.look(Finding::Bad("it is late".to_owned())).2
    }

    fn seen(&self) -> (State, Seen) {
        let service = &self.fleet.services()[&name("api")];
        (service.state(), service.health())
    }
}

fn both(health: Health) -> Service {
    Service { ready: Some(health.clone().into()), live: Some(health.into()), ..plain("api") }
}

fn asks_to_end(actions: &[Action]) -> bool {
    actions.iter().any(|action| matches!(action, Action::Stop { .. }))
}

#[test]
fn one_that_was_unhealthy_is_healthy_after_as_many_passes_as_it_takes() {
    let mut rig = Rig::of(both(Health { successes: 2, ..health_of(3000) }));
    rig.look(Finding::Good);
    assert_eq!(rig.seen(), (State::Running, Seen::Healthy));
    rig.bad();
    assert_eq!(rig.seen().1, Seen::Healthy);
    rig.bad();
    assert_eq!(rig.seen().1, Seen::Unhealthy);
    rig.look(Finding::Good);
    rig.bad();
    rig.look(Finding::Good);
    assert_eq!(rig.seen().1, Seen::Unhealthy);
    rig.look(Finding::Good);
    assert_eq!(rig.seen().1, Seen::Healthy);
}

#[test]
fn readiness_and_liveness_are_asked_in_turn_and_healthy_is_said_of_both() {
    let live = Health { interval: Duration::from_secs(9), ..health_of(3001) };
    let service = Service { ready: Some(health_of(3000).into()), live: Some(live.into()), ..plain("api") };
    let mut rig = Rig::of(service);
    assert_eq!(rig.look(Finding::Good).1, Aspect::Ready);
    assert_eq!(rig.seen(), (State::Running, Seen::Starting));
    // The time in which it may start is over, but it was never found alive either.
    rig.now = rig.now.after(Duration::from_secs(5));
    rig.tell(Event::Probed { run: RunId(1), finding: Finding::Bad("it is late".to_owned()) });
    assert_eq!(rig.seen(), (State::Running, Seen::Starting));
    let (waited, aspect, _) = rig.look(Finding::Good);
    assert_eq!((waited, aspect), (Duration::from_secs(9), Aspect::Alive));
    assert_eq!(rig.seen(), (State::Running, Seen::Healthy));
}

#[test]
fn what_is_good_for_a_time_is_looked_at_when_that_is_over() {
    let mut rig = Rig::of(both(health_of(3000)));
    rig.look(Finding::GoodFor(Duration::from_millis(300)));
    assert_eq!(rig.look(Finding::GoodFor(Duration::from_secs(60))).0, Duration::from_millis(301));
    assert_eq!(rig.look(Finding::Good).0, Duration::from_secs(2), "the interval is the longest wait");
}

#[test]
fn an_unhealthy_run_is_ended_and_its_cause_is_said() {
    let budget = Budget { restarts_max: 1, within: Duration::from_secs(60) };
    let health = Health { on_unhealthy: OnUnhealthy::Restart(budget), ..health_of(3000) };
    let mut rig = Rig::of(both(health));
    rig.look(Finding::Good);
    assert!(!asks_to_end(&rig.bad()));
    assert!(asks_to_end(&rig.bad()));
    let reason = rig.fleet.reason(&name("api"));
    assert_eq!(reason.as_deref(), Some("is restarted: its check failed 2 times: it is late"));
    assert_eq!(rig.seen().0, State::Stopping);
}

#[test]
fn a_word_of_its_own_brings_the_look_forward_and_asks_for_time() {
    let notify = Check::Notify { watchdog: None };
    let mut rig = Rig::of(Service {
        ready: Some(Health { check: notify, retries: 1, ..health_of(3000) }.into()),
        ..plain("api")
    });
    let extension = Some(Duration::from_secs(30));
    rig.tell(Event::Notified { run: RunId(1), extension });
    rig.tell(Event::Probed { run: RunId(1), finding: Finding::Bad("not yet".to_owned()) });
    rig.now = rig.now.after(Duration::from_secs(20));
    rig.bad();
    assert_eq!(rig.seen(), (State::Starting, Seen::Starting), "its time was extended");
    let asked = rig.tell(Event::Notified { run: RunId(1), extension: None });
    assert!(asked.iter().any(|action| matches!(action, Action::Probe { .. })));
    rig.now = rig.now.after(Duration::from_secs(20));
    rig.tell(Event::Probed { run: RunId(1), finding: Finding::Bad("not yet".to_owned()) });
    assert_eq!(rig.seen(), (State::Starting, Seen::Unhealthy));
}
