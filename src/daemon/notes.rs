use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::time::Duration;

use super::cpu;
use super::engine::Engine;
use super::mainpid::Refusal;
use super::scene::Scene;
use super::warden::Warden;
use crate::logs::loss::{Copies, Lost, Missing, Place};
use crate::machine::phase::Phase;
use crate::protocol::event::{Event, What};
use crate::spec::log::{Logs, OnFull};
use crate::spec::service::Service;
use crate::sys::clock;
use crate::sys::listeners::{self, Held, Listener};
use crate::vocab::identity::Pid;
use crate::vocab::measure::Bytes;
use crate::vocab::moment::Moment;
use crate::vocab::name::ServiceName;
use crate::vocab::port::{Endpoint, Protocol};
use crate::vocab::run::RunId;
use crate::vocab::stream::Stream;

/// How a run differs from what its service declares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Note {
    /// It listens where it did not say.
    Undeclared(Endpoint),
    /// It does not listen where it said.
    Silent(Endpoint),
    /// It names a process as its main one (sd_notify(3)) that is not followed.
    NotFollowed(Pid, Refusal),
    /// It may use more of the processors than `limits.cpu` says: nothing holds it to that.
    CpuIsFree,
}

/// What a run listens on beside its first port can come a while after its start: it is looked at once so long after it,
/// and from there on only when somebody looks anyway. One look is enough for all that were started in the second before.
const INSPECTED_AFTER: Duration = Duration::from_secs(5);
const INSPECTED_AFTER_MIN: Duration = Duration::from_secs(4);

/// Every socket that a look at these ports has to know: all that listen for connections, and those for datagrams where
/// one of the ports is of that kind.
pub(super) fn listening<'p>(mut ports: impl Iterator<Item = &'p Endpoint>) -> io::Result<Vec<Listener>> {
    let mut found = listeners::all(Protocol::Tcp)?;
    if ports.any(|port| port.protocol == Protocol::Udp) {
        found.extend(listeners::all(Protocol::Udp)?);
    }
    Ok(found)
}

/// What is notable of a run that holds these. Sockets for datagrams are no offer to anybody unless declared: every client
/// of a name server has one.
pub(super) fn of(service: &Service, held: &[Held]) -> Vec<Note> {
    let is_declared = |held: &&Held| service.ports.iter().any(|port| port.port == held.endpoint.port);
    let others = held.iter().filter(|held| held.endpoint.protocol == Protocol::Tcp && !is_declared(held));
    let undeclared: BTreeSet<Endpoint> = others.map(|held| Endpoint::tcp(held.endpoint.port)).collect();
    let is_silent = |port: &&Endpoint| !held.iter().any(|held| held.endpoint.overlaps(port));
    let silent = service.ports.iter().filter(is_silent).copied();
    undeclared.into_iter().map(Note::Undeclared).chain(silent.map(Note::Silent)).collect()
}

/// In words that go on after the service's name.
pub(super) fn words(notes: &[Note]) -> Vec<String> {
    let word = |note: &Note| {
        match note {
        Note::CpuIsFree => {
            "is not held to limits.cpu: it has no cgroup with the cpu controller (the supervisor's log says why)".to_owned()
        }
        Note::Undeclared(port) => format!("listens on port {port}, which it does not declare"),
        Note::Silent(port) => format!("does not listen on port {port}, which it declares"),
        Note::NotFollowed(pid, why) => format!("says MAINPID={pid}, which is not followed: {}", why.words()),
    }
    };
    notes.iter().map(word).collect()
}

/// Which log files cannot be written, in words that go on after the service's name.
pub(super) fn of_logs(logs: &Logs, waits: Vec<(Stream, String)>) -> impl Iterator<Item = String> {
    waits.into_iter().map(|(stream, why)| {
        let file = match stream {
            Stream::Stdout => &logs.stdout,
            Stream::Stderr => &logs.stderr,
        };
        let then = match logs.delivery.on_full {
            OnFull::Block => "its output waits, and so does the service when its pipe is full",
            OnFull::Drop => "its output is dropped, and counted",
        };
        format!("cannot write {}: {why}; {then}", file.display())
    })
}

