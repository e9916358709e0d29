use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use jiff::tz::TimeZone;

use crate::spec::age::MaxAge;
use crate::spec::fleet::Fleet;
use crate::spec::graph::{Bond, Condition, Need, Needs};
use crate::spec::health::{Budget, Check, Health, OnUnhealthy};
use crate::spec::hooks::{Hook, Hooks, Occasion};
use crate::spec::policy::{
    Backoff, EarlyExit, Growth, PortConflict, Recovery, RestartPolicy, StartLimit, Stop,
};
use crate::spec::replicas::Replica;
use crate::spec::schedule::{Missed, Overlap, Schedule, Task};
use crate::spec::service::{Command, Service};
use crate::spec::supervisor::{ExitOn, OwnLog, StopOrder, Supervisor};
use crate::spec::target::Targets;
use crate::spec::watch::Watch;
use crate::vocab::name::ServiceName;
use crate::vocab::port::{Endpoint, Port};
use crate::vocab::rlimits::Least;

/// What a tree may use where that is limited.
pub(super) const MEMORY_BYTES_MAX: u64 = 512_000_000;

/// Every name that a world knows. Those that begin with a `j` are jobs: they end by themselves if their policy lets
/// them, and only they are waited for to complete.
const NAMES: [&str; 8] = ["j0", "j1", "s2", "s3", "s4", "s5", "s6", "s7"];

pub(in crate::machine) fn name(text: &str) -> ServiceName {
    ServiceName::parse(text).unwrap()
}

pub(super) fn is_job(name: &ServiceName) -> bool {
    name.as_str().starts_with('j')
}

/// A service that declares nothing.
pub(in crate::machine) fn plain(text: &str) -> Service {
    let command = Command::new(vec!["true".to_owned()]).unwrap();
    Service {
        stop: Stop { timeout: Duration::from_secs(1), ..Stop::default() },
        min_uptime: Duration::from_millis(100),
        ..Service::plain(name(text), command, PathBuf::from("/"))
    }
}

pub(in crate::machine) fn fleet_of(services: Vec<Service>) -> Arc<Fleet> {
    fleet_that_stops(StopOrder::ByNeeds, services)
}

pub(in crate::machine) fn fleet_that_stops(stops: StopOrder, services: Vec<Service>) -> Arc<Fleet> {
    let supervisor = Supervisor {
        config: PathBuf::from("/services.toml"),
        state_dir: PathBuf::from("/"),
        log_dir: PathBuf::from("/"),
        protected_ports: BTreeSet::new(),
        allowed_ports: BTreeSet::new(),
        also_kill: Vec::new(),
        exit_on: ExitOn::Never,
        pid_file: None,
        notify: Targets::new(),
        log: OwnLog::default(),
        least: Least::default(),
        log_sockets: Arc::default(),
        stops,
    };
    Arc::new(Fleet::new(supervisor, services).unwrap())
}

pub(in crate::machine) fn port_of(number: u16) -> Endpoint {
    Endpoint::tcp(Port::new(number).unwrap())
}

pub(in crate::machine) fn health_of(port: u16) -> Health {
    Health {
        check: Check::Tcp { port: port_of(port) },
        interval: Duration::from_secs(2),
        timeout: Duration::from_secs(1),
        retries: 2,
        successes: 1,
        start_period: Duration::from_secs(1),
        on_unhealthy: OnUnhealthy::Report,
    }
}

/// A fleet of one to eight services.
pub(super) fn fleet(rng: &mut Rng) -> Arc<Fleet> {
    let mut names = NAMES;
    rng.shuffle(&mut names);
    let mut services: Vec<Service> = Vec::new();
    for text in &names[..rng.usize(1..=NAMES.len())] {
        let mut service = random(rng, text);
        service.depends_on = needs(rng, &services);
        services.push(service);
    }
    // Where nobody needs anybody, priorities say who ends first.
    if rng.u32(0..4) == 0 {
        services.iter_mut().for_each(|service| service.depends_on.clear());
    }
    fleet_that_stops(StopOrder::ByPriority, alike(services))
}

/// The fleet after somebody edited its file: services come, go, and change.
pub(super) fn edited(rng: &mut Rng, before: &Fleet) -> Arc<Fleet> {
    let order = before.graph().order().iter();
    let mut services: Vec<Service> = order.map(|name| (**before.service(name).unwrap()).clone()).collect();
    for _ in 0..rng.usize(1..=3) {
        match rng.u32(0..10) {
            0 | 1 => remove(rng, &mut services),
            2 | 3 => add(rng, &mut services),
            4 | 5 => edit_needs(rng, &mut services),
            _ => edit(rng, &mut services),
        }
    }
    fleet_that_stops(StopOrder::ByPriority, alike(services))
}

