use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::boot::Start;
use super::charge::Lead;
use super::diary;
use super::engine::Engine;
use super::last_words::Beginning;
use super::mailbox::{self, Message};
use super::notebook::Notebook;
use super::perform::Guarded;
use crate::machine::event::Event;
use crate::machine::memory::{LiveMemory, Progress, Survivor};
use crate::machine::phase::Live;
use crate::ports::flush::{self, Force};
use crate::rundir::journal::{self, Journal, Unreadable};
use crate::rundir::leftovers::{self, Leftover};
use crate::rundir::paths::Paths;
use crate::spec::fleet::Fleet;
use crate::sys::tree::Reach;
use crate::sys::{clock, process};
use crate::vocab::identity::{Identity, Pid};
use crate::vocab::name::ServiceName;
use crate::vocab::run::{RunId, Tag};
use crate::vocab::selection::Selection;
use crate::vocab::state::Goal;

/// What a supervisor before this one left.
pub(super) struct Past {
    survivors: Vec<Survivor>,
    /// The runs of those whose main processes had ended by then.
    over: BTreeSet<RunId>,
    /// Every process of the fleet that no live run accounts for.
    strays: Vec<Leftover>,
    pub(super) last_run: RunId,
    pub(super) takeovers: u64,
    memory: Memory,
}

/// Whether there is a journal to go by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Memory {
    Kept,
    Lost,
}

impl Past {
    /// Reads the journal. One that cannot be trusted is set aside; then the tags of the living processes speak.
    pub(super) fn read(paths: &Paths, fleet: &Fleet) -> Self {
        let journal = trusted_journal(&paths.journal);
        let leftovers = leftovers::all(paths, journal.as_ref());
        let highest = leftovers.iter().map(|leftover| leftover.run).max().unwrap_or(RunId(0));
        let memory = if journal.is_some() { Memory::Kept } else { Memory::Lost };
        let (last_run, takeovers) =
            journal.as_ref().map_or((highest, 0), |it| (highest.max(it.last_run), it.takeovers + 1));
        // A run that ended while nobody watched has a warden all the same: it reports the end, which nobody saw.
        let mut survivors: Vec<Survivor> = match &journal {
            Some(journal) => journal.services.iter().map(diary::survivor).collect(),
            None => by_tags(&leftovers),
        };
        survivors.retain(|survivor| fleet.service(&survivor.service).is_some());
        let kept: BTreeSet<RunId> = survivors.iter().flat_map(Survivor::runs).map(|live| live.run).collect();
        let living: BTreeSet<Identity> = leftovers.iter().map(|leftover| leftover.identity).collect();
        let runs = survivors.iter().flat_map(Survivor::runs);
        let over = runs.filter(|live| !living.contains(&live.identity)).map(|live| live.run).collect();
        let strays = leftovers.into_iter().filter(|it| !kept.contains(&it.run)).collect();
        Self { survivors, over, strays, last_run, takeovers, memory }
    }

    /// The runs that are taken over, with the processes that they began with.
    pub(super) fn runs(&self) -> BTreeSet<(RunId, Pid)> {
        self.survivors.iter().flat_map(Survivor::runs).map(|live| (live.run, live.first.pid)).collect()
    }

    /// Ends every stray: a start has a clean slate. The pump has to hold the channels by then: a pipe that nobody has open
    /// forgets what was written into it.
    pub(super) fn end_strays(&self) {
        end_all(&self.strays);
    }

    /// What is started beside what the journal says was wanted. Where that is lost, a successor starts all that is started
    /// by itself: better one that somebody had stopped than none at all.
    pub(super) fn what_to_start(&self, start: Start) -> Option<Selection> {
        match (start, self.memory) {
            (Start::Services(selection), Memory::Kept | Memory::Lost) => Some(selection),
            (Start::AsBefore, Memory::Lost) => {
                tracing::warn!("what was wanted of the services is not known any more; starting all of them");
                Some(Selection::all())
            }
            (Start::AsBefore, Memory::Kept) | (Start::Nothing, Memory::Kept | Memory::Lost) => None,
        }
    }

