use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::num::NonZero;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc as bounded, oneshot};

use super::loss::{Missing, Place, Tally};
use super::press::Pressed;
use super::share::Shares;
use super::tap::{self, Heard};
use super::transits::Transits;
use super::worker::Worker;
use crate::spec::log::{Delivery, Making, OutputEvents, Rotation, Sockets, Target};
use crate::sys::arrivals::Waker;
use crate::vocab::name::ServiceName;
use crate::vocab::stream::Stream;

/// The pump's handle. Clones are cheap; no call waits for the disk.
#[derive(Debug, Clone)]
pub struct Pump {
    threads: Arc<[Thread]>,
    tally: Tally,
    transits: Transits,
}

/// The way to one of its threads. All streams of a service are with the same one.
#[derive(Debug)]
struct Thread {
    requests: mpsc::Sender<Request>,
    waker: Waker,
}

/// Which stream of which service.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct StreamKey {
    /// The service.
    pub service: ServiceName,
    /// Its stream.
    pub stream: Stream,
}

/// Where a stream comes from and goes to.
#[derive(Debug)]
pub struct Attachment {
    /// The reading end of its pipe, which never waits.
    pub pipe: OwnedFd,
    /// Where its bytes go.
    pub destination: Destination,
}

/// Where the bytes of a stream go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    /// Its current log file.
    pub file: Arc<Path>,
    /// That of the service's other stream, which shares its largest size.
    pub beside: Option<Arc<Path>>,
    /// How files are made there.
    pub making: Making,
    /// When it is set aside.
    pub rotation: Rotation,
    /// Whether that is where they go, and where else.
    pub targets: BTreeSet<Target>,
    /// How lines go there.
    pub delivery: Delivery,
    /// Where daemons listen that may be among them.
    pub sockets: Arc<Sockets>,
    /// What is told of them.
    pub events: OutputEvents,
}

impl Destination {
    /// A file and nothing else, as it comes.
    pub fn file(file: impl Into<Arc<Path>>, rotation: Rotation) -> Self {
        Self {
            file: file.into(),
            beside: None,
            making: Making::default(),
            rotation,
            targets: Target::file(),
            delivery: Delivery::default(),
            sockets: Arc::default(),
            events: OutputEvents::default(),
        }
    }
}

/// What is known when all that a service has written was moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drained {
    /// When that was, in milliseconds since 1970 UTC: what comes later gets a later time.
    pub unix_ms: u64,
    /// The last bytes of standard error since the last time that it was drained; none where its file has them as they came.
    pub stderr: Option<Vec<u8>>,
}

/// What came of setting a log file aside on request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SetAside {
    /// It is.
    Done,
    /// It is removed: none is kept.
    Removed,
    /// There is nothing in it.
    Empty,
    /// Its last line has no end yet; it will be when that comes.
    AtLineEnd,
    /// Its last line has no end yet; it will be removed when that comes, for none is kept.
    RemovedAtLineEnd,
    /// It cannot be.
    Failed(String),
}

/// What all threads have in common.
#[derive(Debug, Clone)]
pub(super) struct Ground {
    /// Where time indexes lie.
    pub(super) times: Arc<Path>,
    pub(super) transits: Transits,
    pub(super) shares: Shares,
    pub(super) tally: Tally,
    /// The way to who is told of what streams say.
    pub(super) ears: bounded::Sender<Heard>,
    /// The wall clock.
    pub(super) unix_ms: fn() -> u64,
}

/// The queue has no bound, and needs none: requests are as rare as starts and ends of services.
#[derive(Debug)]
pub(super) enum Request {
    Attach(StreamKey, Attachment),
    Configure(StreamKey, Destination),
    Detach(StreamKey),
    Drain(ServiceName, oneshot::Sender<Drained>),
    BeginRun(ServiceName),
    EndRun(ServiceName, oneshot::Sender<Drained>),
    SetAside(StreamKey, oneshot::Sender<(SetAside, usize)>),
    Pressed(usize, io::Result<Pressed>),
    Close(mpsc::Sender<()>),
}

/// More threads carry no more: writers need processors too.
const THREADS_MAX: usize = 4;

/// How long the last bytes may take when the pump is closed.
const CLOSE_MAX: Duration = Duration::from_secs(5);

