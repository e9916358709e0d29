use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::AbortHandle;

use super::causes::askers::Askers;
use super::causes::recorder::Recorder;
use super::diary::Diary;
use super::disk::Disk;
use super::exit_on::Underway;
use super::groups::Pending;
use super::guardianship::Hire;
use super::holdings::Holdings;
use super::hooks::Hooks;
use super::http::serve::Door;
use super::listeners::switchboard::Switchboard;
use super::mailbox::{self, Mailbox, Message};
use super::meter::Meter;
use super::notes::{Inspections, Note};
use super::notify::Listening;
use super::orphans::Orphans;
use super::processes::{Processes, Times};
use super::quiet::quiet_after;
use super::repairs::Repairs;
use super::roster::Roster;
use super::schedule::Schedules;
use super::signals::Wish;
use super::targets::Tellers;
use super::warden::Warden;
use super::watch::Watches;
use crate::config::environment::Environment;
use crate::logs::pump::Pump;
use crate::logs::tap::Heard;
use crate::machine::event::{Command, Event, Verb};
use crate::machine::fleet::Fleet;
use crate::machine::ticket::TicketId;
use crate::protocol::command::Fate;
use crate::protocol::problem::{Kind, Problem};
use crate::protocol::reply::Report;
use crate::rundir::applied::Applied;
use crate::rundir::paths::Paths;
use crate::spec::listener::EventType;
use crate::spec::service::Service;
use crate::sys::known::Known;
use crate::sys::stash::Stash;
use crate::sys::tree::Reach;
use crate::sys::{cgroup, clock};
use crate::vocab::cause::By;
use crate::vocab::identity::{Identity, Pid};
use crate::vocab::moment::Moment;
use crate::vocab::name::ServiceName;
use crate::vocab::run::RunId;

/// The sole owner of the supervisor's state. Everything reaches it as a message; it never waits for anything but those
/// and the machine's next deadline.
pub struct Engine {
    pub(super) fleet: Fleet,
    pub(super) paths: Paths,
    pub(super) reach: Reach,
    pub(super) environment: Environment,
    pub(super) wardens: BTreeMap<RunId, Warden>,
    pub(super) leaders: watch::Sender<BTreeSet<Pid>>,
    pub(super) orphans: Arc<Orphans>,
    /// Runs that are due to begin.
    pub(super) starts: VecDeque<(RunId, Arc<Service>)>,
    /// Looks that are under way.
    pub(super) looks: BTreeMap<RunId, AbortHandle>,
    pub(super) hooks: Hooks,
    pub(super) watches: Watches,
    pub(super) repairs: Repairs,
    /// The stacks of runs that hung and are to end.
    pub(super) stacks: BTreeMap<RunId, Vec<String>>,
    pub(super) schedules: Schedules,
    pub(super) tellers: Tellers,
    pub(super) disk: Disk,
    pub(super) listening: Option<Listening>,
    /// Who is told of events.
    pub(super) switchboard: Switchboard,
    pub(super) holdings: Holdings,
    pub(super) pump: Pump,
    pub(super) mailbox: Mailbox,
    pub(super) diary: Diary,
    pub(super) recorder: Recorder,
    pub(super) askers: Askers,
    pub(super) meter: Meter,
    /// What looks at processes have read.
    pub(super) known: Known,
    /// What is notable of the ports of live runs.
    pub(super) noted: BTreeMap<RunId, Vec<Note>>,
    /// When everything was looked at last.
    pub(super) looked_around: Option<Moment>,
    pub(super) started: Moment,
    /// When its services were started and ended last.
    pub(super) times: Times,
    /// The last look at the processes, until something happens.
    pub(super) seen: Option<Arc<Processes>>,
    /// What supervisord's clients call the services.
    pub(super) roster: Arc<Roster>,
    /// The config that was read last and is not applied, in supervisord's way.
    pub(super) pending: Option<Pending>,
    pub(super) guardian: Option<Identity>,
    /// The config that it acts on, as a successor will find it.
    pub(super) applied: Applied,
    pub(super) stash: Stash,
    /// Where each run has a cgroup of its own, if this system and this user may have them.
    pub(super) cgroups: Option<cgroup::Home>,
    pub(super) door: Door,
    /// How to get another guardian.
    pub(super) hire: Hire,
    pub(super) config: PathBuf,
    pub(super) inbox: mpsc::Receiver<Message>,
    pub(super) heard: mpsc::Receiver<Heard>,
    pub(super) replies: BTreeMap<TicketId, oneshot::Sender<Report>>,
    pub(super) ending: Ending,
    /// The exit code with which a service ends all, by `exit_on`, and whether that is under way.
    pub(super) end_of_all: Option<(u8, Underway)>,
    /// When memory is given back, if it was used since the last time.
    pub(super) busy_until: Option<Moment>,
    pub(super) inspections: Inspections,
}

