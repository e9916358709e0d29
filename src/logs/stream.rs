use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};

use super::pace::{Look, Next, Pace};
use super::pump::Destination;
use super::series::{Series, Taken};
use crate::sys::source::{SidePipe, Source};

/// One stream on its way from its pipe into its files.
#[derive(Debug)]
pub(super) struct Stream {
    /// The pipe, behind those before it that are not empty yet.
    sources: VecDeque<Source>,
    series: Series,
    name: String,
    disk: Disk,
    pace: Pace,
}

/// Whether the disk takes what comes.
#[derive(Debug, Clone, Copy)]
enum Disk {
    Well,
    /// Nothing is taken out of the pipe. The service waits when that is full, and nobody else does.
    Stuck {
        retry_at: Instant,
        pause: Duration,
    },
}

/// How far a turn goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// As far as the pace asks.
    Paced,
    /// Until the pipe is empty.
    Whole,
}

/// What came of a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The pipe is empty, or what is in it may gather.
    Done,
    /// The turn was used up; there is more.
    More,
    /// The disk is stuck.
    Stuck(Instant),
}

/// A stream may move so many bytes before the others have their turn: as much as a pipe can be large.
const TURN_BYTES: usize = 1 << 20;

/// How large a pipe that fills up may become: what an unprivileged process may have at most on Linux
/// (`/proc/sys/fs/pipe-max-size`). The kernel takes the memory only as bytes arrive.
const PIPE_BYTES: usize = 1 << 20;

/// The first pause after an error of the disk, and the longest.
const PAUSE_FIRST: Duration = Duration::from_millis(250);
const PAUSE_LONGEST: Duration = Duration::from_secs(5);

impl Stream {
    pub(super) fn new(name: String, pipe: OwnedFd, series: Series) -> Self {
        let sources = VecDeque::from([Source::new(pipe)]);
        Self { sources, series, name, disk: Disk::Well, pace: Pace::new() }
    }

    /// The pipe that its service writes into.
    pub(super) fn fd(&self) -> Option<RawFd> {
        self.sources.back().map(|source| source.as_fd().as_raw_fd())
    }

    /// Whether this descriptor is of the pipe that is read.
    pub(super) fn reads_from(&self, pipe: &OwnedFd) -> bool {
        let other = identity(pipe);
        other.is_some() && self.sources.back().and_then(identity) == other
    }

    /// Its files.
    pub(super) fn series(&mut self) -> &mut Series {
        &mut self.series
    }

    /// Takes over another destination for all further bytes.
    pub(super) fn configure(&mut self, destination: Destination) {
        self.series.configure(destination);
        self.retry_now();
    }

    /// Goes on with another pipe, once those before it are empty.
    pub(super) fn follow_with(&mut self, pipe: OwnedFd) {
        self.sources.push_back(Source::new(pipe));
    }

    /// How many bytes are not in a file.
    pub(super) fn waiting(&self) -> usize {
        self.sources.iter().map(Source::waiting).sum()
    }

    /// The next turn tries a stuck disk, however short the pause was.
    pub(super) fn retry_now(&mut self) {
        match &mut self.disk {
            Disk::Well => (),
            Disk::Stuck { retry_at, .. } => *retry_at = Instant::now(),
        }
    }

    /// Moves what there is, or as much as one turn allows; says when the next turn is.
    pub(super) fn turn(&mut self, side: &mut SidePipe, unix_ms: u64) -> Next {
        let (bytes, end) = self.move_bytes(side, unix_ms, Reach::Paced);
        let at = Instant::now();
        let capacity = self.sources.back().map_or(0, Source::capacity);
        if bytes >= capacity / 2 {
            self.sources.iter_mut().for_each(|source| source.grow(PIPE_BYTES));
        }
        match end {
            End::Stuck(retry_at) => Next::At(retry_at),
            End::Done => self.pace.after(Look { at, bytes, capacity }),
            End::More => match self.pace.after(Look { at, bytes, capacity }) {
                Next::Event => Next::At(at),
                later @ Next::At(_) => later,
            },
        }
    }

    /// Moves all that is in the pipe at this moment; says when the next turn is. A stuck disk is tried once more, however
    /// short the time since the last attempt.
    pub(super) fn drain(&mut self, side: &mut SidePipe, unix_ms: u64) -> Next {
        // No pipe holds more than so many turns move; a writer that never stops does not hold the others up for longer.
        const TURNS: usize = 4;
        self.retry_now();
        for _ in 0..TURNS {
            match self.move_bytes(side, unix_ms, Reach::Whole).1 {
                End::Done => {
                    self.pace = Pace::new();
                    return Next::Event;
                }
                End::Stuck(retry_at) => return Next::At(retry_at),
                End::More => (),
            }
        }
        Next::At(Instant::now())
    }

    /// Says how many bytes it moved as well.
    fn move_bytes(&mut self, side: &mut SidePipe, unix_ms: u64, reach: Reach) -> (usize, End) {
        let mut bytes = 0;
        let pause = match self.disk {
            Disk::Well => PAUSE_FIRST,
            Disk::Stuck { retry_at, .. } if retry_at > Instant::now() => return (0, End::Stuck(retry_at)),
            Disk::Stuck { pause, .. } => (pause * 2).min(PAUSE_LONGEST),
        };
        while bytes < TURN_BYTES {
            let Some(source) = self.sources.front_mut() else { return (bytes, End::Done) };
            match self.series.take(source, side, unix_ms) {
                Ok(Taken::All(taken)) => {
                    bytes += taken;
                    self.get_well();
                    // What has come meanwhile may gather. Where an event is waited for, it is certain only that one comes
                    // for bytes that come after the pipe was found empty.
                    if reach == Reach::Paced && self.pace.gathers() && self.sources.len() == 1 {
                        return (bytes, End::Done);
                    }
                }
                Ok(Taken::Some(taken)) => {
                    bytes += taken;
                    self.get_well();
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.get_well();
                    if self.sources.len() == 1 {
                        return (bytes, End::Done);
                    }
                    self.sources.pop_front();
                }
                Err(error) => return (bytes, self.get_stuck(&error, pause)),
            }
        }
        (bytes, End::More)
    }

    fn get_well(&mut self) {
        match self.disk {
            Disk::Well => (),
            Disk::Stuck { .. } => {
                tracing::info!(stream = self.name, "its log file can be written again; nothing was lost");
                self.disk = Disk::Well;
            }
        }
    }

    fn get_stuck(&mut self, error: &io::Error, pause: Duration) -> End {
        match self.disk {
            Disk::Well => {
                tracing::warn!(stream = self.name, %error, "cannot write its log file; its output waits in its pipe");
            }
            Disk::Stuck { .. } => (),
        }
        let retry_at = Instant::now() + pause;
        self.disk = Disk::Stuck { retry_at, pause };
        End::Stuck(retry_at)
    }
}

fn identity(pipe: &impl AsFd) -> Option<(libc::dev_t, libc::ino_t)> {
    nix::sys::stat::fstat(pipe).ok().map(|found| (found.st_dev, found.st_ino))
}
