use std::collections::BTreeSet;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;

use tokio::sync::mpsc;

use super::engine::Engine;
use super::listeners::line::{self, OwnEnds};
use crate::logs::pump::{Attachment, Destination, Pump, StreamKey};
use crate::logs::tap::Heard;
use crate::logs::transits::Transits;
use crate::machine;
use crate::rundir::channel;
use crate::rundir::paths::Paths;
use crate::spec::fleet::Fleet;
use crate::spec::log::{Envelope, Logs, OutputEvents, Target};
use crate::spec::service::{Service, Stdin};
use crate::spec::supervisor::Copies;
use crate::sys::clock;
use crate::sys::stash::Stash;
use crate::vocab::identity::Pid;
use crate::vocab::name::ServiceName;
use crate::vocab::stream::Stream;

/// A pipe that was opened for a stream, on its way to the pump.
type Opened = (StreamKey, Attachment);

/// The service's ends of its streams, and the supervisor's of those of a listener.
pub(super) struct Streams {
    pub(super) stdin: Option<OwnedFd>,
    pub(super) stdout: OwnedFd,
    pub(super) stderr: OwnedFd,
    pub(super) line: Option<OwnEnds>,
}

/// The log pump, and what it tells of streams.
pub(super) fn start_pump(paths: &Paths, stash: &Stash) -> io::Result<(Pump, mpsc::Receiver<Heard>)> {
    let transits = Transits::new(paths.transits.clone(), stash.clone());
    Pump::start(paths.times.clone(), transits, clock::unix_ms)
}

impl Engine {
    /// Makes the channels of every service and hands their readers to the pump; a service that cannot have them says
    /// so when it is started.
    pub(super) fn declare_channels(&self, fleet: &Fleet) {
        let before = self.stash.contents();
        let mut opened = Vec::new();
        for service in fleet.services().values() {
            match self.open_channels(service) {
                Ok(pair) => opened.extend(pair),
                Err(error) => {
                    tracing::warn!(service = %service.name, %error, "cannot make its log channels");
                }
            }
        }
        // A pipe that could not be opened once more, and one of a service or a stream that is to go, has no
        // other hold.
        let is_of_all = opened.len() == fleet.services().values().map(|it| streams_of(it)).sum::<usize>()
            && self.fleet.services().values().all(|before| {
                let after = fleet.services().get(&before.spec().name);
                after.is_some_and(|after| streams_of(after) >= streams_of(before.spec()))
            });
        self.read_from(opened);
        if is_of_all {
            if let Err(error) = self.pump.hold_again().and_then(|()| self.stash.let_go(before)) {
                tracing::debug!(%error, "cannot let go of pipes that are held twice");
            }
        }
    }

    /// The same for one service that is new.
    pub(super) fn declare_channels_of(&self, service: &Service) {
        match self.open_channels(service) {
            Ok(pair) => self.read_from(pair),
            Err(error) => {
                tracing::warn!(service = %service.name, %error, "cannot make its log channels");
            }
        }
    }

    /// Nobody writes into the channels of a service that has left the config.
    pub(super) fn forget(&self, service: &ServiceName) {
        for stream in [Stream::Stdout, Stream::Stderr] {
            self.pump.detach(StreamKey { service: service.clone(), stream });
        }
    }

    /// The service's ends of its channels. A run directory that was wiped is made again, and the pump follows.
    pub(super) fn outputs(&self, service: &Service) -> io::Result<[OwnedFd; 2]> {
        let stdout = self.paths.stdout_channel(&service.name);
        let stderr = match service.logs.are_joined() {
            true => stdout.clone(),
            false => self.paths.stderr_channel(&service.name),
        };
        let open = || Ok([channel::open_writer(&stdout)?, channel::open_writer(&stderr)?]);
        open().or_else(|_| {
            self.paths.prepare().map_err(io::Error::other)?;
            self.read_from(self.open_channels(service)?);
            open()
        })
    }

    /// Everything that a run of the service reads and writes beside files. What a listener to events writes on its standard
    /// output is no log.
    pub(super) fn streams(&self, service: &Service) -> io::Result<Streams> {
        let [stdout, stderr] = self.outputs(service)?;
        if service.listener.is_none() {
            return Ok(Streams { stdin: self.input(service)?, stdout, stderr, line: None });
        }
        let (ends, line) = line::pipes()?;
        Ok(Streams { stdin: Some(ends.stdin), stdout: ends.stdout, stderr, line: Some(line) })
    }

