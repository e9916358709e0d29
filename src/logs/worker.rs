use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token, Waker};

use super::pace::Next;
use super::pump::{self, Attachment, Request, StreamKey};
use super::series::Series;
use super::stream::Stream;
use crate::spec::log::Rotation;
use crate::sys::clock;
use crate::sys::source::SidePipe;
use crate::vocab::name::ServiceName;

/// What a thread of the pump does, and all that it has.
pub(super) struct Worker {
    poll: Poll,
    inbox: mpsc::Receiver<Request>,
    times: PathBuf,
    unix_ms: fn() -> u64,
    lanes: BTreeMap<usize, Lane>,
    tokens: BTreeMap<StreamKey, usize>,
    next_token: usize,
    /// Every lane that is looked at at a time.
    timers: BTreeSet<(Instant, usize)>,
    side: SidePipe,
}

/// A stream and what it waits for.
struct Lane {
    stream: Stream,
    wait: Wait,
}

/// Who waits for a time makes no events: a busy writer wakes nobody.
#[derive(Clone, Copy)]
enum Wait {
    Event,
    Until(Instant),
}

#[derive(PartialEq)]
enum Going {
    On,
    Over,
}

const WAKER: Token = Token(usize::MAX);

/// The system call that waits for events knows no shorter waits.
const POLL_SHORTEST: Duration = Duration::from_millis(1);

