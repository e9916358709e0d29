use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use tokio::sync::oneshot;

use super::causes::askers::Asker;
use super::engine::{Engine, ending_problem};
use super::log_daemons;
use super::mailbox::Message;
use crate::config::change::{Changed, Difference, Effect};
use crate::config::environment::Environment;
use crate::config::supervisord::overrides;
use crate::machine::event::{Command, Event};
use crate::probe::preflight::{Foresight, foresee};
use crate::protocol::command::{Rehearsal, ReloadOrder};
use crate::protocol::reply::{ReloadReport, Report, ServiceResult, Verdict};
use crate::spec::fleet::Fleet;
use crate::spec::policy::PortConflict;
use crate::spec::replicas::Replica;
use crate::spec::service::{Service, User};
use crate::sys::listeners::{self, Held, Index, Listener};
use crate::sys::writable;
use crate::vocab::name::ServiceName;
use crate::vocab::port::Whose;
use crate::vocab::run::{Instance, Tag};
use crate::vocab::state::State;

/// What can be told of the starts of services, by name.
pub type Foresights = BTreeMap<ServiceName, Foresight>;

/// A config that was read and proven, and is applied once its services are known to start.
#[derive(Debug)]
pub struct Reading {
    /// What was asked for.
    pub order: ReloadOrder,
    /// Who asked.
    pub asker: Asker,
    /// The text of the file.
    pub text: String,
    /// What it says.
    pub fleet: Fleet,
    /// How that differs from what runs.
    pub difference: Difference,
}

/// Looks at the starts of services, all at once, with the environment that a supervisor would have.
pub async fn foresee_all(services: Vec<Arc<Service>>, environment: &Environment) -> Foresights {
    let starts: Vec<_> =
        services.iter().map(|service| (&**service, environment_of(environment, service))).collect();
    let found = foresee(&starts).await;
    services.iter().map(|service| service.name.clone()).zip(found).collect()
}

/// What of its own environment a supervisor passes on: all but its marks.
pub(super) fn passed_on(supervisor: &Environment) -> BTreeMap<String, String> {
    let mut environment = supervisor.variables().clone();
    for mark in [Instance::VARIABLE, Tag::VARIABLE, overrides::VARIABLE, overrides::STARTED_IN] {
        environment.remove(mark);
    }
    environment
}

/// The environment of a service, but for its tag.
pub(super) fn environment_of(supervisor: &Environment, service: &Service) -> BTreeMap<String, String> {
    let mut environment = passed_on(supervisor);
    let login = service.user.iter().flat_map(User::variables);
    environment.extend(login.map(|(name, value)| (name.to_owned(), value)));
    environment.extend(service.env.clone());
    environment.insert("PROCMAN_SERVICE".to_owned(), service.name.to_string());
    environment.insert(Replica::VARIABLE.to_owned(), service.replica.number.to_string());
    environment
}

/// Why no log files can be made in a directory, and the way out, if that can be told.
pub fn closed_log_dir(directory: &Path) -> Option<String> {
    let closed = writable::look_at_directory(directory).err()?.words();
    Some(format!("the log directory {closed}; name another by `log_dir` of [supervisor]"))
}

/// The problems of all, a line each.
pub fn lines(found: &Foresights) -> Vec<String> {
    let line = |(name, foresight): (&ServiceName, &Foresight)| {
        // What holds for both of its streams is said once.
        let mut problems: Vec<&String> = foresight.problems.iter().collect();
        problems.dedup();
        problems.into_iter().map(|problem| format!("{name}: {problem}")).collect::<Vec<_>>()
    };
    found.iter().flat_map(line).collect()
}

impl Engine {
    /// Restarts services, unless one of them would not start again: then none is touched.
    pub(super) fn restart(&mut self, command: Command, answer: oneshot::Sender<Report>) {
        let services = command.services.iter().filter_map(|name| self.fleet.spec().service(name));
        let services: Vec<Arc<Service>> = services.cloned().collect();
        self.look_at_starts(services, |found| Message::Foreseen(command, answer, found));
    }

    /// Says whether the services that live would start again by the config as it is, if all were stopped and those with
    /// `autostart` started. One that rests stands in nobody's way, whatever its start comes to.
    pub(super) fn foresee_restart(&mut self, answer: oneshot::Sender<Result<(), String>>) {
        let fresh = match self.read_config() {
            Ok((_, fresh)) => fresh,
            Err(problems) => return drop(answer.send(Err(problems))),
        };
        let comes_back = |service: &&Arc<Service>| service.autostart && self.lives(&service.name);
        let services = fresh.services().values().filter(comes_back).cloned().collect();
        let starts = self.starts(services);
        tokio::spawn(async move {
            let found = starts.await;
            note_remarks(&found);
            let problems = lines(&found);
            // Whoever asked may have left.
            let _ = answer.send(if problems.is_empty() { Ok(()) } else { Err(problems.join("\n")) });
        });
    }

    /// Looks at the starts of services while everything else goes on, and hears of it by a message.
    fn look_at_starts(
        &mut self,
        services: Vec<Arc<Service>>,
        message: impl FnOnce(Foresights) -> Message + Send + 'static,
    ) {
        let (starts, mailbox) = (self.starts(services), self.mailbox.clone());
        tokio::spawn(async move { mailbox.send(message(starts.await)).await });
    }

    /// What can be told of the starts of services, but of those that are not to be looked at.
    fn starts(&mut self, mut services: Vec<Arc<Service>>) -> impl Future<Output = Foresights> + Send + use<> {
        services.retain(|service| service.preflight);
        let environment = self.environment.clone();
        let unobtainable = self.unobtainable(&services);
        let away = log_daemons::away(&services, &self.fleet.spec().supervisor().log_sockets);
        async move {
            let mut found = foresee_all(services, &environment).await;
            add(&mut found, unobtainable);
            remark(&mut found, away);
            found
        }
    }

