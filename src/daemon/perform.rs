use std::collections::BTreeMap;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::AbortHandle;

use super::channels::Streams;
use super::charge::{Charge, Lead};
use super::engine::Engine;
use super::hangs;
use super::holdings;
use super::hooks::Call;
use super::last_words::{self, Beginning};
use super::look::{Look, look};
use super::mailbox::Message;
use super::notebook::Notebook;
use super::preflight::environment_of;
use super::warden::Warden;
use crate::machine::action::{Action, Change};
use crate::machine::event::{Event, Obstacle};
use crate::protocol::event::{Event as Told, ServiceChange, What};
use crate::spec::health::Aspect;
use crate::spec::hooks::Occasion;
use crate::spec::service::Service;
use crate::sys::cgroup::Cgroup;
use crate::sys::clock;
use crate::sys::handover::Handover;
use crate::sys::spawn::{Launch, spawn};
use crate::sys::tree::Reach;
use crate::vocab::identity::Identity;
use crate::vocab::mark::Began;
use crate::vocab::name::ServiceName;
use crate::vocab::run::{RunId, Tag};

/// A run to put a warden on.
pub(super) struct Guarded {
    pub(super) lead: Lead,
    pub(super) tag: Tag,
    pub(super) beginning: Beginning,
    pub(super) notebook: Notebook,
    pub(super) reach: Reach,
}

impl Engine {
    /// Does one thing that the machine asks for; returns what the machine must know at once.
    pub(super) fn perform(&mut self, action: Action) -> Option<Event> {
        match action {
            Action::Spawn { run, service } => {
                self.starts.push_back((run, service));
                None
            }
            Action::Hook { run, service, occasion, cause } => {
                self.hook(Call { run, service, occasion, cause });
                None
            }
            Action::CallOff { run } => self.call_off(run),
            Action::Stop { run, stop } => {
                self.log_stop(run);
                self.stop(run, stop);
                None
            }
            Action::Drain { run, service } => {
                self.drain(run, service);
                None
            }
            Action::Kill { run } => {
                self.log_kill(run);
                self.with_warden(run, Warden::kill);
                None
            }
            Action::Probe { run, service, aspect } => {
                self.probe(run, service, aspect);
                None
            }
            Action::LookAtPorts { service, known } => {
                let taken = self.still_taken(&service, known);
                Some(Event::PortsSeen { service: service.name.clone(), taken })
            }
            Action::FreePort { service, holder } => {
                self.free_port(&service, holder);
                None
            }
            Action::Measure { run } => {
                self.measure(run);
                None
            }
            Action::Publish(change) => {
                self.publish(change);
                None
            }
            Action::Answer { ticket, answer } => {
                self.answer(ticket, answer);
                None
            }
            Action::Forget(service) => {
                self.forget(&service);
                None
            }
        }
    }

    /// Begins runs that are due, until this has taken a while: everybody else has a turn between the starts of many.
    pub(super) fn make_starts(&mut self) {
        /// What anybody may have to wait for because of starts; each end of it may mean to write the journal.
        const TURN: Duration = Duration::from_millis(100);
        let until = clock::now().after(TURN);
        while let Some((run, service)) = self.starts.pop_front() {
            if let Some(event) = self.start(run, &service) {
                self.feed(event);
            }
            if clock::now() >= until {
                return;
            }
        }
    }

    /// Begins a run, with its `pre_start` if it has one; then what came of it is told when that is over.
    fn start(&mut self, run: RunId, service: &Arc<Service>) -> Option<Event> {
        if !service.hooks.contains_key(&Occasion::PreStart) {
            return Some(self.spawned(run, service));
        }
        if let Some(taken) = self.taken(service) {
            return Some(Event::NotSpawned { run, obstacle: Obstacle::PortTaken(taken) });
        }
        self.hook(Call { run, service: Arc::clone(service), occasion: Occasion::PreStart, cause: None });
        None
    }

