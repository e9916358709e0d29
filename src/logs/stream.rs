use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, MutexGuard};
use std::time::{Duration, Instant};

use super::current;
use super::disk::{Disk, Whose};
use super::ending::{Company, Ending, Endings};
use super::envelope::{OpenLines, Origin};
use super::fan::{Fan, Portion};
use super::gap::{Filling, Gap};
use super::loss::{Copies, Loss, Place};
use super::pace::{LARGE_BYTES, Look, Next, Pace};
use super::pump::{Destination, Ground, StreamKey};
use super::series::{Series, Taken};
use super::share::Share;
use super::turn::{End, Reach};
use crate::spec::log::{Delivery, OnFull};
use crate::sys::source::{SidePipe, Source};

/// One stream on its way from its pipe into its files.
#[derive(Debug)]
pub(super) struct Stream {
    /// The pipe, behind those before it that are not empty yet.
    sources: VecDeque<Source>,
    /// How many bytes have left the pipes before those.
    taken_before: u64,
    endings: Endings,
    series: Share,
    /// Where bytes do not go as they are into one file.
    fan: Option<Box<Fan>>,
    gap: Gap,
    origin: Origin,
    ground: Ground,
    delivery: Delivery,
    disk: Disk,
    pace: Pace,
    /// Whether the system gives it a second pipe, as far as is known.
    may_have_transit: bool,
    /// How long an open line was waited for at last.
    open_pause: Duration,
}

/// A stream may move so many bytes before the others have their turn: as much as a pipe can be large.
const TURN_BYTES: usize = 1 << 20;

/// How large a pipe that fills up may become: what an unprivileged process may have at most on Linux
/// (`/proc/sys/fs/pipe-max-size`). The kernel takes the memory only as bytes arrive.
pub(super) const PIPE_BYTES: usize = 1 << 20;

/// How long a target that has no room is let make some.
const FULL_PAUSE: Duration = Duration::from_millis(2);

/// The first pause before a pipe is looked at again that holds the beginning of a line, and the longest.
const OPEN_PAUSE_FIRST: Duration = Duration::from_millis(2);
const OPEN_PAUSE_LONGEST: Duration = Duration::from_millis(100);

/// How often a pipe is looked at that must not fill up while its disk is stuck.
const SHED_PAUSE: Duration = Duration::from_millis(20);

impl Stream {
    pub(super) fn new(key: &StreamKey, pipe: OwnedFd, destination: Destination, ground: &Ground) -> Self {
        let origin = Origin { service: key.service.clone(), stream: key.stream };
        let mut source = Source::new(pipe);
        if let Some(transit) = ground.transits.existing(key) {
            source.go_through(transit);
        }
        let series = ground.shares.join(key.clone(), destination, &ground.times);
        let loss = Loss::new(&ground.tally, &key.service, Place::File, Copies::Nowhere);
        let gap = Gap::new(origin.clone(), loss);
        Self {
            sources: VecDeque::from([source]),
            taken_before: 0,
            endings: Endings::default(),
            fan: Fan::new(&origin, series.destination(), series.writers(), ground).if_needed(),
            delivery: series.destination().delivery,
            series,
            gap,
            origin,
            ground: ground.clone(),
            disk: Disk::Well,
            pace: Pace::new(),
            may_have_transit: true,
            open_pause: OPEN_PAUSE_FIRST,
        }
    }