    /// What the service reads, if it is a pipe.
    fn input(&self, service: &Service) -> io::Result<Option<OwnedFd>> {
        match service.stdin {
            Stdin::Null => Ok(None),
            Stdin::Pipe => channel::open_input(&self.paths.stdin_channel(&service.name)).map(Some),
        }
    }

    /// A service that lives on from an earlier supervisor may write into pipes whose names are gone: they are read on.
    pub(super) fn recover_channels(&self, service: &Service, main: Pid) {
        let pairs = [
            (Stream::Stdout, 1, self.paths.stdout_channel(&service.name)),
            (Stream::Stderr, 2, self.paths.stderr_channel(&service.name)),
        ];
        let open = |(stream, descriptor, path): (Stream, i32, PathBuf)| {
            let pipe = channel::open_removed(&path, main, descriptor)?;
            let key = StreamKey { service: service.name.clone(), stream };
            Some((key, Attachment { pipe, destination: self.destination(service, stream) }))
        };
        self.read_from(pairs.into_iter().filter_map(open).collect());
    }

    fn open_channels(&self, service: &Service) -> io::Result<Vec<Opened>> {
        let pairs = [
            (Stream::Stdout, self.paths.stdout_channel(&service.name)),
            (Stream::Stderr, self.paths.stderr_channel(&service.name)),
        ];
        let lives =
            self.fleet.services().get(&service.name).is_some_and(machine::service::Service::has_live_process);
        let mut opened = Vec::with_capacity(pairs.len());
        // What an earlier config kept apart goes on as it was until its process has ended.
        for (stream, channel) in pairs.into_iter().take(streams_of(service)) {
            let key = StreamKey { service: service.name.clone(), stream };
            let destination = self.destination(service, stream);
            if lives && !channel.exists() {
                // A new pipe would be read in the place of the one that its process writes into.
                self.pump.configure(key, destination);
                continue;
            }
            let pipe = channel::open_reader(&channel)?;
            opened.push((key, Attachment { pipe, destination }));
        }
        Ok(opened)
    }

    /// Where a stream of a service goes.
    fn destination(&self, service: &Service, stream: Stream) -> Destination {
        let logs = &service.logs;
        let (file, other, targets, events, making) = match stream {
            Stream::Stdout => {
                (&logs.stdout, &logs.stderr, &logs.stdout_to, logs.stdout_events, logs.stdout_making)
            }
            Stream::Stderr => {
                (&logs.stderr, &logs.stdout, &logs.stderr_to, logs.stderr_events, logs.stderr_making)
            }
        };
        Destination {
            file: file.clone(),
            beside: (!logs.are_joined()).then(|| other.clone()),
            making,
            rotation: logs.rotation,
            targets: targets.clone(),
            delivery: logs.delivery,
            sockets: self.fleet.spec().supervisor().log_sockets.clone(),
            events: OutputEvents { copied: self.is_copied(logs, targets), ..events },
        }
    }

    /// Whether the own log has a copy of a stream: only one that goes as it is into a file, or nowhere, is looked at on its way.
    fn is_copied(&self, logs: &Logs, targets: &BTreeSet<Target>) -> bool {
        let is_plain =
            targets.iter().all(|it| *it == Target::File) && logs.delivery.envelope == Envelope::None;
        is_plain && self.fleet.spec().supervisor().log.copies == Copies::All
    }

    /// Before anybody writes into a pipe, it is held where it outlives this process: a service that ends while there is no
    /// supervisor leaves its last lines in it.
    fn read_from(&self, opened: Vec<Opened>) {
        let pipes: Vec<_> = opened.iter().map(|(_, attachment)| attachment.pipe.as_fd()).collect();
        if let Err(error) = self.stash.put(&pipes) {
            tracing::warn!(%error, "cannot hold log pipes beyond the supervisor's end; last lines may be lost then");
        }
        for (key, attachment) in opened {
            self.pump.attach(key, attachment);
        }
    }
}

/// How many channels a service has: one when its standard error goes where its standard output goes.
fn streams_of(service: &Service) -> usize {
    if service.logs.are_joined() { 1 } else { 2 }
}