    /// Makes the process of a run; says what came of it.
    pub(super) fn spawned(&mut self, run: RunId, service: &Arc<Service>) -> Event {
        match self.spawn(run, service) {
            Ok(identity) => Event::Spawned { run, identity },
            Err(obstacle) => Event::NotSpawned { run, obstacle },
        }
    }

    fn spawn(&mut self, run: RunId, service: &Arc<Service>) -> Result<Identity, Obstacle> {
        self.in_its_way(service).map_or(Ok(()), |taken| Err(Obstacle::PortTaken(taken)))?;
        self.hold_sockets(service)?;
        let tag = Tag { instance: self.paths.instance.clone(), service: service.name.clone(), run };
        let beginning = Beginning::at_end_of(&service.logs.stderr);
        let notebook = Notebook::of_new_run(service);
        let unix_ms = clock::unix_ms();
        let leader = self.launch(service, &tag).map_err(|why| {
            let why = self.why_in_own_words(service, why);
            self.roster.log_not_spawned(service, &why);
            Obstacle::Refused { why }
        })?;
        self.roster.log_spawned(service, run, leader);
        let lead = Lead::of_new_run(leader);
        self.guard(Guarded { lead, tag, beginning, notebook, reach: self.reach });
        self.inspect_later(run);
        let began = Began { v: Began::VERSION, began: run, unix_ms, pid: leader.pid };
        self.recorder.began(service.name.clone(), began);
        Ok(leader)
    }

    /// Puts a warden on a run, new or taken over.
    pub(super) fn guard(&mut self, found: Guarded) {
        let Guarded { lead, tag, beginning, notebook, reach } = found;
        let run = tag.run;
        self.times.started(&tag.service, lead.first());
        self.leaders.send_modify(|leaders| {
            leaders.insert(lead.main().pid);
        });
        let cgroup = self.cgroups.as_ref().map(|home| home.of(&tag)).filter(Cgroup::exists);
        let (leaders, orphans) = (self.leaders.subscribe(), Arc::clone(&self.orphans));
        let charge = Charge { lead, tag, beginning, reach, notebook, cgroup, leaders, orphans };
        let warden = Warden::watch(charge, self.pump.clone(), self.mailbox.clone());
        let before = self.wardens.insert(run, warden);
        assert!(before.is_none(), "a run has one warden, and run {run} had one");
    }

    /// A run is over, and its warden has gone.
    pub(super) fn dismiss(&mut self, run: RunId) {
        if let Some(look) = self.looks.remove(&run) {
            look.abort();
        }
        self.noted.remove(&run);
        self.switchboard.leave(run);
        self.end_hooks_of_life(run);
        if let Some(warden) = self.wardens.remove(&run) {
            let pid = warden.charge().lead.main().pid;
            self.leaders.send_modify(|leaders| {
                leaders.remove(&pid);
            });
        }
    }

    fn launch(&mut self, service: &Service, tag: &Tag) -> Result<Identity, String> {
        if service.notifies() {
            let told = |error| format!("cannot open the socket that it is to tell of itself to: {error}");
            self.listen_to_services().map_err(told)?;
        }
        let mut environment = self.environment_of(service, tag);
        if let Some(hold) = &service.hold {
            holdings::announce(hold, &self.paths.python, &mut environment);
        }
        hangs::announce(service, tag, &self.paths.python, &mut environment);
        let search = environment.get("PATH").map(String::as_str);
        let program = service
            .command
            .resolve(&service.directory, search)
            .ok_or_else(|| format!("cannot start: there is no program `{}`", service.command.program()))?;
        let Streams { stdin, stdout, stderr, line } =
            self.streams(service).map_err(|error| format!("cannot open its streams: {error}"))?;
        let handover = match (&service.hold, &stdin) {
            (Some(hold), _) => self.holdings.handover(hold),
            (None, Some(pipe)) => Handover::Stdin(pipe.as_fd()),
            (None, None) => Handover::Nothing,
        };
        self.limit_cpu(service, tag);
        let cgroup = self.cgroups.as_ref().map(|home| home.of(tag));
        let launch = Launch {
            program: &program,
            argument_zero: service.command.program(),
            arguments: service.command.arguments(),
            environment: &environment,
            directory: &service.directory,
            handover,
            stdout,
            stderr,
            rlimits: service.limits.rlimits,
            umask: service.umask,
            nice: service.nice,
            credentials: service.credentials(),
            cgroup: cgroup.as_ref(),
        };
        let leader = spawn(&launch).map_err(|error| error.to_string())?;
        if let (Some(line), Some(listener)) = (line, &service.listener) {
            self.join_listeners(tag.run, listener, line);
        }
        Ok(leader)
    }