/// What an engine is made of.
pub struct Parts {
    /// The machine, knowing the config.
    pub fleet: Fleet,
    /// Where its files lie.
    pub paths: Paths,
    /// Where the processes of its runs are when their parents have gone.
    pub reach: Reach,
    /// The environment it was started with.
    pub environment: Environment,
    /// Its guardian, if it has one.
    pub guardian: Option<Identity>,
    /// The config that it acts on.
    pub applied: Applied,
    /// Where pipes are held open beyond its end.
    pub stash: Stash,
    /// The sockets that are held for services.
    pub holdings: Holdings,
    /// Where its runs have cgroups, if they have any.
    pub cgroups: Option<cgroup::Home>,
    /// The log pump.
    pub pump: Pump,
    /// What it tells of streams.
    pub heard: mpsc::Receiver<Heard>,
    /// The control socket.
    pub door: Door,
    /// How to get another guardian.
    pub hire: Hire,
    /// The way to it.
    pub mailbox: Mailbox,
    /// Its end of that way.
    pub inbox: mpsc::Receiver<Message>,
    /// The journal.
    pub diary: Diary,
    /// What supervisord's clients call the services.
    pub roster: Arc<Roster>,
    /// The records of beginnings and ends.
    pub recorder: Recorder,
}

/// How a supervisor ended in peace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// What became of the services.
    pub fate: Fate,
    /// The exit code that says why; 0 unless the config asks for another.
    pub code: u8,
}

/// Whether the supervisor is about to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// It is not.
    NotYet,
    /// When this ticket is answered.
    After(TicketId),
    /// At once.
    Over(Fate),
}

impl Engine {
    /// An engine at rest.
    pub fn new(parts: Parts) -> Self {
        let config = parts.fleet.spec().supervisor().config.clone();
        let disk = Disk::new(parts.fleet.spec(), parts.fleet.spec());
        Self {
            fleet: parts.fleet,
            paths: parts.paths,
            reach: parts.reach,
            environment: parts.environment,
            wardens: BTreeMap::new(),
            leaders: watch::Sender::new(BTreeSet::new()),
            orphans: Arc::default(),
            starts: VecDeque::new(),
            looks: BTreeMap::new(),
            hooks: Hooks::default(),
            watches: Watches::default(),
            repairs: Repairs::default(),
            stacks: BTreeMap::new(),
            schedules: Schedules::default(),
            tellers: Tellers::default(),
            disk,
            listening: None,
            switchboard: Switchboard::default(),
            holdings: parts.holdings,
            pump: parts.pump,
            heard: parts.heard,
            mailbox: parts.mailbox,
            diary: parts.diary,
            recorder: parts.recorder,
            askers: Askers::default(),
            meter: Meter::default(),
            known: Known::default(),
            noted: BTreeMap::new(),
            looked_around: None,
            started: clock::now(),
            times: Times::default(),
            seen: None,
            roster: parts.roster,
            pending: None,
            guardian: parts.guardian,
            applied: parts.applied,
            stash: parts.stash,
            cgroups: parts.cgroups,
            door: parts.door,
            hire: parts.hire,
            config,
            inbox: parts.inbox,
            replies: BTreeMap::new(),
            ending: Ending::NotYet,
            end_of_all: None,
            busy_until: Some(quiet_after(clock::now())),
            inspections: Inspections::default(),
        }
    }

    /// Runs until the supervisor is to end; says whether its services were left alive.
    pub async fn run(mut self) -> (Ended, Pump) {
        self.watch_guardian();
        // A successor that finds no journal knows that it was lost.
        self.diary.keep(&self.fleet);
        loop {
            let message = self.next_change().await;
            if let Some(Message::Ended(_)) = message {
                // Runs end in crowds: all that ended by the next look for events is written down at once.
                tokio::task::yield_now().await;
            }
            self.take(message);
            while let Ok(message) = self.inbox.try_recv() {
                self.note_use(&message);
                self.forget_seen(&message);
                self.take(Some(message));
            }
            self.seen = None;
            self.make_starts();
            self.end_if_config_says_so();
            self.holdings.keep_wanted(&self.fleet);
            self.repairs.keep_awaited(&self.fleet);
            self.diary.keep(&self.fleet);
            if let Ending::Over(fate) = self.ending {
                std::mem::take(&mut self.tellers).finish().await;
                return (Ended { fate, code: self.end_of_all.map_or(0, |(code, _)| code) }, self.pump);
            }
        }
    }

