use std::io;

use super::envelope::{Origin, Piece, Wrapper};
use super::loss::Loss;
use super::piece::PieceEnd;
use super::series::Series;
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

    /// Makes room in a pipe that is half full, by whole lines where there are any: its writer never waits long.
    pub(super) fn shed(&mut self, source: &mut Source, side: &mut SidePipe) -> io::Result<()> {
        if source.waiting() <= source.capacity() / 2 {
            return Ok(());
        }
        loop {
            let too_many = source.waiting().saturating_sub(source.capacity() / 4);
            if too_many == 0 {
                return Ok(());
            }
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
        }
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
