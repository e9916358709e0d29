use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::fd::OwnedFd;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use super::ending::Company;
use super::pace::Next;
use super::press::{Press, Pressed};
use super::pump::{Attachment, Destination, Drained, Ground, Request, SetAside, StreamKey};
use super::stream::Stream;
use crate::sys::arrivals::{Arrivals, Waker};
use crate::sys::clock;
use crate::sys::source::SidePipe;
use crate::vocab::name::ServiceName;
use crate::vocab::stream;

/// What a thread of the pump does, and all that it has.
pub(super) struct Worker {
    arrivals: Arrivals,
    inbox: mpsc::Receiver<Request>,
    ground: Ground,
    /// Each in a place of its own: up to half of a tree's nodes is empty.
    lanes: BTreeMap<usize, Box<Lane>>,
    tokens: BTreeMap<StreamKey, usize>,
    next_token: usize,
    /// How many runs each service has that were begun and not ended.
    runs: BTreeMap<ServiceName, usize>,
    /// Every lane that is looked at at a time.
    timers: BTreeSet<(Instant, usize)>,
    /// Every lane whose file is seen to by the wall clock, and when.
    alarms: BTreeSet<(u64, usize)>,
    press: Press,
    side: SidePipe,
}

/// A stream and what it waits for.
struct Lane {
    stream: Stream,
    wait: Wait,
    alarm: Option<u64>,
}

/// Who waits for a time is told of nothing: a busy writer wakes nobody.
#[derive(Clone, Copy)]
enum Wait {
    Event,
    Until(Instant),
    /// It has its turn before it waits again.
    Turn,
}

#[derive(PartialEq)]
enum Going {
    On,
    Over,
}

/// How often a pipe is looked at of which the system tells nothing: a follower still sees each line within a tenth of a second.
const UNTOLD_PAUSE: Duration = Duration::from_millis(20);

impl Worker {
    /// A worker for this thread, and what wakes it for a request.
    pub(super) fn new(
        (back, inbox): (mpsc::Sender<Request>, mpsc::Receiver<Request>),
        ground: Ground,
    ) -> io::Result<(Self, Waker)> {
        let (arrivals, waker) = Arrivals::new()?;
        let worker = Self {
            arrivals,
            inbox,
            ground,
            lanes: BTreeMap::new(),
            tokens: BTreeMap::new(),
            next_token: 0,
            runs: BTreeMap::new(),
            timers: BTreeSet::new(),
            alarms: BTreeSet::new(),
            press: Press::new(back, waker.clone()),
            side: SidePipe::default(),
        };
        Ok((worker, waker))
    }

    /// Moves bytes and obeys, until it is told to end.
    pub(super) fn run(mut self) {
        clock::wake_on_time();
        loop {
            let mut tokens = self.wait();
            for token in &tokens {
                self.lanes.get_mut(token).into_iter().for_each(|lane| lane.wait = Wait::Turn);
            }
            let now = Instant::now();
            tokens.extend(self.timers.iter().take_while(|(at, _)| *at <= now).map(|(_, token)| *token));
            for token in tokens {
                self.turn(token);
            }
            self.ring();
            if self.obey() == Going::Over {
                return;
            }
        }
    }

    fn wait(&mut self) -> BTreeSet<usize> {
        let timer = self.timers.first().map(|(at, _)| at.saturating_duration_since(Instant::now()));
        let alarm = self.alarms.first().map(|(at_ms, _)| at_ms.saturating_sub((self.ground.unix_ms)()));
        // Rounded up: no moment is looked at before it has come.
        let alarm = alarm.map(|rest_ms| Duration::from_millis(rest_ms.saturating_add(1)));
        self.arrivals.wait(timer.into_iter().chain(alarm).min()).unwrap_or_else(|error| {
            tracing::error!(%error, "the log pump cannot wait for output");
            thread::sleep(Duration::from_millis(100));
            BTreeSet::new()
        })
    }

    fn turn(&mut self, token: usize) {
        let Some(lane) = self.lanes.get_mut(&token) else { return };
        let next = lane.stream.turn(&mut self.side, (self.ground.unix_ms)());
        self.wait_for(token, next);
        self.look_after(token);
    }

    /// What a turn has changed of the stream's files may be a reason to compress one, or another time to set one aside.
    fn look_after(&mut self, token: usize) {
        let Some(lane) = self.lanes.get_mut(&token) else { return };
        let alarm = lane.stream.series().alarm();
        if alarm != lane.alarm {
            lane.alarm.map(|at_ms| self.alarms.remove(&(at_ms, token)));
            alarm.map(|at_ms| self.alarms.insert((at_ms, token)));
            lane.alarm = alarm;
        }
        if lane.stream.series().take_note_of_rotation() {
            self.press.enqueue(token);
            self.press_next();
        }
    }

