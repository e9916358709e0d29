use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::machine::fall::Fall;
use crate::machine::fleet::{Fleet, Revision};
use crate::machine::memory::{self, LastMemory, LiveMemory, Progress, SecondMemory, SecondPlan, Survivor};
use crate::machine::phase::{self, Live};
use crate::machine::schedule::{Plan, Queue};
use crate::machine::startup::Startup;
use crate::machine::trouble::{self, Condemned};
use crate::rundir::journal::{
    CondemnedEntry, Entry, FallEntry, GaveUp, Journal, LastEntry, LiveEntry, PlanEntry, Remedy, Rest,
    SecondEntry, SecondStage, Stage, StartupEntry,
};
use crate::vocab::identity::Identity;

/// Keeps the journal up to date. An error of the disk is told once and costs nothing else: the tags still tell whose
/// the processes are.
#[derive(Debug)]
pub struct Diary {
    path: PathBuf,
    written: Option<Written>,
    boot: String,
    takeovers: u64,
    disk: Disk,
}

/// What was written, and what its file looked like then: somebody may take that away, or write into it.
#[derive(Debug)]
struct Written {
    revision: Revision,
    look: Option<Look>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Look {
    inode: u64,
    bytes: u64,
    changed: (i64, i64),
}

impl Look {
    fn at(path: &Path) -> Option<Self> {
        let found = fs::metadata(path).ok()?;
        Some(Self { inode: found.ino(), bytes: found.len(), changed: (found.ctime(), found.ctime_nsec()) })
    }
}

impl Written {
    fn is_as_it_was(&self, path: &Path) -> bool {
        let look = Look::at(path);
        look.is_some() && look == self.look
    }
}

#[derive(Debug)]
enum Disk {
    Well,
    /// Why it cannot be written.
    Failing(String),
}

impl Diary {
    /// A diary of this boot.
    pub fn new(path: PathBuf, boot: String, takeovers: u64) -> Self {
        Self { path, written: None, boot, takeovers, disk: Disk::Well }
    }

    /// How often the supervisor was replaced since the services were first brought up.
    pub fn takeovers(&self) -> u64 {
        self.takeovers
    }

    /// That it cannot be written at this moment, in words.
    pub fn complaint(&self) -> Option<String> {
        match &self.disk {
            Disk::Well => None,
            Disk::Failing(why) => Some(format!(
                "cannot write {}: {why}; another supervisor would not know the runs that began since",
                self.path.display()
            )),
        }
    }

    /// Writes what changed since it was last written, if anything did, and what was written if its file is not as it was.
    pub fn keep(&mut self, fleet: &Fleet) {
        if self
            .written
            .as_ref()
            .is_some_and(|it| it.revision == fleet.revision() && it.is_as_it_was(&self.path))
        {
            return;
        }
        let journal = Journal {
            boot: self.boot.clone(),
            last_run: fleet.last_run(),
            takeovers: self.takeovers,
            services: fleet
                .services()
                .values()
                .map(|service| service.memory())
                .filter(Survivor::matters)
                .map(entry)
                .collect(),
        };
        match (journal.write(&self.path), &self.disk) {
            (Ok(()), Disk::Well) => self.note(fleet.revision()),
            (Ok(()), Disk::Failing(_)) => {
                tracing::info!(path = %self.path.display(), "the journal can be written again");
                self.note(fleet.revision());
                self.disk = Disk::Well;
            }
            (Err(error), Disk::Well) => {
                tracing::warn!(path = %self.path.display(), %error, "cannot write the journal; services go on");
                self.disk = Disk::Failing(error.to_string());
            }
            (Err(_), Disk::Failing(_)) => (),
        }
    }

