use std::collections::BTreeSet;
use std::io;

use super::envelope::{self, OpenLines, Origin, Piece, Wrapper};
use super::escapes::Filter;
use super::pump::{Destination, Ground};
use super::series::{Series, Taken};
use super::share::Writers;
use super::sink::{Sent, Sink};
use super::tap::{self, Tap};
use crate::spec::log::{Envelope, Escapes, Target};
use crate::sys::source::{SidePipe, Source};
use crate::vocab::stream::Stream;

/// The way of lines that do not go as they are into one file: copied out of the pipe, cut, wrapped, and sent to each target.
/// They leave the pipe when all targets have them, so that a death in between doubles lines and loses none.
#[derive(Debug)]
pub(super) struct Fan {
    origin: Origin,
    targets: BTreeSet<Target>,
    writers: Writers,
    envelope: Envelope,
    /// Where control sequences are taken out: where it is in one.
    filter: Option<Filter>,
    sinks: Vec<Sink>,
    /// Where it is told what goes by. Lines are not looked for then.
    tap: Option<Tap>,
    /// What is to be written into the file, from `written` on.
    out: Vec<u8>,
    written: usize,
    /// So many bytes leave the pipe when that is done.
    owed: usize,
    /// So many sinks have the line that comes next.
    sent: usize,
    /// The last bytes of standard error as they came: the file has them otherwise, or there is none.
    last: Option<Vec<u8>>,
}

/// What is to be passed on at once, and how.
#[derive(Debug, Clone, Copy)]
pub(super) struct Portion {
    /// What becomes of the last line.
    pub(super) lines: OpenLines,
    /// What becomes of what may be the beginning of a mark.
    pub(super) marks: OpenLines,
    /// So many bytes at most; those are as the last ones.
    pub(super) bytes_max: usize,
    /// When they arrived.
    pub(super) unix_ms: u64,
}

/// So many bytes are copied at once.
const LOOK_BYTES: usize = 64 * 1024;

/// Envelopes make more of them; room for so much is kept from one step to the next.
const OUT_BYTES_KEPT: usize = 8 * LOOK_BYTES;

/// So many of the last bytes of standard error are kept at least.
const LAST_BYTES: usize = 16 * 1024;

impl Fan {
    /// The way to a destination whose file has so many writers.
    pub(super) fn new(origin: &Origin, to: &Destination, writers: Writers, ground: &Ground) -> Self {
        let key = origin.key();
        let sink = |target: &Target| Sink::new(*target, origin, to, &ground.tally);
        let filter = (to.delivery.escapes == Escapes::Stripped).then(Filter::default);
        let mut fan = Self {
            sinks: to.targets.iter().filter_map(sink).collect(),
            tap: Tap::new(key, to.events, ground.ears.clone()).map(|tap| tap.filtered(filter)),
            origin: origin.clone(),
            targets: to.targets.clone(),
            writers,
            envelope: to.delivery.envelope,
            filter,
            out: Vec::new(),
            written: 0,
            owed: 0,
            sent: 0,
            last: None,
        };
        // Of two streams that are one, that is standard output. What is tapped goes into its file as it comes.
        let is_stderr = origin.stream == Stream::Stderr || to.beside.is_none();
        fan.last = (is_stderr && fan.tap.is_none() && !fan.is_plain()).then(Vec::new);
        fan
    }

    /// Whether bytes go as they are into one file.
    fn is_plain(&self) -> bool {
        let goes_to_file_alone = self.sinks.is_empty() && self.targets.contains(&Target::File);
        let has_file_alone = goes_to_file_alone && self.writers == Writers::One;
        has_file_alone && self.tap.is_none() && self.filter.is_none() && self.envelope == Envelope::None
    }

    /// Whether bytes need more than to go as they are into one file.
    pub(super) fn is_needed(&self) -> bool {
        !self.is_plain() || !self.out.is_empty() || self.owed > 0
    }

    pub(super) fn if_needed(self) -> Option<Box<Self>> {
        Some(self).filter(Self::is_needed).map(Box::new)
    }

    /// Takes the place of an earlier one. A capture goes on if it can; otherwise it goes where bytes went so far, and so does
    /// what is in hand. What the disk does not take of that stays in hand.
    pub(super) fn succeed(
        &mut self,
        mut earlier: Self,
        (series, source, unix_ms): (&mut Series, &mut Source, u64),
    ) {
        if let (Some(tap), Some(before)) = (&mut self.tap, &mut earlier.tap) {
            tap.succeed(before);
        }
        earlier.end_run();
        // Another attempt is made with the next turn.
        let _ = earlier.settle(series, source, unix_ms);
        (self.out, self.written, self.owed) = (earlier.out, earlier.written, earlier.owed);
        if let (Some(last), Some(before)) = (&mut self.last, earlier.last) {
            *last = before;
        }
    }