    /// The environment of a run.
    pub(super) fn environment_of(&self, service: &Service, tag: &Tag) -> BTreeMap<String, String> {
        let mut environment = environment_of(&self.environment, service);
        self.add_notify_variables(service, &mut environment);
        environment.insert(Tag::VARIABLE.to_owned(), tag.to_string());
        environment
    }

    pub(super) fn with_warden(&self, run: RunId, order: impl FnOnce(&Warden)) {
        if let Some(warden) = self.wardens.get(&run) {
            order(warden);
        }
    }

    /// Looks at a run. An earlier look that is still under way asks what is not asked any more.
    fn probe(&mut self, run: RunId, service: Arc<Service>, aspect: Aspect) {
        let Some(warden) = self.wardens.get(&run) else { return };
        let charge = Arc::clone(warden.charge());
        let errand = self.errand(&service, aspect);
        let mailbox = self.mailbox.clone();
        let look = tokio::spawn(async move {
            let finding = look(Look { service, aspect, charge, errand }).await;
            mailbox.send(Message::Machine(Event::Probed { run, finding })).await;
        });
        if let Some(earlier) = self.looks.insert(run, look.abort_handle()) {
            earlier.abort();
        }
    }

    /// A look that is over needs nobody to call it off, and whoever could would keep all that it worked with.
    pub(super) fn forget_look(&mut self, event: &Event) {
        let Event::Probed { run, .. } = event else { return };
        if self.looks.get(run).is_some_and(AbortHandle::is_finished) {
            self.looks.remove(run);
        }
    }

    fn publish(&mut self, change: Change) {
        self.note_end_of_all(&change);
        self.log_change(&change);
        self.tell_listeners_of(&change);
        let service = &self.fleet.services().get(&change.service);
        let end = service.and_then(|it| it.last()).map(|last| &last.end);
        let told = ServiceChange {
            pid: service.and_then(|it| it.phase().live()).map(|live| live.identity.pid),
            second: service.and_then(|it| it.second()?.live()).map(|live| live.identity.pid),
            exit: end.map(|end| end.outcome),
            last_words: end.and_then(|end| end.last_words.clone()),
            service: change.service,
            state: change.state,
            previous: change.previous,
            health: change.health,
            reason: change.reason,
        };
        tracing::debug!(service = %told.service, state = %told.state, reason = told.reason, "changed");
        let unix_ms = clock::unix_ms();
        self.tell_targets(unix_ms, &told);
        self.mailbox.publish(Told { unix_ms, what: What::Service(told) });
    }

    /// The last lines of standard error of a service's last run.
    pub(super) fn last_stderr(&self, service: &ServiceName) -> Vec<String> {
        const LINES: usize = 10;
        let Some(service) = self.fleet.services().get(service) else { return Vec::new() };
        let warden = service.phase().live().and_then(|live| self.wardens.get(&live.run));
        match warden {
            Some(warden) => {
                let lines = warden.charge().beginning.lines_since(LINES);
                lines.iter().map(|line| last_words::shortened(line)).collect()
            }
            None if service.last().is_some() => last_words::last_lines(&service.spec().logs.stderr, LINES),
            None => Vec::new(),
        }
    }
}
