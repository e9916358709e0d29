use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc as between_threads;
use std::thread;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::classify::{Facts, Judgement, Memory, UNSEEN, classify};
use crate::rundir::history::{self, Book};
use crate::rundir::paths::Paths;
use crate::spec::fleet::Fleet;
use crate::sys::{clock, memory};
use crate::vocab::cause::{Class, Record};
use crate::vocab::identity::Pid;
use crate::vocab::mark::Began;
use crate::vocab::name::ServiceName;
use crate::vocab::outcome::Outcome;
use crate::vocab::run::RunId;
use crate::vocab::signal::Signal;

/// Writes and reads the records of runs in a thread of its own, so that a slow or full disk costs records only. Clones are
/// cheap; no call waits.
#[derive(Debug, Clone)]
pub struct Recorder {
    requests: mpsc::Sender<Request>,
    lost: Arc<AtomicU64>,
}

/// An end that is to be recorded.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) service: ServiceName,
    /// All but why it ended.
    pub(super) record: Record,
    pub(super) why: Why,
}

/// What it is to be told by.
#[derive(Debug)]
pub(super) enum Why {
    Facts(Facts),
    NotStarted(Class, String),
}

#[derive(Debug)]
enum Request {
    Began(ServiceName, Began),
    Ended(Box<Draft>),
    Read(ServiceName, oneshot::Sender<Vec<Record>>),
    Close(between_threads::Sender<()>),
}

/// So many requests may wait for the disk; what comes then is lost, and counted. A channel of the standard library would
/// take room for all of them from the start, 160 KiB.
const WAITING_MAX: usize = 4096;

/// How long the last records may take when the supervisor ends.
const CLOSE_MAX: Duration = Duration::from_secs(2);

/// The records of a service that the config does not have are kept for so long after its last end.
const KEPT_MS: u64 = 30 * 24 * 3600 * 1000;

/// The thread needs little.
const STACK_BYTES: usize = 256 * 1024;

impl Recorder {
    /// Starts the thread, and drops the records of services that have gone for long. Of the runs of earlier supervisors, those
    /// that are taken over will be told of when they end; the others have ended, and are recorded.
    pub fn start(paths: Paths, fleet: Arc<Fleet>, taken_over: BTreeSet<(RunId, Pid)>) -> io::Result<Self> {
        let (requests, inbox) = mpsc::channel(WAITING_MAX);
        let lost = Arc::new(AtomicU64::new(0));
        let desk = Desk {
            paths,
            earlier: Earlier { until_unix_ms: clock::unix_ms(), taken_over },
            books: BTreeMap::new(),
            killed: BTreeMap::new(),
            disk: Disk::Well,
        };
        let thread = thread::Builder::new().name("records".to_owned()).stack_size(STACK_BYTES);
        let counted = Arc::clone(&lost);
        thread.spawn(move || {
            let since = clock::unix_ms().saturating_sub(KEPT_MS);
            history::sweep(&desk.paths, since, |name| fleet.service(name).is_some());
            drop(fleet);
            desk.work(inbox, &counted);
        })?;
        Ok(Self { requests, lost })
    }

    /// A run has begun: what the kernel has killed by then has nothing to do with it.
    pub(in crate::daemon) fn began(&self, service: ServiceName, began: Began) {
        self.request(Request::Began(service, began));
    }

    pub(super) fn ended(&self, draft: Draft) {
        self.request(Request::Ended(Box::new(draft)));
    }

    /// All that is kept of a service, with every end that was told before; nothing if the disk does not give it.
    pub(in crate::daemon) fn read(&self, service: ServiceName, answer: oneshot::Sender<Vec<Record>>) {
        self.request(Request::Read(service, answer));
    }

    /// Writes what is waiting, and ends the thread.
    pub fn close(self) {
        let (done, closed) = between_threads::channel();
        self.request(Request::Close(done));
        let _ = closed.recv_timeout(CLOSE_MAX);
    }