fn random_drain(rng: &mut Rng) -> Duration {
    if rng.bool() { Duration::ZERO } else { Duration::from_millis(rng.u64(1..2000)) }
}

/// Replicas say the same of how many are exchanged at once.
fn alike(mut services: Vec<Service>) -> Vec<Service> {
    let is_replica = |service: &Service| service.replica.of == name("s5");
    let limit = services.iter().find(|it| is_replica(it)).map_or(1, |it| it.max_unavailable);
    services.iter_mut().filter(|it| is_replica(it)).for_each(|it| it.max_unavailable = limit);
    services
}

fn random(rng: &mut Rng, text: &str) -> Service {
    let mut service = plain(text);
    let number: u16 = text[1..].parse().unwrap();
    if rng.u32(0..10) < 4 {
        service.ports = vec![port_of(3000 + number)];
    }
    service.on_port_conflict = random_conflict(rng);
    set_checks(rng, &mut service);
    service.restart = random_policy(rng, &service.name);
    service.recovery = if rng.u32(0..4) == 0 { Recovery::Smooth } else { Recovery::WithDependents };
    service.backoff = random_backoff(rng);
    service.restart_by_cause = rng.u32(0..4) > 0;
    service.hooks = random_hooks(rng);
    set_times(rng, &mut service);
    service.watch = (rng.u32(0..4) == 0).then(watch);
    service.limits.memory_bytes = (rng.u32(0..4) == 0).then_some(MEMORY_BYTES_MAX);
    service.stop.timeout = Duration::from_millis(rng.u64(50..3000));
    service.drain = random_drain(rng);
    service.min_uptime = Duration::from_millis(*rng.choice(&[1, 100, 1000]).unwrap());
    // Three of them may be replicas of one, which then share no port.
    if number >= 5 && rng.bool() {
        service.ports.clear();
        service.replica = Replica { of: name("s5"), number: u32::from(number - 4) };
        service.max_unavailable = rng.u32(1..=2);
    }
    service.autostart = rng.u32(0..10) < 8;
    service.priority = rng.i32(-1..=1);
    if rng.bool() {
        service.success_exit_codes.insert(3);
    }
    service
}

/// How often and how long it may run, and when. What a schedule starts is to end.
fn set_times(rng: &mut Rng, service: &mut Service) {
    let within = Duration::from_millis(rng.u64(1000..10_000));
    service.start_limit = (rng.u32(0..6) == 0).then(|| StartLimit { starts: rng.u32(1..=6), within });
    let age = Duration::from_millis(rng.u64(5000..40_000));
    service.max_age = (rng.u32(0..6) == 0).then_some(MaxAge { age, variance: 0.1 });
    service.schedule = (rng.u32(0..4) == 0).then(|| schedule(rng).into());
    if service.is_job() && service.restart == RestartPolicy::Always {
        service.restart = RestartPolicy::Never;
    }
}

/// The machine is told of its times and never asks for them, so that any cron expression will do.
fn schedule(rng: &mut Rng) -> Schedule {
    let task = match rng.u32(0..5) {
        0 | 1 => Task::Restart,
        2 => Task::Start(Overlap::Skip),
        3 => Task::Start(Overlap::Queue),
        _ => Task::Start(Overlap::Replace),
    };
    Schedule::new("* * * * *", TimeZone::UTC, task, Missed::Run).unwrap()
}

/// No check, one for both aspects, one for either, or one for each; some of them are kept up by the service itself.
fn set_checks(rng: &mut Rng, service: &mut Service) {
    let lot = rng.u32(0..10);
    service.ready = (lot < 3 || lot == 4).then(|| random_health(rng).into());
    service.live = match lot {
        0..=2 => service.ready.clone(),
        3 | 4 => Some(random_health(rng).into()),
        _ => None,
    };
}

fn random_health(rng: &mut Rng) -> Health {
    let watchdog = Some(Duration::from_secs(1));
    Health {
        check: if rng.bool() { Check::Notify { watchdog } } else { health_of(3000).check },
        interval: Duration::from_millis(rng.u64(1000..4000)),
        retries: rng.u32(1..=3),
        successes: rng.u32(1..=2),
        start_period: Duration::from_millis(rng.u64(0..1500)),
        on_unhealthy: match rng.u32(0..6) {
            0 => OnUnhealthy::Stop,
            1..=3 => OnUnhealthy::Restart(Budget {
                restarts_max: rng.u32(1..=3),
                within: Duration::from_millis(rng.u64(1000..20_000)),
            }),
            _ => OnUnhealthy::Report,
        },
        ..health_of(3000)
    }
}