    fn note(&mut self, revision: Revision) {
        self.written = Some(Written { revision, look: Look::at(&self.path) });
    }
}

fn entry(memory: Survivor) -> Entry {
    Entry {
        service: memory.service,
        goal: memory.goal,
        restarts: memory.restarts,
        failures: memory.failures,
        starts: memory.starts,
        plan: plan_entry(memory.plan),
        rest: memory.rest.and_then(|rest| match rest {
            phase::Rest::Stopped => None,
            phase::Rest::Planned => Some(Rest::Planned),
            phase::Rest::Completed => Some(Rest::Completed),
            phase::Rest::Failed => Some(Rest::Failed),
            phase::Rest::Fatal => Some(Rest::Fatal),
        }),
        fallen_with: memory.fallen_with.map(|Fall { by, how }| FallEntry { by, how }),
        condemned: memory.condemned.map(condemned_entry),
        gave_up: memory.gave_up.map(|gave_up| match gave_up {
            memory::GaveUp::NotSpawned(why) => GaveUp::NotSpawned(why),
            memory::GaveUp::StartedTooOften => GaveUp::StartedTooOften,
        }),
        last: memory.last.map(|LastMemory { run, outcome, last_words, lasted }| LastEntry {
            run,
            outcome,
            last_words,
            lasted,
        }),
        live: memory.live.map(|LiveMemory { live, progress }| LiveEntry {
            run: live.run,
            identity: live.identity,
            first: first(&live),
            since: live.since,
            stage: match progress {
                Progress::Starting => Stage::Starting,
                Progress::Ready => Stage::Ready,
                Progress::Stopping { kill_at } => Stage::Stopping { kill_at },
            },
        }),
        second: memory.second.map(|SecondMemory { live, plan }| SecondEntry {
            run: live.run,
            identity: live.identity,
            first: first(&live),
            since: live.since,
            stage: match plan {
                SecondPlan::Understudy { give_up_at } => SecondStage::Understudy { give_up_at },
                SecondPlan::Draining { until } => SecondStage::Draining { until },
                SecondPlan::Stopping { kill_at } => SecondStage::Stopping { kill_at },
            },
        }),
        startup: memory.startup.map(|Startup { run, begun, spawned, ready, completed }| StartupEntry {
            run,
            begun,
            spawned,
            ready,
            completed,
        }),
    }
}

/// The process that a run began with, if that is not its main one.
fn first(live: &Live) -> Option<Identity> {
    Some(live.first).filter(|first| *first != live.identity)
}

/// A journal's entry in the machine's words.
pub fn survivor(entry: &Entry) -> Survivor {
    Survivor {
        service: entry.service.clone(),
        goal: entry.goal,
        restarts: entry.restarts,
        failures: entry.failures,
        starts: entry.starts.clone(),
        plan: entry.plan.map(plan).unwrap_or_default(),
        rest: entry.rest.map(|rest| match rest {
            Rest::Planned => phase::Rest::Planned,
            Rest::Completed => phase::Rest::Completed,
            Rest::Failed => phase::Rest::Failed,
            Rest::Fatal => phase::Rest::Fatal,
        }),
        fallen_with: entry.fallen_with.clone().map(|FallEntry { by, how }| Fall { by, how }),
        condemned: entry.condemned.clone().map(condemned),
        gave_up: entry.gave_up.clone().map(|gave_up| match gave_up {
            GaveUp::NotSpawned(why) => memory::GaveUp::NotSpawned(why),
            GaveUp::StartedTooOften => memory::GaveUp::StartedTooOften,
        }),
        last: entry.last.clone().map(|LastEntry { run, outcome, last_words, lasted }| LastMemory {
            run,
            outcome,
            last_words,
            lasted,
        }),
        live: entry.live.map(|LiveEntry { run, identity, first, since, stage }| LiveMemory {
            live: Live { run, identity, first: first.unwrap_or(identity), since },
            progress: match stage {
                Stage::Starting => Progress::Starting,
                Stage::Ready => Progress::Ready,
                Stage::Stopping { kill_at } => Progress::Stopping { kill_at },
            },
        }),
        second: entry.second.map(|SecondEntry { run, identity, first, since, stage }| SecondMemory {
            live: Live { run, identity, first: first.unwrap_or(identity), since },
            plan: match stage {
                SecondStage::Understudy { give_up_at } => SecondPlan::Understudy { give_up_at },
                SecondStage::Draining { until } => SecondPlan::Draining { until },
                SecondStage::Stopping { kill_at } => SecondPlan::Stopping { kill_at },
            },
        }),
        startup: entry.startup.map(|StartupEntry { run, begun, spawned, ready, completed }| Startup {
            run,
            begun,
            spawned,
            ready,
            completed,
        }),
    }
}

fn condemned_entry(Condemned { cause, remedy }: Condemned) -> CondemnedEntry {
    let remedy = match remedy {
        trouble::Remedy::Restart => Remedy::Restart,
        trouble::Remedy::Stop => Remedy::Stop,
        trouble::Remedy::Fail => Remedy::Fail,
        trouble::Remedy::Renew => Remedy::Renew,
    };
    CondemnedEntry { cause, remedy }
}

fn condemned(CondemnedEntry { cause, remedy }: CondemnedEntry) -> Condemned {
    let remedy = match remedy {
        Remedy::Restart => trouble::Remedy::Restart,
        Remedy::Stop => trouble::Remedy::Stop,
        Remedy::Fail => trouble::Remedy::Fail,
        Remedy::Renew => trouble::Remedy::Renew,
    };
    Condemned { cause, remedy }
}

fn plan_entry(plan: Plan) -> Option<PlanEntry> {
    let Plan { next_unix_ms, queue, skipped } = plan;
    let entry = PlanEntry { next_unix_ms, queued: u32::from(queue == Queue::One), skipped };
    (plan != Plan::default()).then_some(entry)
}

fn plan(entry: PlanEntry) -> Plan {
    let PlanEntry { next_unix_ms, queued, skipped } = entry;
    Plan { next_unix_ms, queue: if queued > 0 { Queue::One } else { Queue::Empty }, skipped }
}

#[cfg(test)]
mod tests {
    use super::{entry, survivor};
    use crate::machine::fall::Fall;
    use crate::machine::memory::{GaveUp, LastMemory, Survivor};
    use crate::machine::phase::Rest;
    use crate::machine::schedule::{Plan, Queue};
    use crate::machine::startup::Startup;
    use crate::machine::trouble::{Condemned, Remedy};
    use crate::vocab::moment::Moment;
    use crate::vocab::name::ServiceName;
    use crate::vocab::outcome::Outcome;
    use crate::vocab::run::RunId;
    use crate::vocab::state::Goal;
    use std::time::Duration;