    /// Puts wardens on what lives and tells the machine. Gives the runs that are over, whose wardens will tell so.
    pub(super) fn take_over(self, engine: &mut Engine) -> BTreeSet<RunId> {
        let runs = self.survivors.iter().flat_map(|survivor| survivor.runs().map(move |run| (survivor, run)));
        for (survivor, Live { run, identity, first, since }) in runs {
            let instance = engine.paths.instance.clone();
            let tag = Tag { instance, service: survivor.service.clone(), run };
            let Some(service) = engine.fleet.spec().service(&survivor.service) else { continue };
            let beginning = Beginning::at_end_of(&service.logs.stderr);
            tracing::info!(service = %survivor.service, pid = identity.pid.as_raw(), "taken over");
            let service = service.clone();
            engine.recover_channels(&service, identity.pid);
            let notebook = Notebook::of_old_run(&service, &engine.paths.times, since);
            if let (true, Err(error)) = (service.notifies(), engine.listen_to_services()) {
                tracing::error!(service = %survivor.service, %error, "cannot hear what it tells of itself");
            }
            let lead = Lead::of_old_run(identity, first);
            engine.guard(Guarded { lead, tag, beginning, notebook, reach: Reach::Anywhere });
            engine.take_back_sockets(run, &service);
        }
        // The config may have changed while nobody was in charge.
        engine.limit_cpu_anew(|_| true);
        if self.survivors.iter().any(Survivor::matters) {
            engine.feed(Event::Resumed(self.survivors));
            engine.ask_hanging_to_end();
        }
        self.over
    }
}

/// What is over and has not been heard of by then, because its tree is slow to vanish, is heard of later.
const HEARD_WITHIN: Duration = Duration::from_millis(500);

impl Engine {
    /// Hears of the ends of these runs, which are over, before clients are served: none is told of a dead process.
    pub(super) async fn hear_ends(&mut self, mut over: BTreeSet<RunId>) {
        let deadline = Instant::now() + HEARD_WITHIN;
        while !over.is_empty() {
            let message = mailbox::receive(&mut self.inbox, &mut self.heard);
            let Ok(Some(message)) = timeout_at(deadline, message).await else { break };
            if let Message::Ended(ended) = &message {
                over.remove(&ended.run);
            }
            self.take(Some(message));
        }
        self.end_if_config_says_so();
    }
}

/// What the tags tell: of each service the youngest run that has its main process, which leads a session of its own and is
/// the oldest of its run to do so.
fn by_tags(leftovers: &[Leftover]) -> Vec<Survivor> {
    let mut leaders: BTreeMap<&ServiceName, &Leftover> = BTreeMap::new();
    for leftover in leftovers.iter().filter(|it| it.run != RunId::NONE && leads_session(it.identity)) {
        let rank = |it: &Leftover| (it.run, Reverse(it.identity.started));
        let known = leaders.entry(&leftover.service).or_insert(leftover);
        if rank(leftover) > rank(known) {
            *known = leftover;
        }
    }
    leaders.into_values().map(by_tag).collect()
}

fn leads_session(identity: Identity) -> bool {
    process::read(identity.pid)
        .is_some_and(|it| it.identity == identity && it.session == identity.pid.as_raw())
}

fn by_tag(leader: &Leftover) -> Survivor {
    let since = process::started(leader.identity);
    let live = Live::new(leader.run, leader.identity, since);
    let live = LiveMemory { live, progress: Progress::Starting };
    let service = leader.service.clone();
    Survivor { live: Some(live), ..Survivor::new(service, Goal::Up) }
}

fn trusted_journal(path: &Path) -> Option<Journal> {
    match Journal::read_of_this_boot(path) {
        Ok(journal) => journal,
        Err(Unreadable::Damaged { path, why }) => {
            let aside = journal::set_aside(&path, clock::unix_ms());
            let aside = aside.map_or_else(|error| error.to_string(), |aside| aside.display().to_string());
            tracing::warn!(why, kept_as = aside, "the journal is damaged; going by the tags of processes");
            None
        }
        Err(error @ Unreadable::Io { .. }) => {
            tracing::warn!(%error, "going by the tags of processes");
            None
        }
    }
}

/// Ends strays and waits until they are gone: whoever is started next finds its port free.
fn end_all(strays: &[Leftover]) {
    for stray in strays {
        tracing::warn!(service = %stray.service, identity = %stray.identity, "ending a stray of an earlier run");
    }
    let identities: Vec<Identity> = strays.iter().map(|stray| stray.identity).collect();
    for identity in flush::end(&identities, Force::Kill) {
        tracing::error!(%identity, "a stray of an earlier run does not end");
    }
}