    /// The next message; none when the machine's deadline comes first, there are runs to begin, or all is over.
    pub(super) async fn next_message(&mut self) -> Option<Message> {
        if !self.starts.is_empty() || matches!(self.ending, Ending::Over(_)) {
            tokio::task::yield_now().await;
            return self.inbox.try_recv().ok();
        }
        loop {
            let now = clock::now();
            if let Some(run) = self.inspections.take_due(now) {
                return Some(Message::Inspect(run));
            }
            let deadline = self.fleet.deadline();
            let trim = self.busy_until.map(|until| (until, "memory is given back"));
            let Some((at, why)) = deadline.into_iter().chain(trim).chain(self.inspections.next()).min()
            else {
                return mailbox::receive(&mut self.inbox, &mut self.heard).await;
            };
            let wait = at.since(now);
            tracing::trace!(?wait, why, "next deadline");
            tokio::select! {
                biased;
                message = mailbox::receive(&mut self.inbox, &mut self.heard) => return message,
                () = tokio::time::sleep(wait) => (),
            }
            if deadline.is_some_and(|(due, _)| due == at) {
                return None;
            }
            if trim.is_some_and(|(due, _)| due == at) {
                self.give_back();
            }
        }
    }

    pub(super) fn take(&mut self, message: Option<Message>) {
        match message {
            None => self.feed(Event::Tick),
            Some(Message::Machine(Event::Abandoned(ticket))) => self.abandon(ticket),
            Some(Message::Machine(event)) => {
                self.forget_look(&event);
                self.feed(event);
            }
            Some(Message::Ended(ended)) => self.ended(ended),
            Some(Message::Heard(heard)) => self.tell_of_output(&heard),
            Some(Message::Captured(captured)) => self.captured(captured),
            Some(Message::Hook(ended)) => self.hook_ended(ended),
            Some(Message::Notice(notice)) => self.hear(&notice),
            Some(Message::HearAll(done)) => self.hear_all(done),
            Some(Message::ToListeners(news)) => self.tell_listeners(news),
            Some(Message::Clock) => self.look_at_clock(),
            Some(Message::Inspect(run)) => self.inspect(run),
            Some(Message::Command(ticket, command, reply)) => self.command(ticket, command, reply),
            Some(Message::Status(detail, reply)) => {
                let _ = reply.send(self.status(detail));
            }
            Some(Message::Foreseen(command, answer, found)) => self.restart_foreseen(command, answer, &found),
            Some(Message::Graph(reply)) => drop(reply.send(self.graph())),
            Some(Message::ReadLogs(asked, reply)) => drop(reply.send(self.logs_asked_for(&asked))),
            Some(Message::RotateLogs(order, reply)) => self.rotate_logs(&order, reply),
            // Whoever asks for a service that is not there hears so by the end of the channel.
            Some(Message::Why(service, reply)) => self.why(&service, reply),
            Some(Message::History(service, reply)) => self.recorder.read(service, reply),
            Some(Message::Reload(order, asker, reply)) => self.reload(order, asker, reply),
            Some(Message::Replace(reading, reply, found)) => self.replace_foreseen(*reading, reply, &found),
            Some(Message::Question(question)) => self.question(question),
            Some(Message::Shutdown(ticket, order, reply)) => self.shut_down(ticket, order, reply),
            Some(Message::Signal(Wish::End(signal))) => self.end_by_signal(signal),
            Some(Message::Signal(Wish::Reap)) => self.reap(),
            Some(Message::Signal(Wish::Reappear)) => self.mend(),
            Some(Message::Signal(Wish::Reload)) => self.reload_by_signal(),
            Some(Message::Mend(done)) => {
                self.mend();
                let _ = done.send(());
            }
            Some(Message::GuardianEnded(guardian)) => self.replace_guardian(guardian),
        }
    }

    /// Nobody waits for a command's answer any more; the end of the supervisor goes on unwatched.
    fn abandon(&mut self, ticket: TicketId) {
        self.replies.remove(&ticket);
        if self.ending != Ending::After(ticket) {
            self.feed(Event::Abandoned(ticket));
        }
    }

    /// Tells the machine and does what it asks for, until it asks for nothing more.
    pub(super) fn feed(&mut self, event: Event) {
        let mut events = VecDeque::from([event]);
        while let Some(mut event) = events.pop_front() {
            if let Event::Exited { run, end } = &mut event {
                self.note_end(*run);
                self.dismiss(*run);
                self.note_conflict(*run, end);
            }
            self.note_what_ends_runs(&event);
            let mut actions = Vec::new();
            self.fleet.handle(event, clock::now(), &mut actions);
            for action in actions {
                events.extend(self.perform(action));
            }
        }
    }

    /// Whether it takes no more orders.
    pub(super) fn is_ending(&self) -> bool {
        self.ending != Ending::NotYet
    }

    pub(super) fn stop_all(&mut self, ticket: TicketId, verb: Verb, by: &By) {
        self.ending = Ending::After(ticket);
        self.log_who_has_to_die();
        self.switchboard.tell(EventType::SupervisorStateChangeStopping, String::new());
        let services: Vec<ServiceName> = self.fleet.services().keys().cloned().collect();
        self.askers.end(&services, by);
        self.feed(Event::Command(Command { ticket, verb, services, deadline: None }));
    }
}

pub(super) fn ending_problem() -> Problem {
    Problem {
        kind: Kind::Ending,
        what: "cannot do that: the supervisor is about to end".to_owned(),
        hint: Some("`procman up` starts a new one".to_owned()),
    }
}
