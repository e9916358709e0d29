use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token, Waker};
use tokio::sync::oneshot;

use super::series::Series;
use super::stream::{self, Turn};
use crate::spec::log::Rotation;
use crate::vocab::name::ServiceName;

/// The pump's handle. Clones are cheap; no call waits for the disk.
#[derive(Debug, Clone)]
pub struct Pump {
    requests: mpsc::Sender<Request>,
    waker: Arc<Waker>,
}

/// Which stream of which service.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct StreamKey {
    /// The service.
    pub service: ServiceName,
    /// Its stream.
    pub stream: Stream,
}

/// A stream of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// Where a stream comes from and goes to.
#[derive(Debug)]
pub struct Attachment {
    /// The reading end of its pipe, which never waits.
    pub pipe: OwnedFd,
    /// Its current log file.
    pub file: PathBuf,
    /// When that is set aside.
    pub rotation: Rotation,
}

/// The queue has no bound, and needs none: requests are as rare as starts and ends of services.
#[derive(Debug)]
enum Request {
    Attach(StreamKey, Attachment),
    Configure(StreamKey, PathBuf, Rotation),
    Detach(StreamKey),
    Drain(ServiceName, oneshot::Sender<()>),
    Close(mpsc::Sender<()>),
}

const WAKER: Token = Token(usize::MAX);
const BUFFER_BYTES: usize = 128 * 1024;

/// How long the last bytes may take when the pump is closed.
const CLOSE_MAX: Duration = Duration::from_secs(5);

impl Pump {
    /// Starts the pump's thread. Time indexes are kept in the directory `times`; `unix_ms` is the wall clock.
    pub fn start(times: PathBuf, unix_ms: fn() -> u64) -> io::Result<Self> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
        let (requests, inbox) = mpsc::channel();
        let worker = Worker {
            poll,
            inbox,
            times,
            unix_ms,
            streams: BTreeMap::new(),
            tokens: BTreeMap::new(),
            next_token: 0,
            busy: BTreeSet::new(),
            stuck: BTreeSet::new(),
            buffer: Vec::new(),
        };
        thread::Builder::new()
            .name("log-pump".to_owned())
            .stack_size(256 * 1024)
            .spawn(move || worker.run())?;
        Ok(Self { requests, waker })
    }

    /// Takes a stream on, or another pipe, file or rotation for one that is there.
    pub fn attach(&self, key: StreamKey, attachment: Attachment) {
        self.request(Request::Attach(key, attachment));
    }

    /// Another file or rotation for a stream that goes on in the pipe it has.
    pub fn configure(&self, key: StreamKey, file: PathBuf, rotation: Rotation) {
        self.request(Request::Configure(key, file, rotation));
    }

    /// Writes what is in the stream's pipe and lets go of it.
    pub fn detach(&self, key: StreamKey) {
        self.request(Request::Detach(key));
    }

    /// Resolves when all that the service's pipes hold at this moment is in its files, or cannot be written.
    pub fn drain(&self, service: ServiceName) -> oneshot::Receiver<()> {
        let (done, drained) = oneshot::channel();
        self.request(Request::Drain(service, done));
        drained
    }

    /// Writes what is in all pipes and ends the pump's thread; what a stuck disk does not take stays in the pipes.
    pub fn close(self) {
        let (done, closed) = mpsc::channel();
        self.request(Request::Close(done));
        let _ = closed.recv_timeout(CLOSE_MAX);
    }

    fn request(&self, request: Request) {
        // A pump that has ended takes no requests, and there is nothing left to ask it for.
        let _ = self.requests.send(request);
        let _ = self.waker.wake();
    }
}

struct Worker {
    poll: Poll,
    inbox: mpsc::Receiver<Request>,
    times: PathBuf,
    unix_ms: fn() -> u64,
    streams: BTreeMap<usize, stream::Stream>,
    tokens: BTreeMap<StreamKey, usize>,
    next_token: usize,
    /// Streams that have more to read than one turn allows.
    busy: BTreeSet<usize>,
    /// Streams whose disk did not take what came: few, or none, of thousands.
    stuck: BTreeSet<usize>,
    buffer: Vec<u8>,
}

#[derive(PartialEq)]
enum Going {
    On,
    Over,
}

impl Worker {
    fn run(mut self) {
        let mut events = Events::with_capacity(256);
        loop {
            if let Err(error) = self.poll.poll(&mut events, self.timeout()) {
                if error.kind() != io::ErrorKind::Interrupted {
                    tracing::error!(%error, "the log pump cannot wait for output");
                    thread::sleep(Duration::from_millis(100));
                }
            }
            self.busy
                .extend(events.iter().map(|event| event.token()).filter(|it| *it != WAKER).map(|it| it.0));
            let now = Instant::now();
            let due = self.retries().filter(|(at, _)| *at <= now).map(|(_, token)| token);
            let due: Vec<usize> = due.collect();
            self.busy.extend(due);
            for token in std::mem::take(&mut self.busy) {
                self.turn(token);
            }
            if self.obey() == Going::Over {
                return;
            }
        }
    }

    fn timeout(&self) -> Option<Duration> {
        if !self.busy.is_empty() {
            return Some(Duration::ZERO);
        }
        let retry = self.retries().map(|(at, _)| at).min();
        retry.map(|at| at.saturating_duration_since(Instant::now()))
    }

