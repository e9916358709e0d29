use std::io;
use std::path::Path;
use std::sync::{Arc, Weak};

use super::calendar;
use super::current::{self, Current, LineEnd, Place, Portion, cut};
use super::disposal::Disposal;
use super::due::Due;
use super::press::{self, Job, Pressed};
use super::pump::{Destination, SetAside};
use super::share::{self, Shares};
use super::shelf::Shelf;
use super::times;
use crate::spec::log::{Compression, Making, Target};
use crate::sys::source::{SidePipe, Source};

/// One stream's files: `FILE` is the current one, `FILE.1` the newest of those set aside, up to `FILE.keep`.
#[derive(Debug)]
pub struct Series {
    destination: Arc<Destination>,
    /// Those of other files.
    shares: Shares,
    times: Arc<Path>,
    current: Option<Current>,
    /// How many bytes of the stream came before its next file.
    before: u64,
    failed: Option<Failed>,
    disposal: Disposal,
    due: Due,
    /// Whether a file was set aside since somebody took note of that.
    has_rotated: bool,
    /// Held by who compresses one.
    pressing: Weak<()>,
    /// Whether there may be files with higher numbers than are kept: an earlier config may have kept more.
    may_exceed: bool,
    /// Whether somebody was busy with the other stream's files when room was to be made for this one's.
    is_untrimmed: bool,
}

/// A rotation that failed. The current file grows on, and before the next attempt it grows by a tenth of its largest
/// size, or some time passes.
#[derive(Debug, Clone, Copy)]
struct Failed {
    size: u64,
    unix_ms: u64,
}

/// A rotation that failed is tried again after this many milliseconds.
const AGAIN_MS: u64 = 5000;

/// What one step moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// So many bytes, and the pipe was empty then.
    All(usize),
    /// So many bytes, perhaps none; there may be more.
    Some(usize),
    /// So many bytes, perhaps none; a target has no room for more.
    Later(usize),
}

/// One step moves so many bytes at most, so that one who gets less has emptied the pipe. It is half of what a large one holds:
/// a writer that waits for room is woken while the other half is carried away.
const STEP_BYTES: usize = 512 << 10;

/// Nothing looks at bytes on their way into a file, until there is room for only so many more: then those that come next
/// are looked at, to find the line's end at which the file is set aside.
const LOOK_BYTES: usize = 64 * 1024;

/// Who brings so much at once will go on.
const BUSY_BYTES: usize = 256 * 1024;

impl Series {
    /// The series of a file; nothing is opened yet. Time indexes lie in the directory `times`.
    pub fn new(destination: impl Into<Arc<Destination>>, times: impl Into<Arc<Path>>) -> Self {
        let mut series = Self {
            destination: destination.into(),
            shares: Shares::default(),
            times: times.into(),
            current: None,
            before: 0,
            failed: None,
            disposal: Disposal::default(),
            due: Due::NEVER,
            has_rotated: true,
            pressing: Weak::new(),
            may_exceed: true,
            is_untrimmed: false,
        };
        series.due = series.due_of_file();
        series
    }

    /// The same beside those of other files.
    pub(super) fn among(self, shares: Shares) -> Self {
        Self { shares, ..self }
    }

    /// Takes over another destination with the same file for all further bytes.
    pub fn configure(&mut self, destination: impl Into<Arc<Destination>>) {
        let destination = destination.into();
        if destination == self.destination {
            return;
        }
        let keeps_less = destination.rotation.keep < self.destination.rotation.keep;
        self.destination = destination;
        self.due = self.due_of_file();
        self.has_rotated = true;
        self.may_exceed = true;
        if keeps_less {
            self.remove_excess();
        }
    }

    /// When something is to be done with the current file though no bytes may come by then.
    pub(super) fn alarm(&self) -> Option<u64> {
        let of_current = self.current.as_ref().and_then(Current::alarm);
        self.due.alarm_ms.into_iter().chain(of_current).min()
    }

