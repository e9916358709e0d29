use std::io;

use super::envelope::{Origin, Piece, Wrapper};
use super::loss::Loss;
use super::piece::PieceEnd;
use super::series::Series;
use super::stream::PIPE_BYTES;
use crate::spec::log::Envelope;
use crate::sys::source::{SidePipe, Source};

/// What a stream loses while its file cannot be written, where its service would rather lose lines than wait
/// (`on_full = "drop"`); a line in the file says so where they are missing.
#[derive(Debug)]
pub(super) struct Gap {
    origin: Origin,
    loss: Loss,
    lines: u64,
    bytes: usize,
    /// What is still to be written of the line that says so.
    note: Vec<u8>,
}

/// How a pipe fills that nobody empties.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Filling {
    /// It may be left alone for a moment.
    Slow,
    /// It is more than half full again.
    Fast,
}

impl Filling {
    fn of(source: &Source) -> Self {
        if source.waiting() > source.capacity() / 2 { Self::Fast } else { Self::Slow }
    }
}

/// So many bytes are looked at at once.
const LOOK_BYTES: usize = 64 * 1024;

impl Gap {
    pub(super) fn new(origin: Origin, mut loss: Loss) -> Self {
        loss.because("it could not be written");
        Self { origin, loss, lines: 0, bytes: 0, note: Vec::new() }
    }

    /// Whether the file does not tell yet of all that is missing.
    pub(super) fn is_open(&self) -> bool {
        self.lines > 0 || !self.note.is_empty()
    }

    /// Makes room in a pipe that is more than half full, by whole lines where there are any: its writer never waits long. What
    /// that writes meanwhile is left for the next time, so that this ends however fast it is. The pipe is made larger, if it can
    /// be.
    pub(super) fn shed(&mut self, source: &mut Source, side: &mut SidePipe) -> io::Result<Filling> {
        if Filling::of(source) == Filling::Slow {
            return Ok(Filling::Slow);
        }
        source.grow(PIPE_BYTES);
        let mut too_many = source.waiting().saturating_sub(source.capacity() / 4);
        while too_many > 0 {
            let bytes = source.look(LOOK_BYTES, side)?;
            let (oldest, younger) = bytes.split_at(too_many.min(bytes.len()));
            let end = memchr::memrchr(b'\n', oldest)
                .or_else(|| memchr::memchr(b'\n', younger).map(|at| oldest.len() + at));
            let whole = end.map_or(bytes.len(), |at| at + 1);
            let lines = memchr::memchr_iter(b'\n', &bytes[..whole]).count().max(1);
            let lines = u64::try_from(lines).unwrap_or_default();
            source.discard(whole)?;
            self.loss.note(lines, whole);
            self.lines += lines;
            self.bytes += whole;
            too_many = too_many.saturating_sub(whole);
        }
        Ok(Filling::of(source))
    }

    /// Says in the file what is missing there.
    pub(super) fn tell(&mut self, series: &mut Series, envelope: Envelope, unix_ms: u64) -> io::Result<()> {
        if self.lines > 0 {
            let (lines, bytes) = (self.lines, self.bytes);
            let words = format!(
                "procman: {lines} lines ({bytes} bytes) are missing here: the log file could not be written"
            );
            if self.note.is_empty() && series.ends_in_midst_of_line(unix_ms)? {
                self.note.push(b'\n');
            }
            let piece = Piece { bytes: words.as_bytes(), end: PieceEnd::Line };
            Wrapper::new(envelope, &self.origin, unix_ms).wrap(piece, &mut self.note);
            (self.lines, self.bytes) = (0, 0);
        }
        while !self.note.is_empty() {
            let written = series.put(&self.note, unix_ms)?;
            self.note.drain(..written);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Gap, LOOK_BYTES, SidePipe, Source};
    use crate::logs::envelope::Origin;
    use crate::logs::loss::{Copies, Loss, Place, Tally};
    use crate::sys::pipe::{self, Waiting};
    use crate::vocab::name::ServiceName;
    use crate::vocab::stream::Stream;
    use std::fs::File;
    use std::io::Write;
    use std::os::fd::AsFd;
    use std::time::{Duration, Instant};

    #[test]
    fn what_is_dropped_at_once_is_no_more_than_a_pipe_holds_however_fast_its_writer_is() {
        let dir = tempfile::tempdir().unwrap();
        pipe::make_fifo(&dir.path().join("fifo")).unwrap();
        let pipe = pipe::open_read_write(&dir.path().join("fifo"), Waiting::Never).unwrap();
        let mut writer: File =
            pipe::open_read_write(&dir.path().join("fifo"), Waiting::Allowed).unwrap().into();
        let mut source = Source::new(pipe.as_fd().try_clone_to_owned().unwrap());
        source.grow(1 << 20);
        source.grow(1 << 20);
        let (tally, service) = (Tally::default(), ServiceName::parse("a").unwrap());
        let loss = Loss::new(&tally, &service, Place::File, Copies::Nowhere);
        let mut gap = Gap::new(Origin { service: service.clone(), stream: Stream::Stdout }, loss);
        let writes = std::thread::spawn(move || {
            let lines = b"yes\n".repeat(LOOK_BYTES / 4);
            // It ends by itself, so that a drop that goes on as long as it writes is seen.
            (0..500).try_for_each(|_| writer.write_all(&lines)).map(|()| writer)
        });
        let mut side = SidePipe::default();
        let deadline = Instant::now() + Duration::from_secs(20);
        for _ in 0..8 {
            while source.waiting() <= source.capacity() / 2 {
                assert!(Instant::now() < deadline);
                std::thread::yield_now();
            }
            let before = gap.bytes;
            gap.shed(&mut source, &mut side).unwrap();
            let dropped = gap.bytes - before;
            assert!(dropped > source.capacity() / 4 && dropped <= source.capacity(), "{dropped}");
        }
        while !writes.is_finished() {
            assert!(Instant::now() < deadline);
            source.discard(source.waiting().min(LOOK_BYTES)).unwrap();
        }
        writes.join().unwrap().unwrap();
    }
}
