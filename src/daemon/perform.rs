use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use super::engine::Engine;
use super::last_words::Beginning;
use super::look::look;
use super::mailbox::Message;
use super::warden::{Charge, Warden};
use crate::logs::pump::{Attachment, Stream, StreamKey};
use crate::machine::action::{Action, Change};
use crate::machine::event::{Event, Obstacle};
use crate::ports::holder;
use crate::protocol::event::{Event as Told, ServiceChange, What};
use crate::rundir::channel;
use crate::spec::fleet::Fleet;
use crate::spec::service::Service;
use crate::sys::cgroup::Cgroup;
use crate::sys::spawn::{Credentials, Launch, spawn};
use crate::sys::tree::Reach;
use crate::sys::{clock, listeners};
use crate::vocab::identity::Identity;
use crate::vocab::name::ServiceName;
use crate::vocab::port::Port;
use crate::vocab::run::{Instance, RunId, Tag};

/// A process to put a warden on.
pub(super) struct Guarded {
    pub(super) leader: Identity,
    pub(super) tag: Tag,
    pub(super) beginning: Beginning,
    pub(super) reach: Reach,
}

impl Engine {
    /// Does one thing that the machine asks for; returns what the machine must know at once.
    pub(super) fn perform(&mut self, action: Action) -> Option<Event> {
        match action {
            Action::Spawn { run, service } => Some(match self.spawn(run, &service) {
                Ok(identity) => Event::Spawned { run, identity },
                Err(obstacle) => Event::NotSpawned { run, obstacle },
            }),
            Action::Stop { run, signal } => {
                self.with_warden(run, |warden| warden.stop(signal));
                None
            }
            Action::Kill { run } => {
                self.with_warden(run, Warden::kill);
                None
            }
            Action::Probe { run, service } => {
                self.probe(run, service);
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

    /// Makes the channels of every service and hands their readers to the pump; a service that cannot have them says
    /// so when it is started.
    pub(super) fn declare_channels(&self, fleet: &Fleet) {
        for service in fleet.services().values() {
            if let Err(error) = self.declare_channel_pair(service) {
                tracing::warn!(service = %service.name, %error, "cannot make its log channels");
            }
        }
    }

    fn declare_channel_pair(&self, service: &Service) -> io::Result<()> {
        let pairs = [
            (Stream::Stdout, self.paths.stdout_channel(&service.name), &service.logs.stdout),
            (Stream::Stderr, self.paths.stderr_channel(&service.name), &service.logs.stderr),
        ];
        let lives = self.fleet.services().get(&service.name).is_some_and(|it| it.phase().live().is_some());
        for (stream, channel, file) in pairs {
            let key = StreamKey { service: service.name.clone(), stream };
            let rotation = service.logs.rotation;
            if lives && !channel.exists() {
                // A new pipe would be read in the place of the one that its process writes into.
                self.pump.configure(key, file.clone(), rotation);
                continue;
            }
            self.pump.attach(
                key,
                Attachment { pipe: channel::open_reader(&channel)?, file: file.clone(), rotation },
            );
        }
        Ok(())
    }

    fn forget(&self, service: &ServiceName) {
        for stream in [Stream::Stdout, Stream::Stderr] {
            self.pump.detach(StreamKey { service: service.clone(), stream });
        }
    }

    fn spawn(&mut self, run: RunId, service: &Arc<Service>) -> Result<Identity, Obstacle> {
        ports_are_free(service)?;
        let tag = Tag { instance: self.paths.instance.clone(), service: service.name.clone(), run };
        let beginning = Beginning::at_end_of(&service.logs.stderr);
        let leader = self.launch(service, &tag).map_err(|why| {
            tracing::warn!(service = %service.name, %why, "cannot start");
            Obstacle::Refused { why }
        })?;
        tracing::info!(service = %service.name, pid = leader.pid.as_raw(), %run, "started");
        self.guard(Guarded { leader, tag, beginning, reach: self.reach });
        Ok(leader)
    }

    /// Puts a warden on a process, new or taken over.
    pub(super) fn guard(&mut self, found: Guarded) {
        let Guarded { leader, tag, beginning, reach } = found;
        let run = tag.run;
        self.leaders.send_modify(|leaders| {
            leaders.insert(leader.pid);
        });
        let cgroup = self.cgroups.as_ref().map(|home| home.of(&tag)).filter(Cgroup::exists);
        let charge = Charge { leader, tag, beginning, reach, cgroup, leaders: self.leaders.subscribe() };
        let warden = Warden::watch(charge, self.pump.clone(), self.mailbox.clone());
        let before = self.wardens.insert(run, warden);
        assert!(before.is_none(), "a run has one warden, and run {run} had one");
    }

    /// A run is over, and its warden has gone.
    pub(super) fn dismiss(&mut self, run: RunId) {
        if let Some(warden) = self.wardens.remove(&run) {
            let pid = warden.charge().leader.pid;
            self.leaders.send_modify(|leaders| {
                leaders.remove(&pid);
            });
        }
    }

    fn launch(&self, service: &Service, tag: &Tag) -> Result<Identity, String> {
        let environment = self.environment_of(service, tag);
        let search = environment.get("PATH").map(String::as_str);
        let program = service
            .command
            .resolve(&service.directory, search)
            .ok_or_else(|| format!("cannot start: there is no program `{}`", service.command.program()))?;
        let [stdout, stderr] =
            self.outputs(service).map_err(|error| format!("cannot open its log channels: {error}"))?;
        let cgroup = self.cgroups.as_ref().map(|home| home.of(tag));
        let launch = Launch {
            program: &program,
            argument_zero: service.command.program(),
            arguments: service.command.arguments(),
            environment: &environment,
            directory: &service.directory,
            stdout,
            stderr,
            umask: service.umask,
            nice: service.nice,
            credentials: service.user.as_ref().map(|user| Credentials {
                uid: user.uid,
                gid: user.gid,
                groups: user.groups.clone(),
            }),
            cgroup: cgroup.as_ref(),
        };
        spawn(launch).map_err(|error| error.to_string())
    }

    /// The service's ends of its channels. A run directory that was wiped is made again, and the pump follows.
    fn outputs(&self, service: &Service) -> io::Result<[OwnedFd; 2]> {
        let open = || -> io::Result<[OwnedFd; 2]> {
            Ok([
                channel::open_writer(&self.paths.stdout_channel(&service.name))?,
                channel::open_writer(&self.paths.stderr_channel(&service.name))?,
            ])
        };
        open().or_else(|_| {
            self.paths.prepare().map_err(io::Error::other)?;
            self.declare_channel_pair(service)?;
            open()
        })
    }

    fn environment_of(&self, service: &Service, tag: &Tag) -> BTreeMap<String, String> {
        let mut environment = self.environment.variables().clone();
        if let Some(user) = &service.user {
            environment.insert("HOME".to_owned(), user.home.display().to_string());
            environment.insert("USER".to_owned(), user.name.clone());
            environment.insert("LOGNAME".to_owned(), user.name.clone());
        }
        environment.remove(Instance::VARIABLE);
        environment.extend(service.env.clone());
        environment.insert("PROCMAN_SERVICE".to_owned(), service.name.to_string());
        environment.insert(Tag::VARIABLE.to_owned(), tag.to_string());
        environment
    }

    fn with_warden(&self, run: RunId, order: impl FnOnce(&Warden)) {
        if let Some(warden) = self.wardens.get(&run) {
            order(warden);
        }
    }

    fn probe(&self, run: RunId, service: Arc<Service>) {
        let Some(warden) = self.wardens.get(&run) else { return };
        let charge = warden.charge().clone();
        let mailbox = self.mailbox.clone();
        tokio::spawn(async move {
            let finding = look(service, charge).await;
            mailbox.send(Message::Machine(Event::Probed { run, finding })).await;
        });
    }

    fn publish(&mut self, change: Change) {
        self.note_end_of_all(&change);
        let service = &self.fleet.services().get(&change.service);
        let told = ServiceChange {
            pid: service.and_then(|it| it.phase().live()).map(|live| live.identity.pid),
            exit: service.and_then(|it| it.last()).map(|last| last.end.outcome),
            service: change.service,
            state: change.state,
            previous: change.previous,
            health: change.health,
            reason: change.reason,
        };
        tracing::debug!(service = %told.service, state = %told.state, reason = told.reason, "changed");
        self.mailbox.publish(Told { unix_ms: clock::unix_ms(), what: What::Service(told) });
    }

    /// The last lines of standard error of a service's last run.
    pub(super) fn last_stderr(&self, service: &ServiceName) -> Vec<String> {
        const LINES: usize = 10;
        let Some(service) = self.fleet.services().get(service) else { return Vec::new() };
        let warden = service.phase().live().and_then(|live| self.wardens.get(&live.run));
        match warden {
            Some(warden) => warden.charge().beginning.lines_since(LINES),
            None if service.last().is_some() => {
                const BYTES: u64 = 64 * 1024;
                crate::logs::tail::last_lines(&service.spec().logs.stderr, LINES, BYTES).unwrap_or_default()
            }
            None => Vec::new(),
        }
    }
}

/// Nobody may listen on a declared port before the service itself does.
fn ports_are_free(service: &Service) -> Result<(), Obstacle> {
    if service.ports.is_empty() {
        return Ok(());
    }
    let wanted: BTreeSet<Port> = service.ports.iter().copied().collect();
    let taken = match listeners::on(&wanted) {
        Ok(listening) => listening.first().map(|listener| listener.port),
        Err(error) => {
            tracing::debug!(%error, "cannot look at ports before a start; the service will find out");
            None
        }
    };
    match taken {
        None => Ok(()),
        Some(port) => Err(Obstacle::PortTaken { port, holder: holder::words_for(port) }),
    }
}