    /// Whether there may be more files to compress than the last time.
    pub(super) fn take_note_of_rotation(&mut self) -> bool {
        let is_news = std::mem::take(&mut self.has_rotated);
        is_news && self.destination.rotation.compression == Compression::Gzip
    }

    /// What is to be compressed next; nothing while something is.
    pub(super) fn begin_press(&mut self) -> Option<Job> {
        let job = match self.destination.rotation.compression {
            Compression::Gzip if self.pressing.strong_count() == 0 => {
                press::next(&self.destination.file, &self.times)
            }
            // Who does that goes on with the next one.
            Compression::Gzip | Compression::None => None,
        }?;
        self.pressing = Arc::downgrade(&job.turn);
        Some(job)
    }

    /// Puts what was compressed into its place.
    pub(super) fn place(&self, pressed: &Pressed) -> io::Result<()> {
        self.shelf().replace(pressed.replaced, &pressed.made)
    }

    /// The alarm's time has come. A file whose last line has no end waits for that, and one that cannot be set aside for the
    /// next bytes.
    pub(super) fn ring(&mut self, unix_ms: u64) {
        self.current.iter_mut().for_each(|current| current.rest(unix_ms));
        if self.due.has_come(unix_ms) {
            self.due.alarm_ms = None;
            let _ = self.set_aside_now(unix_ms);
        }
    }

    /// Sets the current file aside whatever its size is.
    pub(super) fn set_aside_now(&mut self, unix_ms: u64) -> SetAside {
        self.look_again();
        let size = std::fs::metadata(&self.destination.file).map_or(0, |found| found.len());
        if size == 0 {
            return SetAside::Empty;
        }
        let keeps_none = self.destination.rotation.keep == 0;
        match self.current(unix_ms).and_then(|current| current.line_end()) {
            Ok(LineEnd::Whole) => match self.rotate(Failed { size, unix_ms }) {
                Ok(()) if keeps_none => SetAside::Removed,
                Ok(()) => SetAside::Done,
                Err(error) => SetAside::Failed(error.to_string()),
            },
            Ok(LineEnd::Open) => {
                self.due.at_ms = Some(unix_ms);
                if keeps_none { SetAside::RemovedAtLineEnd } else { SetAside::AtLineEnd }
            }
            Err(error) => SetAside::Failed(error.to_string()),
        }
    }

    /// When a file that is there is to be set aside: counted from its first bytes, as far as that is known.
    fn due_of_file(&self) -> Due {
        let Some(every) = self.destination.rotation.every else { return Due::NEVER };
        let Ok(found) = self.destination.file.metadata() else { return Due::NEVER };
        let began_ms = times::first(&self.times, &found);
        began_ms.filter(|_| found.len() > 0).map_or(Due::NEVER, |it| Due::at(calendar::end(every, it)))
    }

    /// The first bytes of a file say when it is to be set aside.
    fn begin_part_of_day(&mut self, unix_ms: u64) {
        let (Some(every), None) = (self.destination.rotation.every, self.due.at_ms) else { return };
        if self.current.as_ref().is_some_and(|current| current.size() > 0) {
            self.due = Due::at(calendar::end(every, unix_ms));
        }
    }

    /// Notices what others have done to the current file.
    fn look_again(&mut self) {
        if self.is_untrimmed {
            self.trim();
        }
        let Some(current) = &mut self.current else { return };
        let place = current.look_again(&self.destination.file);
        if place == Place::Lost || current.size() == 0 {
            self.due = Due::NEVER;
        }
        if place == Place::Lost {
            self.leave();
        }
    }

    /// Moves a step's worth of bytes, or the portion's, out of the pipe into the current file, or sets that aside at a line's
    /// end when it would grow too large. No line is cut by that: one that is larger than a file may be has a file of its own.
    /// A process that is killed anywhere in here leaves files that the next one goes on with.
    ///
    /// # Errors
    /// `WouldBlock` when the pipe is empty. Anything else is the disk's, and what is not in a file is still in the pipe.
    pub(super) fn take(
        &mut self,
        source: &mut Source,
        side: &mut SidePipe,
        portion: Portion,
    ) -> io::Result<Taken> {
        let taken = self.take_step(source, side, portion)?;
        self.begin_part_of_day(portion.unix_ms);
        Ok(taken)
    }