fn random_conflict(rng: &mut Rng) -> PortConflict {
    match rng.u32(0..5) {
        0 => PortConflict::Fail,
        1 | 2 => PortConflict::Flush,
        _ => PortConflict::Wait,
    }
}

fn watch() -> Watch {
    Watch { paths: vec!["*".to_owned()], ignore: Vec::new(), debounce: Watch::DEBOUNCE }
}

/// Half of all services have no hook.
fn random_hooks(rng: &mut Rng) -> Hooks {
    let share = *rng.choice(&[0, 0, 3, 6]).unwrap_or(&0);
    let command = Command::new(vec!["true".to_owned()]).unwrap();
    let hook = Hook { command, timeout: Duration::from_millis(rng.u64(600..2000)) };
    let chosen = Occasion::ALL.into_iter().filter(|_| rng.u32(0..10) < share);
    chosen.map(|occasion| (occasion, hook.clone())).collect()
}

fn random_policy(rng: &mut Rng, name: &ServiceName) -> RestartPolicy {
    let always = if is_job(name) { 1 } else { 6 };
    match rng.u32(0..10) {
        lot if lot < always => RestartPolicy::Always,
        lot if lot % 2 == 0 => RestartPolicy::OnFailure,
        _ => RestartPolicy::Never,
    }
}

fn random_backoff(rng: &mut Rng) -> Backoff {
    Backoff {
        initial: Duration::from_millis(rng.u64(50..1000)),
        max: Duration::from_millis(rng.u64(1000..4000)),
        growth: if rng.bool() { Growth::Linear } else { Growth::Factor(f64::from(rng.u32(2..=6)) / 2.0) },
        jitter: *rng.choice(&[0.0, 0.5, 1.0]).unwrap_or(&0.0),
        reset_after: Duration::from_millis(rng.u64(1000..20_000)),
        max_retries: rng.u32(0..=4),
        early_exit: if rng.bool() { EarlyExit::Judged } else { EarlyExit::Failed },
    }
}

fn needs(rng: &mut Rng, earlier: &[Service]) -> Needs {
    let mut needs = Needs::new();
    for service in earlier.iter().filter(|_| rng.u32(0..10) < 4).collect::<Vec<_>>() {
        let condition = match rng.u32(0..4) {
            0 => Condition::Started,
            1 | 2 if is_job(&service.name) => Condition::Completed,
            _ => Condition::Ready,
        };
        let bond = if rng.u32(0..4) == 0 { Bond::Soft } else { Bond::Hard };
        needs.insert(service.name.clone(), Need { condition, bond });
    }
    needs
}

fn remove(rng: &mut Rng, services: &mut Vec<Service>) {
    let gone = services.remove(rng.usize(0..services.len()));
    for service in services.iter_mut() {
        service.depends_on.remove(&gone.name);
    }
    if services.is_empty() {
        services.push(gone);
    }
}

fn add(rng: &mut Rng, services: &mut Vec<Service>) {
    let missing = NAMES.iter().filter(|text| services.iter().all(|service| service.name.as_str() != **text));
    let missing: Vec<&str> = missing.copied().collect();
    let Some(text) = rng.choice(missing) else { return };
    let at = rng.usize(0..=services.len());
    let mut service = random(rng, text);
    service.depends_on = needs(rng, &services[..at]);
    services.insert(at, service);
}

fn edit_needs(rng: &mut Rng, services: &mut [Service]) {
    let at = rng.usize(0..services.len());
    services[at].depends_on = needs(rng, &services[..at]);
}

fn edit(rng: &mut Rng, services: &mut [Service]) {
    let at = rng.usize(0..services.len());
    let service = &mut services[at];
    let number: u16 = service.name.as_str()[1..].parse().unwrap();
    match rng.u32(0..13) {
        0 => {
            service.env.insert("EDITION".to_owned(), rng.u32(0..100).to_string());
        }
        1 | 2 => set_checks(rng, service),
        3 => service.ports = Vec::new(),
        4 => service.ports = vec![port_of(3000 + number)],
        5 => {
            service.restart = random_policy(rng, &service.name);
            set_times(rng, service);
        }
        6 => service.backoff = random_backoff(rng),
        8 => service.on_port_conflict = random_conflict(rng),
        9 => service.hooks = random_hooks(rng),
        10 => service.limits.memory_bytes = rng.bool().then_some(MEMORY_BYTES_MAX),
        11 => service.drain = random_drain(rng),
        7 => service.min_uptime = Duration::from_millis(rng.u64(1..2000)),
        _ => service.autostart = !service.autostart,
    }
}
