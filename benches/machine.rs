//! The pure machine: a whole fleet started, stopped and restarted, with every event answered at once. What is measured is
//! `Fleet::handle` alone; nothing is spawned. A chain is the deepest graph, a star the widest.

#![expect(clippy::unwrap_used, reason = "a bench that cannot measure fails")]

use std::collections::{BTreeSet, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use divan::Bencher;
use procman::machine::action::Action;
use procman::machine::blame::Blame;
use procman::machine::event::{Command, End, Event, Finding, Verb};
use procman::machine::fleet::Fleet;
use procman::machine::ticket::TicketId;
use procman::spec;
use procman::spec::graph::{Condition, Need, Needs};
use procman::spec::log::Sockets;
use procman::spec::supervisor::{ExitOn, OwnLog, StopOrder, Supervisor};
use procman::vocab::identity::{Identity, Pid, StartTime};
use procman::vocab::moment::Moment;
use procman::vocab::name::ServiceName;
use procman::vocab::outcome::Outcome;
use procman::vocab::port::{Endpoint, Port};
use procman::vocab::rlimits::Least;
use procman::vocab::run::RunId;

const SIZES: [u16; 3] = [8, 100, 1000];

fn main() {
    divan::main();
}

#[divan::bench(args = SIZES, sample_count = 20, sample_size = 1, max_time = 10)]
fn start_chain(bencher: Bencher<'_, '_>, size: u16) {
    bencher.with_inputs(|| fleet(size, Shape::Chain)).bench_values(|fleet| all(fleet, Verb::Start));
}

#[divan::bench(args = SIZES, sample_count = 20, sample_size = 1, max_time = 10)]
fn start_star(bencher: Bencher<'_, '_>, size: u16) {
    bencher.with_inputs(|| fleet(size, Shape::Star)).bench_values(|fleet| all(fleet, Verb::Start));
}

#[divan::bench(args = SIZES, sample_count = 20, sample_size = 1, max_time = 10)]
fn stop_chain(bencher: Bencher<'_, '_>, size: u16) {
    let running = all(fleet(size, Shape::Chain), Verb::Start);
    bencher.with_inputs(|| running.clone()).bench_values(|fleet| all(fleet, Verb::Stop));
}

#[divan::bench(args = SIZES, sample_count = 20, sample_size = 1, max_time = 10)]
fn stop_star(bencher: Bencher<'_, '_>, size: u16) {
    let running = all(fleet(size, Shape::Star), Verb::Start);
    bencher.with_inputs(|| running.clone()).bench_values(|fleet| all(fleet, Verb::Stop));
}

#[divan::bench(args = SIZES, sample_count = 20, sample_size = 1, max_time = 10)]
fn restart_chain(bencher: Bencher<'_, '_>, size: u16) {
    let running = all(fleet(size, Shape::Chain), Verb::Start);
    bencher.with_inputs(|| running.clone()).bench_values(|fleet| all(fleet, Verb::Restart));
}

#[divan::bench(args = SIZES, sample_count = 20, sample_size = 1, max_time = 10)]
fn restart_star(bencher: Bencher<'_, '_>, size: u16) {
    let running = all(fleet(size, Shape::Star), Verb::Start);
    bencher.with_inputs(|| running.clone()).bench_values(|fleet| all(fleet, Verb::Restart));
}

enum Shape {
    /// Each needs the one before it.
    Chain,
    /// All need the first.
    Star,
}

fn fleet(size: u16, shape: Shape) -> Fleet {
    let need_of = |number: u16| match shape {
        Shape::Chain => number.checked_sub(1),
        Shape::Star => (number > 0).then_some(0),
    };
    let services = (0..size).map(|number| service(number, need_of(number))).collect();
    Fleet::new(Arc::new(spec::fleet::Fleet::new(supervisor(), services).unwrap()), RunId(0))
}

/// Gives one command for all services, and answers all that the machine asks for as an obedient world would. Time passes
/// when nothing else is left to happen.
fn all(mut fleet: Fleet, verb: Verb) -> Fleet {
    let mut now = Moment::since_boot(Duration::from_secs(1));
    let services = fleet.services().keys().cloned().collect();
    let command = Command { ticket: TicketId(1), verb, services, deadline: None };
    let mut events = VecDeque::from([Event::Command(command)]);
    let (mut actions, mut is_answered) = (Vec::new(), false);
    while !is_answered {
        let event = events.pop_front().unwrap_or_else(|| {
            now = fleet.deadline().unwrap().0;
            Event::Tick
        });
        fleet.handle(event, now, &mut actions);
        is_answered = actions.iter().any(|action| matches!(action, Action::Answer { .. }));
        events.extend(actions.drain(..).filter_map(answer_to));
    }
    fleet
}

fn answer_to(action: Action) -> Option<Event> {
    match action {
        Action::Spawn { run, .. } => Some(Event::Spawned { run, identity: identity() }),
        Action::Probe { run, .. } => Some(Event::Probed { run, finding: Finding::Good }),
        Action::Stop { run, .. } | Action::Kill { run } => Some(Event::Exited { run, end: clean_end() }),
        Action::Answer { .. } | Action::Publish(_) | Action::Forget(_) => None,
        Action::LookAtPorts { .. } | Action::FreePort { .. } => None,
        Action::Hook { .. } | Action::CallOff { .. } | Action::Measure { .. } => None,
        Action::Drain { .. } => None,
    }
}

fn identity() -> Identity {
    Identity { pid: Pid::new(4711).unwrap(), started: StartTime(1) }
}

fn clean_end() -> End {
    End { outcome: Outcome::Code(0), last_words: None, left: Vec::new(), taken: None, blame: Blame::Nothing }
}

fn name(number: u16) -> ServiceName {
    ServiceName::parse(&format!("service-{number:04}")).unwrap()
}

fn service(number: u16, need: Option<u16>) -> spec::service::Service {
    let needs: Needs = need.map(|need| (name(need), Need::hard(Condition::Ready))).into_iter().collect();
    let command = spec::service::Command::new(vec!["/bin/true".to_owned()]).unwrap();
    spec::service::Service {
        ports: vec![Endpoint::tcp(Port::new(20_000 + number).unwrap())],
        depends_on: needs,
        ..spec::service::Service::plain(name(number), command, PathBuf::from("/"))
    }
}

fn supervisor() -> Supervisor {
    Supervisor {
        config: PathBuf::from("/services.toml"),
        state_dir: PathBuf::from("/state"),
        log_dir: PathBuf::from("/logs"),
        protected_ports: BTreeSet::new(),
        allowed_ports: BTreeSet::new(),
        also_kill: Vec::new(),
        exit_on: ExitOn::Never,
        pid_file: None,
        notify: Default::default(),
        log: OwnLog::default(),
        least: Least::default(),
        log_sockets: Sockets::default().into(),
        stops: StopOrder::ByNeeds,
    }
}