impl Pump {
    /// Starts the pump's threads. Time indexes are kept in the directory `times`; `unix_ms` is the wall clock. What streams say
    /// that is to be told comes out of the other end; who does not take it makes those streams wait.
    pub fn start(
        times: PathBuf,
        transits: Transits,
        unix_ms: fn() -> u64,
    ) -> io::Result<(Self, bounded::Receiver<Heard>)> {
        let count = thread::available_parallelism().map_or(1, NonZero::get).min(THREADS_MAX);
        let tally = Tally::default();
        let (ears, heard) = bounded::channel(tap::WAITING_MAX);
        let ground = Ground {
            times: times.into(),
            transits: transits.clone(),
            shares: Shares::default(),
            tally: tally.clone(),
            ears,
            unix_ms,
        };
        let start = |_| Thread::start(ground.clone());
        let threads = (0..count).map(start).collect::<io::Result<_>>()?;
        Ok((Self { threads, tally, transits }, heard))
    }

    /// What of a service's output was lost since the pump began, and on its way to where.
    pub fn missing_of(&self, service: &ServiceName) -> Vec<(Place, Missing)> {
        self.tally.missing_of(service)
    }

    /// Which streams of a service wait for their files at this moment, and why.
    pub fn waits_of(&self, service: &ServiceName) -> Vec<(Stream, String)> {
        self.tally.waits_of(service)
    }

    /// Puts into the stash once more what the pump holds there, before what was in it is let go.
    ///
    /// # Errors
    /// As [`crate::sys::stash::Stash::put`].
    pub fn hold_again(&self) -> io::Result<()> {
        self.transits.hold_again()
    }

    /// Takes a stream on, or another pipe, file or rotation for one that is there.
    pub fn attach(&self, key: StreamKey, attachment: Attachment) {
        self.of(&key.service).request(Request::Attach(key, attachment));
    }

    /// Another destination for a stream that goes on in the pipe it has.
    pub fn configure(&self, key: StreamKey, destination: Destination) {
        self.of(&key.service).request(Request::Configure(key, destination));
    }

    /// Sets the stream's log file aside with all that is whole of what its pipe holds at this moment; says what came of it, and
    /// how many bytes wait because they cannot be written. No answer comes for a stream that is not there.
    pub fn set_aside(&self, key: StreamKey) -> oneshot::Receiver<(SetAside, usize)> {
        let (done, answer) = oneshot::channel();
        self.of(&key.service).request(Request::SetAside(key, done));
        answer
    }

    /// Writes what is in the stream's pipe and lets go of it.
    pub fn detach(&self, key: StreamKey) {
        self.of(&key.service).request(Request::Detach(key));
    }

    /// A run of a service begins, or is taken over. Each has one end.
    pub fn begin_run(&self, service: ServiceName) {
        self.of(&service).request(Request::BeginRun(service.clone()));
    }

    /// A run of a service has ended: what it wrote is moved as by [`Self::drain`]. With the last run that goes on
    /// ends what it left open: what came since a first mark is in the log.
    pub fn end_run(&self, service: ServiceName) -> oneshot::Receiver<Drained> {
        let (done, ended) = oneshot::channel();
        self.of(&service).request(Request::EndRun(service, done));
        ended
    }

    /// Resolves when all that the service's pipes hold at this moment is in its files, also a line without end, or cannot be
    /// written.
    pub fn drain(&self, service: ServiceName) -> oneshot::Receiver<Drained> {
        let (done, drained) = oneshot::channel();
        self.of(&service).request(Request::Drain(service, done));
        drained
    }

    /// Writes what is in all pipes and ends the pump's threads; what a stuck disk does not take stays in the pipes.
    pub fn close(self) {
        let (done, closed) = mpsc::channel();
        for thread in self.threads.iter() {
            thread.request(Request::Close(done.clone()));
        }
        let deadline = Instant::now() + CLOSE_MAX;
        for _ in self.threads.iter() {
            let _ = closed.recv_timeout(deadline.saturating_duration_since(Instant::now()));
        }
    }

    fn of(&self, service: &ServiceName) -> &Thread {
        let mut hasher = DefaultHasher::new();
        service.as_str().hash(&mut hasher);
        let hash = usize::try_from(hasher.finish() >> 32).unwrap_or_default();
        &self.threads[hash % self.threads.len()]
    }
}

impl Thread {
    fn start(ground: Ground) -> io::Result<Self> {
        let (requests, inbox) = mpsc::channel();
        let (ready, started) = mpsc::sync_channel(1);
        let back = requests.clone();
        thread::Builder::new().name("log-pump".to_owned()).stack_size(256 * 1024).spawn(move || {
            match Worker::new((back, inbox), ground) {
                Ok((worker, waker)) => {
                    let _ = ready.send(Ok(waker));
                    worker.run();
                }
                Err(error) => drop(ready.send(Err(error))),
            }
        })?;
        let waker = started.recv().map_err(io::Error::other)??;
        Ok(Self { requests, waker })
    }

    fn request(&self, request: Request) {
        // A thread that has ended takes no requests, and there is nothing left to ask it for.
        let _ = self.requests.send(request);
        self.waker.wake();
    }
}