    /// The pipe that its service writes into.
    pub(super) fn pipe(&self) -> Option<BorrowedFd<'_>> {
        self.sources.back().map(Source::as_fd)
    }

    /// Whether this descriptor is of the pipe that is read.
    pub(super) fn reads_from(&self, pipe: &OwnedFd) -> bool {
        let other = identity(pipe);
        other.is_some() && self.sources.back().and_then(identity) == other
    }

    /// Its files.
    pub(super) fn series(&self) -> MutexGuard<'_, Series> {
        self.series.series()
    }

    /// Takes over another destination for all further bytes.
    pub(super) fn configure(&mut self, destination: Destination, unix_ms: u64) {
        if **self.series.destination() != destination {
            self.change_way(&destination, unix_ms);
            self.series.configure(destination, &self.ground.times);
        }
        self.retry_now();
    }

    /// What is on its way goes where it went so far.
    fn change_way(&mut self, to: &Destination, unix_ms: u64) {
        let mut fan = Fan::new(&self.origin, to, self.series.writers(), &self.ground);
        if let (Some(earlier), Some(source)) = (self.fan.take(), self.sources.front_mut()) {
            fan.succeed(*earlier, (&mut self.series.series(), source, unix_ms));
        }
        self.fan = fan.if_needed();
        self.delivery = to.delivery;
    }

    /// A run has ended, and all that it wrote had arrived by this time. It is moved, and the run's end comes behind it, also
    /// where the disk or a target lets that wait.
    pub(super) fn end_run(&mut self, company: Company, side: &mut SidePipe, unix_ms: u64) -> Next {
        let waiting = u64::try_from(self.waiting()).unwrap_or_default();
        self.endings.add(Ending { at: self.taken() + waiting, unix_ms, company });
        self.drain_open_line(side, unix_ms)
    }

    /// The last bytes of standard error since this was asked last; none where the file has them as they came.
    pub(super) fn take_last(&mut self) -> Option<Vec<u8>> {
        self.fan.as_mut().and_then(|fan| fan.take_last())
    }

    /// Goes on with another pipe, once those before it are empty.
    pub(super) fn follow_with(&mut self, pipe: OwnedFd) {
        self.sources.push_back(Source::new(pipe));
    }

    /// How many bytes are not in a file.
    pub(super) fn waiting(&self) -> usize {
        self.sources.iter().map(Source::waiting).sum()
    }

    /// How many of them cannot be written.
    pub(super) fn stuck_bytes(&self) -> usize {
        if self.disk.is_stuck() { self.waiting() } else { 0 }
    }

    /// How many bytes have left its pipes so far.
    fn taken(&self) -> u64 {
        self.taken_before + self.sources.iter().map(Source::taken).sum::<u64>()
    }

    /// The next turn tries a stuck disk, however short the pause was.
    pub(super) fn retry_now(&mut self) {
        self.disk.retry_now();
    }

    /// Moves what there is, or as much as one turn allows; says when the next turn is.
    pub(super) fn turn(&mut self, side: &mut SidePipe, unix_ms: u64) -> Next {
        let (bytes, end) = self.move_bytes(side, unix_ms, Reach::Paced);
        let at = Instant::now();
        let capacity = self.sources.back().map_or(0, Source::capacity);
        if bytes >= capacity / 8 {
            self.make_room(bytes, capacity);
        }
        match end {
            End::Stuck(retry_at) => Next::At(retry_at),
            End::Full => Next::At(at + FULL_PAUSE),
            End::Done => match self.pace.after(Look { at, bytes, capacity }) {
                Next::Event => self.after_open_line(at, bytes),
                later @ Next::At(_) => later,
            },
            End::More => match self.pace.after(Look { at, bytes, capacity }) {
                Next::Event => Next::At(at),
                later @ Next::At(_) => later,
            },
        }
    }

    /// A writer that fills half of its pipe gets a larger one. Whoever has a large one gets a second one for what gathers there.
    fn make_room(&mut self, bytes: usize, capacity: usize) {
        if bytes >= capacity / 2 {
            self.sources.iter_mut().for_each(|source| source.grow(PIPE_BYTES));
        }
        let Some(source) = self.sources.front_mut().filter(|source| !source.has_transit()) else { return };
        if !Source::TAKES_TRANSIT || !self.may_have_transit || self.fan.is_some() || capacity < LARGE_BYTES {
            return;
        }
        match self.ground.transits.of(&self.origin.key(), PIPE_BYTES) {
            Ok(transit) => source.go_through(transit),
            Err(error) => {
                tracing::debug!(service = %self.origin.service, %error, "cannot make a second pipe for its output");
                self.may_have_transit = false;
            }
        }
    }

    /// Linux tells of bytes that come into a pipe that was not empty at the end of a write(2) alone. A writer of more than the
    /// pipe holds never gets there while the beginning of its line is left in the pipe, and nobody would be told.
    fn after_open_line(&mut self, at: Instant, bytes: usize) -> Next {
        if self.fan.is_none() || self.waiting() == 0 {
            self.open_pause = OPEN_PAUSE_FIRST;
            return Next::Event;
        }
        self.open_pause =
            if bytes > 0 { OPEN_PAUSE_FIRST } else { (self.open_pause * 2).min(OPEN_PAUSE_LONGEST) };
        Next::At(at + self.open_pause)
    }

    /// Moves all that is whole of what is in the pipe at this moment, and leaves a line or a mark there that is being written,
    /// where those count; says when the next turn is. A stuck disk is tried once more, however short the last pause was.
    pub(super) fn drain(&mut self, side: &mut SidePipe, unix_ms: u64) -> Next {
        self.drain_to(Reach::Whole, side, unix_ms)
    }

    /// The same where one who wrote has ended, perhaps in the midst of a line.
    pub(super) fn drain_open_line(&mut self, side: &mut SidePipe, unix_ms: u64) -> Next {
        self.drain_to(Reach::OpenLine, side, unix_ms)
    }

    fn drain_to(&mut self, reach: Reach, side: &mut SidePipe, unix_ms: u64) -> Next {
        // No pipe holds more than so many turns move; a writer that never stops does not hold the others up for longer.
        const TURNS: usize = 4;
        self.retry_now();
        for _ in 0..TURNS {
            match self.move_bytes(side, unix_ms, reach).1 {
                End::Done => {
                    self.pace = Pace::new();
                    return self.after_open_line(Instant::now(), 0);
                }
                End::Stuck(retry_at) => return Next::At(retry_at),
                End::Full => return Next::At(Instant::now() + FULL_PAUSE),
                End::More => (),
            }
        }
        Next::At(Instant::now())
    }

    /// Says how many bytes it moved as well.
    fn move_bytes(&mut self, side: &mut SidePipe, unix_ms: u64, reach: Reach) -> (usize, End) {
        let mut bytes = 0;
        if let Some(retry_at) = self.disk.rests_until() {
            return (0, self.wait_for_disk(side, retry_at));
        }
        let pause = self.disk.next_pause();
        while bytes < TURN_BYTES {
            match self.take(side, reach, unix_ms) {
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
                    if self.sources.len() <= 1 {
                        return (bytes, End::Done);
                    }
                    self.taken_before += self.sources.pop_front().map_or(0, |source| source.taken());
                }
                Ok(Taken::Later(taken)) => {
                    self.get_well();
                    return (bytes + taken, End::Full);
                }
                Err(error) => {
                    let retry_at = self.get_stuck(&error, pause);
                    return (bytes, self.wait_for_disk(side, retry_at));
                }
            }
        }
        (bytes, End::More)
    }

    /// One step of the front pipe's bytes, and the end of a run behind its last one.
    fn take(&mut self, side: &mut SidePipe, reach: Reach, unix_ms: u64) -> io::Result<Taken> {
        if self.series.has_other_writers() {
            self.change_way(&Arc::clone(self.series.destination()), unix_ms);
        }
        self.finish_runs()?;
        let taken = self.take_bytes(side, reach, unix_ms);
        let is_empty = taken.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock);
        // What is held then may be the beginning of a mark that another run writes the rest of.
        if is_empty && self.sources.len() == 1 && self.endings.leave_to_other(self.taken()) {
            return self.take(side, reach, unix_ms);
        }
        self.finish_runs()?;
        taken
    }

    /// Ends the runs of which all is moved. What such a one leaves in hand is written before its end.
    fn finish_runs(&mut self) -> io::Result<()> {
        while let Some(Ending { at, unix_ms, company }) = self.endings.next() {
            self.settle(unix_ms)?;
            if self.taken() < at && self.waiting() > 0 {
                break;
            }
            match company {
                Company::Alone => self.fan.iter_mut().for_each(|fan| fan.end_run()),
                Company::Other => (),
            }
            self.settle(unix_ms)?;
            self.series().end_run(unix_ms);
            self.endings.pop();
        }
        Ok(())
    }

    /// Writes what is in hand.
    fn settle(&mut self, unix_ms: u64) -> io::Result<()> {
        match (&mut self.fan, self.sources.front_mut()) {
            (Some(fan), Some(source)) => fan.settle(&mut self.series.series(), source, unix_ms),
            (Some(_) | None, _) => Ok(()),
        }
    }

    fn take_bytes(&mut self, side: &mut SidePipe, reach: Reach, unix_ms: u64) -> io::Result<Taken> {
        let ending = self.endings.next();
        let left = ending.map(|ending| ending.at.saturating_sub(self.taken()));
        let bytes_max = left.map_or(usize::MAX, |left| usize::try_from(left).unwrap_or(usize::MAX));
        // What a run wrote had arrived when it ended, whenever it is moved.
        let unix_ms = ending.map_or(unix_ms, |ending| ending.unix_ms);
        if self.gap.is_open() {
            self.settle(unix_ms)?;
            self.gap.tell(&mut self.series.series(), self.delivery.envelope, unix_ms)?;
        }
        let is_last = self.sources.len() == 1;
        let Some(source) = self.sources.front_mut() else { return Err(io::ErrorKind::WouldBlock.into()) };
        let Some(fan) = self.fan.as_mut().filter(|fan| fan.is_needed()) else {
            self.fan = None;
            return self.series.series().take(source, side, current::Portion { bytes_max, unix_ms });
        };
        // No more comes into a pipe that another one follows, nor of a run that has ended.
        let open = |is_over: bool| if is_over || !is_last { OpenLines::Flushed } else { OpenLines::Awaited };
        let portion = Portion {
            lines: open(ending.is_some() || reach == Reach::OpenLine),
            marks: open(ending.is_some_and(|ending| ending.company == Company::Alone)),
            bytes_max,
            unix_ms,
        };
        fan.take(&mut self.series.series(), (source, side), portion)
    }

    /// Until then what comes waits in the pipe, or is dropped as far as the pipe would fill up.
    fn wait_for_disk(&mut self, side: &mut SidePipe, retry_at: Instant) -> End {
        match self.delivery.on_full {
            OnFull::Block => End::Stuck(retry_at),
            OnFull::Drop => {
                let Some(source) = self.sources.front_mut() else { return End::Stuck(retry_at) };
                // What cannot be read out of the pipe is tried again in a moment.
                let _ = self.fan.as_mut().map_or(Ok(()), |fan| fan.let_go_of_pipe(source));
                let again_after = match self.gap.shed(source, side) {
                    Ok(Filling::Fast) => Duration::ZERO,
                    Ok(Filling::Slow) | Err(_) => SHED_PAUSE,
                };
                End::Stuck(retry_at.min(Instant::now() + again_after))
            }
        }
    }

    fn get_well(&mut self) {
        let (origin, tally) = (&self.origin, &self.ground.tally);
        self.disk.get_well(Whose { origin, on_full: self.delivery.on_full, tally });
    }

    fn get_stuck(&mut self, error: &io::Error, pause: Duration) -> Instant {
        let (origin, tally) = (&self.origin, &self.ground.tally);
        self.disk.get_stuck(error, pause, Whose { origin, on_full: self.delivery.on_full, tally })
    }
}

fn identity(pipe: &impl AsFd) -> Option<(libc::dev_t, libc::ino_t)> {
    nix::sys::stat::fstat(pipe).ok().map(|found| (found.st_dev, found.st_ino))
}