    fn take_step(&mut self, source: &mut Source, side: &mut SidePipe, portion: Portion) -> io::Result<Taken> {
        let unix_ms = portion.unix_ms;
        let step = STEP_BYTES.min(portion.bytes_max);
        self.look_again();
        if self.current.is_none() && source.waiting() == 0 {
            // No file is made for bytes that have not come.
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let of = |bytes_max| Portion { bytes_max, unix_ms };
        let room = self.room(unix_ms)?;
        let current = self.current(unix_ms)?;
        let Some(room) = room else {
            let taken = current.take(source, side, of(step))?;
            return Ok(if taken < step { Taken::All(taken) } else { Taken::Some(taken) });
        };
        if room > LOOK_BYTES {
            let bytes_max = step.min(room - LOOK_BYTES);
            let taken = current.take(source, side, of(bytes_max))?;
            if taken >= BUSY_BYTES {
                current.reserve(u64::try_from(room - taken).unwrap_or(u64::MAX), unix_ms);
            }
            return Ok(if taken < bytes_max { Taken::All(taken) } else { Taken::Some(taken) });
        }
        let next = source.look(step.min(2 * LOOK_BYTES), side)?;
        if next.len() <= room {
            return current.take(source, side, of(next.len())).map(Taken::Some);
        }
        let line_end = current.line_end()?;
        let cut = cut(&next, room, line_end, current.size());
        let taken = if cut == 0 { 0 } else { current.take(source, side, of(cut))? };
        if taken == cut {
            self.rotate_behind(&next[..cut], line_end, unix_ms);
        }
        Ok(Taken::Some(taken))
    }

    /// Writes bytes that are in hand as [`Self::take`] moves those of a pipe: up to where the file is set aside, if it is. Says
    /// how many it took, perhaps none.
    pub(super) fn put(&mut self, bytes: &[u8], unix_ms: u64) -> io::Result<usize> {
        self.look_again();
        let room = self.room(unix_ms)?.filter(|room| *room < bytes.len());
        let current = self.current(unix_ms)?;
        let written = match room {
            None => current.write(bytes, unix_ms)?,
            Some(room) => {
                let line_end = current.line_end()?;
                let cut = cut(bytes, room, line_end, current.size());
                let written = if cut == 0 { 0 } else { current.write(&bytes[..cut], unix_ms)? };
                if written == cut {
                    self.rotate_behind(&bytes[..cut], line_end, unix_ms);
                }
                written
            }
        };
        self.begin_part_of_day(unix_ms);
        Ok(written)
    }

    /// A run begins. What keeps its file from being made is said when there are bytes for it.
    pub(super) fn begin_run(&self) {
        let Destination { file, targets, making, .. } = &*self.destination;
        if let (Making::WithRun(mode), true) = (making, targets.contains(&Target::File)) {
            let _ = current::make(file, *mode);
        }
    }

    /// What comes next is of another run than what has arrived by this time.
    pub(super) fn end_run(&mut self, unix_ms: u64) {
        self.current.iter_mut().for_each(|current| current.end_run(unix_ms));
    }

    /// Whether the last line of the current file has no end yet.
    pub(super) fn ends_in_midst_of_line(&mut self, unix_ms: u64) -> io::Result<bool> {
        self.look_again();
        Ok(self.current(unix_ms)?.line_end()? == LineEnd::Open)
    }

    /// How many bytes more may go into the current file; none where that cannot be set aside at the moment.
    fn room(&mut self, unix_ms: u64) -> io::Result<Option<usize>> {
        let (size_max, failed, is_due) =
            (self.destination.rotation.size_max, self.failed, self.due.has_come(unix_ms));
        let size = self.current(unix_ms)?.size();
        let must_wait = failed.is_some_and(|failed| {
            let grown = size.saturating_sub(failed.size);
            // At least a byte, or a tiny file would be tried for ever within one call.
            grown < (size_max / 10).max(1) && unix_ms.abs_diff(failed.unix_ms) < AGAIN_MS
        });
        if must_wait {
            return Ok(None);
        }
        let room = if is_due { 0 } else { size_max.saturating_sub(size) };
        Ok(Some(usize::try_from(room).unwrap_or(usize::MAX)))
    }

    /// Sets the file aside if its last portion ends with a line.
    fn rotate_behind(&mut self, portion: &[u8], before: LineEnd, unix_ms: u64) {
        let is_whole = portion.last().map_or(before == LineEnd::Whole, |byte| *byte == b'\n');
        if is_whole {
            let size = self.current.as_ref().map_or(0, Current::size);
            let _ = self.rotate(Failed { size, unix_ms });
        }
    }

    fn current(&mut self, unix_ms: u64) -> io::Result<&mut Current> {
        if self.current.is_none() {
            if let (Err(error), None) = (self.shelf().finish(), self.failed) {
                self.fail(&error, Failed { size: 0, unix_ms });
            }
            let Destination { file, making, .. } = &*self.destination;
            self.current = Some(Current::open(file, making.mode(), &self.times, self.before)?);
        }
        self.current.as_mut().ok_or_else(|| io::Error::other("the log file was just opened"))
    }

    /// Sets the current file aside. Where that fails it stays the current one, and that is noted: bytes that are written are
    /// written, whatever becomes of the file's name.
    fn rotate(&mut self, attempt: Failed) -> io::Result<()> {
        self.shelf().set_aside().inspect_err(|error| self.fail(error, attempt))?;
        self.leave();
        self.due = Due::NEVER;
        self.has_rotated = true;
        if self.failed.take().is_some() {
            tracing::info!(file = %self.destination.file.display(), "a full log file can be set aside again");
        }
        self.remove_excess();
        self.trim();
        Ok(())
    }

    /// What comes next goes into another file.
    fn leave(&mut self) {
        if let Some(current) = self.current.take() {
            self.before = current.reached();
        }
    }

    /// Removes files that an earlier config had room for.
    fn remove_excess(&mut self) {
        let may_exceed = std::mem::take(&mut self.may_exceed);
        self.tell_of(may_exceed.then(|| self.shelf().remove_excess()));
    }

    /// What the current files may grow to is kept free.
    fn trim(&mut self) {
        let Destination { file, beside, rotation, .. } = &*self.destination;
        let Some(total_max) = rotation.total_max else { return };
        let beside = beside.as_ref().filter(|beside| !share::are_one(beside, file));
        let current_files = 1 + u64::from(beside.is_some());
        let bytes_max = total_max.saturating_sub(current_files.saturating_mul(rotation.size_max));
        let trim = || self.shelf().trim(beside.map(AsRef::as_ref), bytes_max);
        let trimmed = self.shares.while_still(beside, trim);
        self.is_untrimmed = trimmed.is_none();
        self.tell_of(trimmed);
    }

    fn tell_of(&self, removed: Option<io::Result<()>>) {
        if let Some(Err(error)) = removed {
            tracing::warn!(file = %self.destination.file.display(), %error, "cannot remove old log files");
        }
    }

    fn fail(&mut self, error: &io::Error, attempt: Failed) {
        if self.failed.is_none() {
            tracing::warn!(file = %self.destination.file.display(), %error, "cannot set a full log file aside; it grows on");
        }
        self.failed = Some(attempt);
    }

    fn shelf(&self) -> Shelf<'_> {
        let Destination { file, rotation, .. } = &*self.destination;
        Shelf { path: file, keep: rotation.keep, times: &self.times, disposal: &self.disposal }
    }
}

#[cfg(test)]
mod tests;