    /// Sets files aside whose time has come, also those of services that are silent.
    fn ring(&mut self) {
        if self.alarms.is_empty() {
            return;
        }
        let now_ms = (self.ground.unix_ms)();
        let due: Vec<usize> = self.alarms.iter().take_while(|(at, _)| *at <= now_ms).map(|it| it.1).collect();
        for token in due {
            if let Some(lane) = self.lanes.get_mut(&token) {
                lane.stream.series().ring(now_ms);
            }
            self.look_after(token);
        }
    }

    fn press_next(&mut self) {
        while let Some(token) = self.press.next() {
            let Some(lane) = self.lanes.get_mut(&token) else { continue };
            let Some(job) = lane.stream.series().begin_press() else { continue };
            let path = job.path.clone();
            if let Err(error) = self.press.begin(token, job) {
                tracing::warn!(file = %path.display(), %error, "cannot compress a log file");
            }
        }
    }

    fn pressed(&mut self, token: usize, pressed: io::Result<Pressed>) {
        self.press.rest();
        let placed = match (pressed, self.lanes.get_mut(&token)) {
            (Ok(pressed), Some(lane)) => lane.stream.series().place(&pressed),
            (Ok(pressed), None) => std::fs::remove_file(&pressed.made),
            (Err(error), _) => Err(error),
        };
        match placed {
            Ok(()) => self.press.enqueue(token),
            // It is tried again after the next rotation.
            Err(error) => tracing::warn!(%error, "cannot compress a log file; it stays as it is"),
        }
        self.press_next();
    }

    fn set_aside(&mut self, key: &StreamKey) -> Option<(SetAside, usize)> {
        let token = *self.tokens.get(key)?;
        self.drain_one(token);
        let lane = self.lanes.get_mut(&token)?;
        let came = lane.stream.series().set_aside_now((self.ground.unix_ms)());
        let waiting = lane.stream.stuck_bytes();
        self.look_after(token);
        Some((came, waiting))
    }

    fn wait_for(&mut self, token: usize, next: Next) {
        let Some(lane) = self.lanes.get(&token) else { return };
        if matches!((lane.wait, next), (Wait::Event, Next::Event)) {
            return;
        }
        self.end_wait(token);
        let Some(lane) = self.lanes.get_mut(&token) else { return };
        lane.wait = wait(&lane.stream, token, next, &mut self.arrivals);
        if let Wait::Until(at) = lane.wait {
            self.timers.insert((at, token));
        }
    }

    fn end_wait(&mut self, token: usize) {
        let Some(lane) = self.lanes.get_mut(&token) else { return };
        match std::mem::replace(&mut lane.wait, Wait::Turn) {
            Wait::Event => lane.stream.pipe().into_iter().for_each(|pipe| self.arrivals.ignore(pipe, token)),
            Wait::Until(at) => drop(self.timers.remove(&(at, token))),
            Wait::Turn => (),
        }
    }

    fn obey(&mut self) -> Going {
        while let Ok(request) = self.inbox.try_recv() {
            match request {
                Request::Attach(key, attachment) => self.attach(key, attachment),
                Request::Configure(key, destination) => self.configure(&key, destination),
                Request::Detach(key) => self.detach(&key),
                Request::Drain(service, done) => {
                    let _ = done.send(self.drain_service(&service));
                }
                Request::BeginRun(service) => self.begin_run(service),
                Request::EndRun(service, done) => {
                    let _ = done.send(self.end_run(&service));
                }
                Request::SetAside(key, done) => {
                    if let Some(came) = self.set_aside(&key) {
                        let _ = done.send(came);
                    }
                }
                Request::Pressed(token, pressed) => self.pressed(token, pressed),
                Request::Close(done) => {
                    self.empty_all();
                    let _ = done.send(());
                    return Going::Over;
                }
            }
        }
        Going::On
    }

    fn attach(&mut self, key: StreamKey, attachment: Attachment) {
        match self.tokens.get(&key) {
            Some(token) => self.attach_again(*token, attachment),
            None => {
                let Attachment { pipe, destination } = attachment;
                let stream = Stream::new(&key, pipe, destination, &self.ground);
                self.take_on(key, stream);
            }
        }
    }

    fn take_on(&mut self, key: StreamKey, stream: Stream) {
        let token = self.next_token;
        self.next_token += 1;
        // Of what an earlier supervisor left on its way nobody tells: that is in a pipe that no service writes into.
        let next = if stream.waiting() > 0 { Next::At(Instant::now()) } else { Next::Event };
        self.lanes.insert(token, Box::new(Lane { stream, wait: Wait::Turn, alarm: None }));
        self.tokens.insert(key, token);
        self.wait_for(token, next);
        self.look_after(token);
    }