impl Worker {
    /// A worker, and what wakes it for a request.
    pub(super) fn new(
        inbox: mpsc::Receiver<Request>,
        times: PathBuf,
        unix_ms: fn() -> u64,
    ) -> io::Result<(Self, Waker)> {
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), WAKER)?;
        let worker = Self {
            poll,
            inbox,
            times,
            unix_ms,
            lanes: BTreeMap::new(),
            tokens: BTreeMap::new(),
            next_token: 0,
            timers: BTreeSet::new(),
            side: SidePipe::default(),
        };
        Ok((worker, waker))
    }

    /// Moves bytes and obeys, until it is told to end.
    pub(super) fn run(mut self) {
        clock::wake_on_time();
        let mut events = Events::with_capacity(256);
        loop {
            self.wait(&mut events);
            let now = Instant::now();
            let told = events.iter().map(|event| event.token()).filter(|it| *it != WAKER).map(|it| it.0);
            let due = self.timers.iter().take_while(|(at, _)| *at <= now).map(|(_, token)| *token);
            let tokens: BTreeSet<usize> = told.chain(due).collect();
            for token in tokens {
                self.turn(token);
            }
            if self.obey() == Going::Over {
                return;
            }
        }
    }

    fn wait(&mut self, events: &mut Events) {
        let first = self.timers.first().map(|(at, _)| at.saturating_duration_since(Instant::now()));
        let timeout = match first {
            Some(rest) if rest < POLL_SHORTEST => {
                thread::sleep(rest);
                Some(Duration::ZERO)
            }
            // Rounded down: the rest is slept.
            Some(rest) => Some(Duration::from_millis(u64::try_from(rest.as_millis()).unwrap_or(u64::MAX))),
            None => None,
        };
        if let Err(error) = self.poll.poll(events, timeout) {
            if error.kind() != io::ErrorKind::Interrupted {
                tracing::error!(%error, "the log pump cannot wait for output");
                thread::sleep(Duration::from_millis(100));
            }
        }
    }

    fn turn(&mut self, token: usize) {
        let Some(lane) = self.lanes.get_mut(&token) else { return };
        let next = lane.stream.turn(&mut self.side, (self.unix_ms)());
        self.wait_for(token, next);
    }

    fn wait_for(&mut self, token: usize, next: Next) {
        let Some(lane) = self.lanes.get_mut(&token) else { return };
        let before = lane.wait;
        if let Wait::Until(at) = before {
            self.timers.remove(&(at, token));
        }
        match (before, next) {
            (Wait::Event, Next::Event) => (),
            (Wait::Until(_), Next::Event) => {
                lane.wait = Wait::Event;
                register(&self.poll, &lane.stream, token);
            }
            (Wait::Event | Wait::Until(_), Next::At(at)) => {
                if let Wait::Event = before {
                    deregister(&self.poll, &lane.stream);
                }
                lane.wait = Wait::Until(at);
                self.timers.insert((at, token));
            }
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
        let Attachment { pipe, file, rotation } = attachment;
        match self.tokens.get(&key) {
            Some(token) => self.attach_again(*token, Attachment { pipe, file, rotation }),
            None => {
                let name = format!("{} {:?}", key.service, key.stream).to_lowercase();
                let series = Series::new(file, rotation, self.times.clone());
                self.take_on(key, Stream::new(name, pipe, series));
            }
        }
    }

    fn take_on(&mut self, key: StreamKey, stream: Stream) {
        let token = self.next_token;
        self.next_token += 1;
        // What is in it already makes an event as well.
        register(&self.poll, &stream, token);
        self.lanes.insert(token, Lane { stream, wait: Wait::Event });
        self.tokens.insert(key, token);
    }

    /// A reload attaches every stream again, and for most of them nothing is different: the open file and the pipe stay. A
    /// pipe that another one follows is emptied first, whenever the disk takes what is in it.
    fn attach_again(&mut self, token: usize, attachment: Attachment) {
        let Attachment { pipe, file, rotation } = attachment;
        self.reconfigure(token, file, rotation);
        let Some(lane) = self.lanes.get_mut(&token) else { return };
        if !lane.stream.reads_from(&pipe) {
            self.follow_with(token, pipe);
        }
    }

    fn follow_with(&mut self, token: usize, pipe: OwnedFd) {
        self.wait_for(token, Next::At(Instant::now()));
        if let Some(lane) = self.lanes.get_mut(&token) {
            lane.stream.follow_with(pipe);
        }
        self.turn(token);
    }

    fn configure(&mut self, key: &StreamKey, file: PathBuf, rotation: Rotation) {
        if let Some(token) = self.tokens.get(key).copied() {
            self.reconfigure(token, file, rotation);
        }
    }

    /// What is there belongs where it went so far.
    fn reconfigure(&mut self, token: usize, file: PathBuf, rotation: Rotation) {
        self.drain_one(token);
        if let Some(lane) = self.lanes.get_mut(&token) {
            lane.stream.configure(file, rotation);
        }
        self.turn(token);
    }

    fn detach(&mut self, key: &StreamKey) {
        let Some(token) = self.tokens.remove(key) else { return };
        self.drain_one(token);
        let Some(lane) = self.lanes.remove(&token) else { return };
        match lane.wait {
            Wait::Event => deregister(&self.poll, &lane.stream),
            Wait::Until(at) => drop(self.timers.remove(&(at, token))),
        }
        let bytes = lane.stream.waiting();
        if bytes > 0 {
            tracing::warn!(service = %key.service, bytes, "its log file cannot be written; its last output is lost");
        }
    }

    fn drain(&mut self, service: &ServiceName) {
        for which in [pump::Stream::Stdout, pump::Stream::Stderr] {
            let key = StreamKey { service: service.clone(), stream: which };
            if let Some(token) = self.tokens.get(&key).copied() {
                self.drain_one(token);
            }
        }
    }

    fn drain_all(&mut self) {
        let tokens: Vec<usize> = self.lanes.keys().copied().collect();
        for token in tokens {
            self.drain_one(token);
        }
    }

    fn drain_one(&mut self, token: usize) {
        let Some(lane) = self.lanes.get_mut(&token) else { return };
        let next = lane.stream.drain(&mut self.side, (self.unix_ms)());
        self.wait_for(token, next);
    }
}

fn register(poll: &Poll, stream: &Stream, token: usize) {
    let Some(fd) = stream.fd() else { return };
    let registered = poll.registry().register(&mut SourceFd(&fd), Token(token), Interest::READABLE);
    if let Err(error) = registered {
        tracing::error!(token, %error, "cannot wait for the output of a service");
    }
}

fn deregister(poll: &Poll, stream: &Stream) {
    if let Some(fd) = stream.fd() {
        let _ = poll.registry().deregister(&mut SourceFd(&fd));
    }
}