    /// Which streams try their disk again, and when.
    fn retries(&self) -> impl Iterator<Item = (Instant, usize)> {
        self.stuck.iter().filter_map(|token| Some((self.streams.get(token)?.retry_at()?, *token)))
    }

    fn turn(&mut self, token: usize) {
        self.provide_buffer();
        let Some(stream) = self.streams.get_mut(&token) else { return };
        if stream.turn(&mut self.buffer, (self.unix_ms)()) == Turn::More {
            self.busy.insert(token);
        }
        match stream.retry_at() {
            Some(_) => self.stuck.insert(token),
            None => self.stuck.remove(&token),
        };
    }

    /// The buffer takes memory only when there is something to read.
    fn provide_buffer(&mut self) {
        if self.buffer.is_empty() {
            self.buffer = vec![0; BUFFER_BYTES];
        }
    }

    fn obey(&mut self) -> Going {
        while let Ok(request) = self.inbox.try_recv() {
            match request {
                Request::Attach(key, attachment) => self.attach(key, attachment),
                Request::Configure(key, file, rotation) => self.configure(&key, file, rotation),
                Request::Detach(key) => self.detach(&key),
                Request::Drain(service, done) => {
                    self.drain(&service);
                    let _ = done.send(());
                }
                Request::Close(done) => {
                    self.drain_all();
                    let _ = done.send(());
                    return Going::Over;
                }
            }
        }
        Going::On
    }

    fn attach(&mut self, key: StreamKey, attachment: Attachment) {
        let token = match self.tokens.get(&key) {
            Some(token) => self.attach_again(*token, attachment),
            None => self.take_on(key, attachment),
        };
        // What came before it was registered makes no event.
        self.busy.insert(token);
    }

    fn take_on(&mut self, key: StreamKey, attachment: Attachment) -> usize {
        let name = format!("{} {:?}", key.service, key.stream).to_lowercase();
        let series = Series::new(attachment.file, attachment.rotation, self.times.clone());
        let stream = stream::Stream::new(name, attachment.pipe, series);
        let token = self.next_token;
        self.next_token += 1;
        self.register(stream.fd(), token);
        self.streams.insert(token, stream);
        self.tokens.insert(key, token);
        token
    }

    /// A reload attaches every stream again, and for most of them nothing is different: what a stuck disk has left in
    /// memory stays, and so do the open file and the pipe.
    fn attach_again(&mut self, token: usize, attachment: Attachment) -> usize {
        let Attachment { pipe, file, rotation } = attachment;
        // What is there belongs where it went so far.
        self.drain_one(token);
        self.provide_buffer();
        let Some(stream) = self.streams.get_mut(&token) else { return token };
        stream.configure(file, rotation);
        if !stream.reads_from(&pipe) {
            let fd = pipe.as_raw_fd();
            let old = stream.swap_pipe(pipe, &mut self.buffer);
            self.register(fd, token);
            let _ = self.poll.registry().deregister(&mut SourceFd(&old.as_raw_fd()));
        }
        token
    }

    fn configure(&mut self, key: &StreamKey, file: PathBuf, rotation: Rotation) {
        let Some(token) = self.tokens.get(key).copied() else { return };
        // What is there belongs where it went so far.
        self.drain_one(token);
        if let Some(stream) = self.streams.get_mut(&token) {
            stream.configure(file, rotation);
        }
        self.busy.insert(token);
    }

    fn register(&self, fd: RawFd, token: usize) {
        let registered = self.poll.registry().register(&mut SourceFd(&fd), Token(token), Interest::READABLE);
        if let Err(error) = registered {
            tracing::error!(token, %error, "cannot wait for the output of a service");
        }
    }

    fn detach(&mut self, key: &StreamKey) {
        let Some(token) = self.tokens.remove(key) else { return };
        self.drain_one(token);
        if let Some(stream) = self.streams.remove(&token) {
            let _ = self.poll.registry().deregister(&mut SourceFd(&stream.fd()));
            let bytes = stream.held();
            if bytes > 0 {
                tracing::warn!(service = %key.service, bytes, "its log file cannot be written; its last output is lost");
            }
        }
        self.busy.remove(&token);
        self.stuck.remove(&token);
    }

    fn drain(&mut self, service: &ServiceName) {
        for stream in [Stream::Stdout, Stream::Stderr] {
            let key = StreamKey { service: service.clone(), stream };
            if let Some(token) = self.tokens.get(&key).copied() {
                self.drain_one(token);
            }
        }
    }

    fn drain_all(&mut self) {
        let tokens: Vec<usize> = self.streams.keys().copied().collect();
        for token in tokens {
            self.drain_one(token);
        }
    }

    /// A few turns empty any pipe; a writer that never stops does not hold the others up for longer. A stuck disk is tried
    /// once more, however short the time since the last attempt.
    fn drain_one(&mut self, token: usize) {
        const TURNS: usize = 4;
        if let Some(stream) = self.streams.get_mut(&token) {
            stream.retry_now();
        }
        for _ in 0..TURNS {
            self.turn(token);
            if !self.busy.contains(&token) {
                return;
            }
        }
    }
}