    /// Passes on what can be had at once.
    ///
    /// # Errors
    /// `WouldBlock` when the pipe holds no whole line and has room for more of it, or nothing where open lines are flushed;
    /// anything else is the disk's, and nothing is lost.
    pub(super) fn take(
        &mut self,
        series: &mut Series,
        (source, side): (&mut Source, &mut SidePipe),
        portion: Portion,
    ) -> io::Result<Taken> {
        let Portion { lines, marks, bytes_max, unix_ms } = portion;
        self.settle(series, source, unix_ms)?;
        let room = match &self.tap {
            None => None,
            Some(tap) => match tap.room() {
                None => return Ok(Taken::Later(0)),
                some => some,
            },
        };
        let waiting = source.waiting().min(bytes_max);
        let bytes = source.look(LOOK_BYTES.min(bytes_max), side)?;
        // What a look shows may end in the midst of a line of which more is in the pipe.
        let is_all = source.waiting().min(bytes_max) <= bytes.len();
        let is_cut_off = || {
            bytes.len() < waiting || source.may_be_full() && source.waiting().min(bytes_max) <= bytes.len()
        };
        let at_end = |open: OpenLines| if is_all { open } else { OpenLines::Awaited };
        let sent = match (&mut self.tap, room) {
            (Some(tap), Some(room)) => {
                let bytes = if is_all { &bytes } else { tap::whole_characters(&bytes) };
                self.owed = tap.hear(bytes, at_end(marks), (&mut self.out, room));
                self.keep_what_goes_to_file();
                Sent::Done
            }
            (Some(_) | None, _) => match self.pass(&bytes, at_end(lines), unix_ms) {
                // The rest of a line that came since the look is for another one.
                Sent::Done if self.owed == 0 && is_cut_off() => {
                    self.pass(tap::whole_characters(&bytes), OpenLines::Cut, unix_ms)
                }
                sent => sent,
            },
        };
        let taken = self.owed;
        self.settle(series, source, unix_ms)?;
        match (sent, taken) {
            (Sent::Later, _) => Ok(Taken::Later(taken)),
            (Sent::Done, 0) => Err(io::ErrorKind::WouldBlock.into()),
            (Sent::Done, _) => Ok(Taken::Some(taken)),
        }
    }

    /// Writes what is to be written, and lets what was passed on leave the pipe.
    pub(super) fn settle(
        &mut self,
        series: &mut Series,
        source: &mut Source,
        unix_ms: u64,
    ) -> io::Result<()> {
        while self.written < self.out.len() {
            self.written += series.put(&self.out[self.written..], unix_ms)?;
        }
        self.out.clear();
        self.out.shrink_to(OUT_BYTES_KEPT);
        self.written = 0;
        source.discard(self.owed)?;
        self.owed = 0;
        Ok(())
    }

    /// Nothing more of what was passed on comes: what was captured goes into the file.
    pub(super) fn end_run(&mut self) {
        if let Some(tap) = &mut self.tap {
            tap.end_run(&mut self.out);
        }
        self.filter.iter_mut().for_each(|filter| filter.end(&mut self.out));
        self.keep_what_goes_to_file();
    }

    /// The last bytes of standard error since this was asked last; none where the file has them as they came.
    pub(super) fn take_last(&mut self) -> Option<Vec<u8>> {
        self.last.as_mut().map(std::mem::take)
    }

    fn keep_what_goes_to_file(&mut self) {
        if !self.targets.contains(&Target::File) {
            self.out.clear();
        }
    }

    /// Bytes that are in hand leave the pipe, so that what follows them can be dropped.
    pub(super) fn let_go_of_pipe(&mut self, source: &mut Source) -> io::Result<()> {
        source.discard(self.owed)?;
        self.owed = 0;
        Ok(())
    }

    fn pass(&mut self, mut bytes: &[u8], open_lines: OpenLines, unix_ms: u64) -> Sent {
        let wrapper = Wrapper::new(self.envelope, &self.origin, unix_ms);
        while let Some(piece) = envelope::next(bytes, open_lines) {
            let (mut filter, mut text) = (self.filter, Vec::new());
            let passed = match &mut filter {
                None => piece,
                Some(filter) => {
                    filter.pass(piece.bytes, &mut text);
                    Piece { bytes: &text, ..piece }
                }
            };
            while let Some(sink) = self.sinks.get_mut(self.sent) {
                match sink.send(&self.origin, passed, unix_ms) {
                    Sent::Done => self.sent += 1,
                    Sent::Later => return Sent::Later,
                }
            }
            self.sent = 0;
            self.filter = filter;
            if self.targets.contains(&Target::File) {
                wrapper.wrap(passed, &mut self.out);
            }
            let (raw, rest) = bytes.split_at(piece.raw_bytes());
            if let Some(last) = &mut self.last {
                last.extend_from_slice(raw);
                if last.len() > 2 * LAST_BYTES {
                    last.splice(..last.len() - LAST_BYTES, "…".bytes());
                }
            }
            self.owed += raw.len();
            bytes = rest;
        }
        Sent::Done
    }
}