    #[test]
    fn the_next_supervisor_learns_how_a_service_rests() {
        for rest in [None, Some(Rest::Planned), Some(Rest::Completed), Some(Rest::Failed), Some(Rest::Fatal)]
        {
            let service = ServiceName::parse("job").unwrap();
            let plan = Plan { next_unix_ms: Some(1_764_000_000_000), queue: Queue::One, skipped: 3 };
            let begun = Moment::since_boot(Duration::from_secs(3));
            let (run, ready) = (RunId(7), Some(begun));
            let startup = Some(Startup { run, begun, spawned: Some(begun), ready, completed: None });
            let starts = vec![begun];
            let (outcome, lasted) = (Outcome::Code(3), Duration::from_micros(76_250));
            let last = Some(LastMemory { run, outcome, last_words: Some("disk on fire".to_owned()), lasted });
            let known =
                Survivor { restarts: 2, failures: 1, starts, plan, last, ..Survivor::new(service, Goal::Up) };
            for gave_up in [GaveUp::NotSpawned("no such file".to_owned()), GaveUp::StartedTooOften] {
                let memory = Survivor { rest, gave_up: Some(gave_up), ..known.clone() };
                assert_eq!(survivor(&entry(memory.clone())), memory);
            }
            let fallen_with =
                Some(Fall { by: ServiceName::parse("db").unwrap(), how: "was stopped".to_owned() });
            for remedy in [Remedy::Restart, Remedy::Stop, Remedy::Fail, Remedy::Renew] {
                let condemned = Some(Condemned { cause: "its check failed".to_owned(), remedy });
                let fallen_with = fallen_with.clone();
                let memory = Survivor { rest, startup, condemned, fallen_with, ..known.clone() };
                assert_eq!(survivor(&entry(memory.clone())), memory);
            }
        }
    }
}