/// Where lines are missing, in words that go on after the service's name. What a log file could not take may be what other
/// targets lost.
pub(super) fn of_missing(missing: &[(Place, Missing)]) -> impl Iterator<Item = String> {
    let is_file_whole = missing.iter().all(|(place, _)| *place != Place::File);
    missing.iter().map(move |(place, Missing { lost: Lost { lines, bytes }, why, copies })| {
        let lines = match lines {
            1 => "1 line".to_owned(),
            _ => format!("{lines} lines"),
        };
        let copies = match copies {
            Copies::InFile if is_file_whole => "; its log file has all of it",
            Copies::InFile | Copies::Nowhere => "",
        };
        format!("lost {lines} ({}) on the way to {place}: {why}{copies}", Bytes(*bytes))
    })
}

/// The runs that are to be looked at a while after their start, in the order of time. A task with a timer for each would take
/// fifty times the memory, and leave a hole of that size in the heap.
#[derive(Debug, Default)]
pub struct Inspections(VecDeque<(Moment, RunId)>);

impl Inspections {
    /// When the first of them is due, and what for.
    pub(super) fn next(&self) -> Option<(Moment, &'static str)> {
        self.0.front().map(|(at, _)| (*at, "it is seen what a run listens on"))
    }

    /// A run that is due.
    pub(super) fn take_due(&mut self, now: Moment) -> Option<RunId> {
        let (_, run) = *self.0.front().filter(|(at, _)| *at <= now)?;
        self.0.pop_front();
        if self.0.is_empty() {
            // What many starts at once made it take is given back.
            self.0 = VecDeque::new();
        }
        Some(run)
    }
}

impl Engine {
    /// Has a run looked at once, a while after its start.
    pub(super) fn inspect_later(&mut self, run: RunId) {
        self.inspections.0.push_back((clock::now().after(INSPECTED_AFTER), run));
    }

    /// Looks what a run listens on, and all others, unless that was done when it had run for long enough.
    pub(super) fn inspect(&mut self, run: RunId) {
        let live = self.fleet.service_of(run).and_then(|service| service.phase().live());
        let Some(since) = live.filter(|live| live.run == run).map(|live| live.since) else { return };
        let is_seen = |at: Moment| at.since(since) >= INSPECTED_AFTER_MIN;
        if !self.looked_around.is_some_and(is_seen) {
            self.look_and_note();
        }
    }

    /// Looks at everything, and keeps what is notable of it.
    pub(super) fn look_and_note(&mut self) -> Scene {
        let scene = self.look_around();
        let names: Vec<ServiceName> = self.fleet.services().keys().cloned().collect();
        for name in &names {
            self.note(name, scene.held_by(name));
        }
        scene
    }

    /// Keeps what is notable of a running service that listens here, and tells of it if it is news.
    fn note(&mut self, name: &ServiceName, held: &[Held]) {
        let Some(service) = self.fleet.services().get(name) else { return };
        let Phase::Running(live, _) = service.phase() else { return };
        let mut notes = of(service.spec(), held);
        let charge = self.wardens.get(&live.run).map(Warden::charge);
        let refused = charge.and_then(|charge| charge.notebook.refused());
        notes.extend(refused.map(|(pid, why)| Note::NotFollowed(pid, why)));
        notes.extend(cpu::note(service.spec(), charge.and_then(|charge| charge.cgroup.as_ref())));
        self.keep_notes(live.run, name.clone(), notes);
    }

    /// Notes what a run was refused, or that it names nobody any more who is refused, as soon as that is so.
    pub(super) fn note_refusal(&mut self, run: RunId, service: ServiceName, refused: Option<(Pid, Refusal)>) {
        let mut notes = self.noted.get(&run).cloned().unwrap_or_default();
        notes.retain(|note| !matches!(note, Note::NotFollowed(..)));
        notes.extend(refused.map(|(pid, why)| Note::NotFollowed(pid, why)));
        self.keep_notes(run, service, notes);
    }

    fn keep_notes(&mut self, run: RunId, service: ServiceName, notes: Vec<Note>) {
        let before = self.noted.insert(run, notes.clone()).unwrap_or_default();
        if before != notes {
            let notes = words(&notes);
            tracing::warn!(%service, ?notes, "it is not as declared");
            let what = What::Notes { service, notes };
            self.mailbox.publish(Event { unix_ms: clock::unix_ms(), what });
        }
    }

    /// What is notable of a running service, as it was seen last.
    pub(super) fn noted_of(&self, name: &ServiceName) -> Option<&[Note]> {
        let live = self.fleet.services().get(name)?.phase().live()?;
        self.noted.get(&live.run).map(Vec::as_slice)
    }
}
