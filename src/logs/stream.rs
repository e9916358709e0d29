use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use nix::errno::Errno;

use super::series::Series;
use crate::spec::log::Rotation;

/// One stream on its way from its pipe into its files.
#[derive(Debug)]
pub(super) struct Stream {
    pipe: OwnedFd,
    series: Series,
    name: String,
    disk: Disk,
}

/// Whether the disk takes what comes.
#[derive(Debug)]
enum Disk {
    Well,
    /// These bytes were read and not written; nothing more is read until they are. The service waits when its pipe is
    /// full, and nobody else does.
    Stuck {
        held: Vec<u8>,
        retry_at: Instant,
        pause: Duration,
    },
}

/// What one turn of a stream came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// The pipe is empty, or the disk is stuck: there is nothing to do before an event or a retry.
    Idle,
    /// The turn was used up; there is more.
    More,
}

/// A stream may read so many bytes before the others have their turn.
const TURN_BYTES: usize = 1 << 20;

/// The first pause after an error of the disk, and the longest.
const PAUSE_FIRST: Duration = Duration::from_millis(250);
const PAUSE_LONGEST: Duration = Duration::from_secs(5);

impl Stream {
    pub(super) fn new(name: String, pipe: OwnedFd, series: Series) -> Self {
        Self { pipe, series, name, disk: Disk::Well }
    }

    pub(super) fn fd(&self) -> RawFd {
        self.pipe.as_raw_fd()
    }

    /// Whether this descriptor is of the pipe that is read.
    pub(super) fn reads_from(&self, pipe: &OwnedFd) -> bool {
        let identity = |pipe: &OwnedFd| nix::sys::stat::fstat(pipe).ok().map(|it| (it.st_dev, it.st_ino));
        identity(pipe).is_some_and(|other| identity(&self.pipe) == Some(other))
    }

    /// Takes over another file or rotation for all further bytes.
    pub(super) fn configure(&mut self, file: PathBuf, rotation: Rotation) {
        self.series.configure(file, rotation);
        self.retry_now();
    }

    /// Reads from another pipe, and gives the old one back, which was drained before. What a stuck disk has left in
    /// that is held in memory, as much as a pipe can be large.
    pub(super) fn swap_pipe(&mut self, pipe: OwnedFd, buffer: &mut [u8]) -> OwnedFd {
        if let Disk::Stuck { held, .. } = &mut self.disk {
            let held_max = held.len() + TURN_BYTES;
            while held.len() < held_max {
                match nix::unistd::read(&self.pipe, buffer) {
                    Ok(0) => break,
                    Ok(count) => held.extend(&buffer[..count]),
                    Err(Errno::EINTR) => (),
                    Err(_) => break,
                }
            }
        }
        std::mem::replace(&mut self.pipe, pipe)
    }

    /// How many bytes wait in memory for a stuck disk.
    pub(super) fn held(&self) -> usize {
        match &self.disk {
            Disk::Well => 0,
            Disk::Stuck { held, .. } => held.len(),
        }
    }

    /// The next turn tries a stuck disk, however short the pause was.
    pub(super) fn retry_now(&mut self) {
        match &mut self.disk {
            Disk::Well => (),
            Disk::Stuck { retry_at, .. } => *retry_at = Instant::now(),
        }
    }

    /// When the disk is tried again, if it is stuck.
    pub(super) fn retry_at(&self) -> Option<Instant> {
        match &self.disk {
            Disk::Well => None,
            Disk::Stuck { retry_at, .. } => Some(*retry_at),
        }
    }

    /// Moves bytes until the pipe is empty, the turn is used up or the disk is stuck.
    pub(super) fn turn(&mut self, buffer: &mut [u8], unix_ms: u64) -> Turn {
        if self.retry(unix_ms) == Turn::More {
            return Turn::Idle;
        }
        self.series.look_again();
        let mut moved = 0;
        while moved < TURN_BYTES {
            let count = match nix::unistd::read(&self.pipe, buffer) {
                Ok(0) | Err(Errno::EAGAIN) => return Turn::Idle,
                Ok(count) => count,
                Err(Errno::EINTR) => continue,
                Err(errno) => {
                    tracing::warn!(stream = self.name, %errno, "cannot read its output");
                    return Turn::Idle;
                }
            };
            moved += count;
            if let Err(stopped) = self.series.append(&buffer[..count], unix_ms) {
                self.get_stuck(buffer[stopped.written..count].to_vec(), &stopped.error, PAUSE_FIRST);
                return Turn::Idle;
            }
        }
        Turn::More
    }

    /// Tries to write what is held, when it is time; `More` says that it is still stuck.
    fn retry(&mut self, unix_ms: u64) -> Turn {
        let Disk::Stuck { held, retry_at, pause } = &mut self.disk else { return Turn::Idle };
        if *retry_at > Instant::now() {
            return Turn::More;
        }
        let (held, pause) = (std::mem::take(held), (*pause * 2).min(PAUSE_LONGEST));
        self.series.look_again();
        match self.series.append(&held, unix_ms) {
            Ok(()) => {
                tracing::info!(stream = self.name, "its log file can be written again; nothing was lost");
                self.disk = Disk::Well;
                Turn::Idle
            }
            Err(stopped) => {
                self.get_stuck(held[stopped.written..].to_vec(), &stopped.error, pause);
                Turn::More
            }
        }
    }

    fn get_stuck(&mut self, held: Vec<u8>, error: &io::Error, pause: Duration) {
        if matches!(self.disk, Disk::Well) && pause == PAUSE_FIRST {
            tracing::warn!(stream = self.name, %error, "cannot write its log file; its output waits in its pipe");
        }
        self.disk = Disk::Stuck { held, retry_at: Instant::now() + pause, pause };
    }
}