    fn request(&self, request: Request) {
        if self.requests.try_send(request).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The thread's own.
struct Desk {
    paths: Paths,
    earlier: Earlier,
    books: BTreeMap<ServiceName, Book>,
    /// How many processes the kernel had killed for memory when each live run began.
    killed: BTreeMap<RunId, Option<u64>>,
    disk: Disk,
}

/// What is known of the runs before this supervisor.
struct Earlier {
    /// When it was in charge, in milliseconds since 1970 UTC.
    until_unix_ms: u64,
    /// Those that it took over, with the processes that they began with.
    taken_over: BTreeSet<(RunId, Pid)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Disk {
    Well,
    Failing,
}

impl Desk {
    fn work(mut self, mut inbox: mpsc::Receiver<Request>, lost: &AtomicU64) {
        while let Some(request) = inbox.blocking_recv() {
            let count = lost.swap(0, Ordering::Relaxed);
            if count > 0 {
                tracing::warn!(count, "records of runs were lost: the disk is too slow for them");
            }
            match request {
                Request::Began(service, began) => self.begin(&service, began),
                Request::Ended(draft) => self.write(*draft),
                Request::Read(service, answer) => {
                    let _ = answer.send(self.read(&service));
                }
                Request::Close(done) => {
                    let _ = done.send(());
                    return;
                }
            }
        }
    }

    fn read(&mut self, service: &ServiceName) -> Vec<Record> {
        if !self.books.contains_key(service) {
            let opened = self.book(service).map(drop);
            self.judge_disk(opened);
        }
        history::read(&self.paths, service).unwrap_or_else(|error| {
            tracing::warn!(%service, %error, "cannot read the records of its ends");
            Vec::new()
        })
    }

    fn begin(&mut self, service: &ServiceName, began: Began) {
        self.killed.insert(began.began, memory::killed_by_kernel());
        let written = self.book(service).and_then(|book| book.begin(began));
        self.judge_disk(written);
    }

    fn write(&mut self, draft: Draft) {
        let Draft { service, record, why } = draft;
        let before = self.killed.remove(&record.run).flatten();
        let Judgement { class, detail } = match why {
            Why::NotStarted(class, why) => Judgement { class, detail: Some(why) },
            Why::Facts(mut facts) => {
                // The kernel ends for memory by SIGKILL alone.
                if facts.memory == Memory::NotTold && facts.outcome == Outcome::Signal(Signal::KILL) {
                    facts.memory = since(before);
                }
                classify(&facts)
            }
        };
        let is_orphaned = class == Class::Operator && record.by.is_none();
        let detail = detail
            .or_else(|| is_orphaned.then(|| "procman was to end it; by whose wish is not known".to_owned()));
        let written = self.book(&service).and_then(|book| book.add(Record { class, detail, ..record }));
        self.judge_disk(written);
    }

    fn judge_disk(&mut self, written: io::Result<()>) {
        match (written, self.disk) {
            (Ok(()), Disk::Well) | (Err(_), Disk::Failing) => (),
            (Ok(()), Disk::Failing) => {
                tracing::info!("records of runs can be written again");
                self.disk = Disk::Well;
            }
            (Err(error), Disk::Well) => {
                let path = self.paths.history.display().to_string();
                tracing::warn!(path, %error, "cannot write the record of a run; services go on");
                self.disk = Disk::Failing;
            }
        }
    }

    fn book(&mut self, service: &ServiceName) -> io::Result<&mut Book> {
        match self.books.entry(service.clone()) {
            Entry::Occupied(known) => Ok(known.into_mut()),
            Entry::Vacant(place) => Ok(place.insert(self.earlier.open(&self.paths, service)?)),
        }
    }
}

impl Earlier {
    /// The records of a service. Runs that had begun before this supervisor was in charge, and are not there any more, have
    /// ended unseen.
    fn open(&self, paths: &Paths, service: &ServiceName) -> io::Result<Book> {
        let mut book = Book::open(paths, service)?;
        for began in book.take_unended() {
            if !self.taken_over.contains(&(began.began, began.pid)) {
                book.add(Record {
                    pid: Some(began.pid),
                    exit: Some(Outcome::Unknown),
                    detail: Some(UNSEEN.to_owned()),
                    ..Record::blank(began.began, self.until_unix_ms.max(began.unix_ms))
                })?;
            }
        }
        Ok(book)
    }
}

/// What the kernel's count says of the time since it stood there.
fn since(before: Option<u64>) -> Memory {
    match (before, memory::killed_by_kernel()) {
        (Some(before), Some(killed)) if killed > before => Memory::KilledSomewhere(killed - before),
        (Some(_), Some(_)) => Memory::KilledNobody,
        (Some(_) | None, _) => Memory::NotTold,
    }
}