    fn lives(&self, name: &ServiceName) -> bool {
        self.fleet.services().get(name).is_some_and(|service| service.phase().live().is_some())
    }

    /// The starts of services that are to be restarted have been looked at.
    pub(super) fn restart_foreseen(
        &mut self,
        command: Command,
        answer: oneshot::Sender<Report>,
        found: &Foresights,
    ) {
        note_remarks(found);
        let mut problems = lines(found);
        if self.is_ending() {
            problems.push(ending_problem().what);
        }
        if problems.is_empty() {
            self.replies.insert(command.ticket, answer);
            self.feed(Event::Command(command));
            return;
        }
        self.askers.call_off(&command.services);
        let others = format!("not touched, because of {}", problems.join("; "));
        let results = command.services.into_iter().map(|service| {
            let own = found.get(&service).map(|own| own.problems.join("; ")).filter(|own| !own.is_empty());
            let state = self.fleet.services().get(&service).map_or(State::Stopped, |it| it.state());
            let reason =
                Some(own.map_or_else(|| others.clone(), |own| format!("would not start again: {own}")));
            ServiceResult { service, verdict: Verdict::Failed, state, reason, stderr: Vec::new() }
        });
        // Whoever asked may have left.
        let _ = answer.send(Report { results: results.collect() });
    }

    /// Applies a config, unless a service whose run it replaces would not start again.
    pub(super) fn replace(&mut self, reading: Reading, answer: oneshot::Sender<ReloadReport>) {
        let is_replaced =
            |changed: &&Changed| changed.effect == Effect::NewRun && self.lives(&changed.service);
        let replaced = reading.difference.changed.iter().filter(is_replaced);
        let services = replaced.filter_map(|changed| reading.fleet.service(&changed.service));
        let services: Vec<Arc<Service>> = services.cloned().collect();
        self.look_at_starts(services, |found| Message::Replace(Box::new(reading), answer, found));
    }

    /// The starts that a new config brings have been looked at.
    pub(super) fn replace_foreseen(
        &mut self,
        reading: Reading,
        answer: oneshot::Sender<ReloadReport>,
        found: &Foresights,
    ) {
        note_remarks(found);
        let difference = &reading.difference;
        let mut report = ReloadReport {
            differences: self.reload_lines(difference, &reading.fleet),
            needs_restart: difference.lines_for_supervisor(),
            preflight: lines(found),
            problems: None,
        };
        // What the next supervisor goes by may differ from the file where what runs does not.
        let is_news = !difference.is_empty() || reading.text != self.applied.text;
        let is_applied = reading.order.run == Rehearsal::Real && is_news;
        if self.is_ending() {
            report = ReloadReport { problems: Some(ending_problem().what), ..ReloadReport::default() };
        } else if is_applied && report.preflight.is_empty() {
            self.apply(reading);
        }
        let _ = answer.send(report);
    }

    /// Ports that somebody holds who does not go by himself and is not made to. Most services hold their own, which one
    /// look at all of them tells; only for the rest every process of the machine is looked at.
    fn unobtainable(&mut self, services: &[Arc<Service>]) -> Vec<(ServiceName, String)> {
        let trees = self.trees();
        let wanted = services.iter().flat_map(|service| service.ports.iter().copied()).collect();
        let listening = listeners::on(&wanted).unwrap_or_default();
        let index = Index::of(&listening);
        let mut is_its_own = |service: &Service| {
            let tree = trees.get(&service.name).into_iter().flatten();
            let pids = tree.map(|process| process.identity.pid);
            let held: Vec<Held> =
                pids.flat_map(|pid| index.held(pid, self.known.sockets(pid).iter().copied(), 0)).collect();
            let is_held = |listener: &Listener| held.iter().any(|held| held.endpoint == listener.endpoint);
            let on_ports = |it: &&Listener| service.ports.iter().any(|port| port.overlaps(&it.endpoint));
            !listening.is_empty() && listening.iter().filter(on_ports).all(is_held)
        };
        let others: Vec<&Arc<Service>> = services.iter().filter(|service| !is_its_own(service)).collect();
        let problem = |service: &Arc<Service>| {
            let taken = self.taken(service)?;
            let goes = match (&taken.whose, service.on_port_conflict) {
                (Whose::Live(_) | Whose::Supervisor, _) | (_, PortConflict::Flush) => true,
                (Whose::Stray(_), PortConflict::Wait) => true,
                (Whose::Stray(_), PortConflict::Fail) => false,
                (Whose::Foreign, PortConflict::Wait | PortConflict::Fail) => false,
            };
            (!goes)
                .then(|| (service.name.clone(), format!("port {} is held by {}", taken.port, taken.holder)))
        };
        others.into_iter().filter_map(problem).collect()
    }
}

/// Adds problems that were found in other ways.
pub fn add(found: &mut Foresights, problems: Vec<(ServiceName, String)>) {
    for (service, problem) in problems {
        found.entry(service).or_default().problems.push(problem);
    }
}

/// Adds what keeps nobody from starting.
pub fn remark(found: &mut Foresights, remarks: Vec<(ServiceName, String)>) {
    for (service, remark) in remarks {
        found.entry(service).or_default().remarks.push(remark);
    }
}

fn note_remarks(found: &Foresights) {
    for (service, foresight) in found {
        for remark in &foresight.remarks {
            tracing::info!(%service, remark, "not all of a start can be foreseen");
        }
    }
}