    /// A reload attaches every stream again, and for most of them nothing is different: the open file and the pipe stay. A
    /// pipe that another one follows is emptied first, whenever the disk takes what is in it.
    fn attach_again(&mut self, token: usize, attachment: Attachment) {
        let Attachment { pipe, destination } = attachment;
        self.reconfigure(token, destination);
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

    fn configure(&mut self, key: &StreamKey, destination: Destination) {
        if let Some(token) = self.tokens.get(key).copied() {
            self.reconfigure(token, destination);
        }
    }

    /// What is there belongs where it went so far.
    fn reconfigure(&mut self, token: usize, destination: Destination) {
        self.drain_one(token);
        if let Some(lane) = self.lanes.get_mut(&token) {
            lane.stream.configure(destination, (self.ground.unix_ms)());
        }
        self.turn(token);
    }

    fn detach(&mut self, key: &StreamKey) {
        let Some(token) = self.tokens.remove(key) else { return };
        self.empty(token, Company::Alone, (self.ground.unix_ms)());
        self.end_wait(token);
        let Some(lane) = self.lanes.remove(&token) else { return };
        lane.alarm.map(|at_ms| self.alarms.remove(&(at_ms, token)));
        let bytes = lane.stream.waiting();
        if bytes > 0 {
            tracing::warn!(service = %key.service, bytes, "its log file cannot be written; its last output is lost");
        }
        self.ground.transits.forget(key);
    }

    /// Both streams of a service, as far as they are there.
    fn tokens_of(&self, service: &ServiceName) -> Vec<usize> {
        let key = |stream| StreamKey { service: service.clone(), stream };
        let streams = [stream::Stream::Stdout, stream::Stream::Stderr];
        streams.into_iter().filter_map(|stream| self.tokens.get(&key(stream)).copied()).collect()
    }

    fn drain_service(&mut self, service: &ServiceName) -> Drained {
        let unix_ms = (self.ground.unix_ms)();
        let tokens = self.tokens_of(service);
        for token in &tokens {
            self.move_with(*token, |stream, side| stream.drain_open_line(side, unix_ms));
        }
        self.drained(&tokens, unix_ms)
    }

    fn begin_run(&mut self, service: ServiceName) {
        for token in self.tokens_of(&service) {
            self.lanes.get_mut(&token).into_iter().for_each(|lane| lane.stream.series().begin_run());
        }
        *self.runs.entry(service).or_default() += 1;
    }

    fn end_run(&mut self, service: &ServiceName) -> Drained {
        let unix_ms = (self.ground.unix_ms)();
        let others = self.runs.get(service).map_or(0, |runs| runs.saturating_sub(1));
        let (company, _) = match others {
            0 => (Company::Alone, self.runs.remove(service)),
            _ => (Company::Other, self.runs.insert(service.clone(), others)),
        };
        let tokens = self.tokens_of(service);
        for token in &tokens {
            self.empty(*token, company, unix_ms);
        }
        self.drained(&tokens, unix_ms)
    }

    fn drained(&mut self, tokens: &[usize], unix_ms: u64) -> Drained {
        let last = tokens.iter().rev().find_map(|token| self.lanes.get_mut(token)?.stream.take_last());
        Drained { unix_ms, stderr: last }
    }

    /// What is in hand is lost with this process: nothing may stay there.
    fn empty_all(&mut self) {
        let unix_ms = (self.ground.unix_ms)();
        for token in self.lanes.keys().copied().collect::<Vec<_>>() {
            self.empty(token, Company::Alone, unix_ms);
        }
    }

    fn empty(&mut self, token: usize, company: Company, unix_ms: u64) {
        self.move_with(token, |stream, side| stream.end_run(company, side, unix_ms));
    }

    fn drain_one(&mut self, token: usize) {
        let unix_ms = (self.ground.unix_ms)();
        self.move_with(token, |stream, side| stream.drain(side, unix_ms));
    }

    fn move_with(&mut self, token: usize, move_bytes: impl FnOnce(&mut Stream, &mut SidePipe) -> Next) {
        let Some(lane) = self.lanes.get_mut(&token) else { return };
        let next = move_bytes(&mut lane.stream, &mut self.side);
        self.wait_for(token, next);
        self.look_after(token);
    }
}

/// Of a pipe that the system does not tell of is asked again and again.
fn wait(stream: &Stream, token: usize, next: Next, arrivals: &mut Arrivals) -> Wait {
    let told = match (next, stream.pipe()) {
        (Next::At(at), _) => return Wait::Until(at),
        (Next::Event, Some(pipe)) => arrivals.listen(pipe, token),
        (Next::Event, None) => Ok(()),
    };
    match told {
        Ok(()) => Wait::Event,
        Err(error) => {
            tracing::debug!(token, %error, "cannot wait for the output of a service; it is asked for");
            Wait::Until(Instant::now() + UNTOLD_PAUSE)
        }
    }
}
