use tokio::sync::mpsc;

use super::envelope::OpenLines;
use super::escapes::Filter;
use super::pump::StreamKey;
use crate::spec::log::OutputEvents;

/// What a stream wrote, for whoever is told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// Which stream.
    pub key: StreamKey,
    /// What, piece by piece.
    pub parts: Vec<Part>,
}

/// A piece of what was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// It was written, whatever it is.
    Written(Vec<u8>),
    /// It stood between the two marks.
    Captured(Vec<u8>),
}

/// The marks of supervisord's protocol: what stands between them is for listeners, and for no log.
const BEGIN: &[u8] = b"<!--XSUPERVISOR:BEGIN-->";
const END: &[u8] = b"<!--XSUPERVISOR:END-->";

/// So much may be on its way to who is told; after that the stream waits, and no other one does.
pub(super) const WAITING_MAX: usize = 16;

/// Room for one portion's worth of what is to be told.
type Room = mpsc::OwnedPermit<Heard>;

/// Listens to a stream on its way into its log.
#[derive(Debug)]
pub(super) struct Tap {
    key: StreamKey,
    events: OutputEvents,
    ears: mpsc::Sender<Heard>,
    /// What has come since a first mark, if that is the last one.
    captured: Option<Vec<u8>>,
    /// Where control sequences are taken out, behind the marks as in supervisord: where it is in one.
    filter: Option<Filter>,
}

impl Tap {
    /// None where nobody is to be told of anything.
    pub(super) fn new(key: StreamKey, events: OutputEvents, ears: mpsc::Sender<Heard>) -> Option<Self> {
        (events != OutputEvents::default()).then_some(Self {
            key,
            events,
            ears,
            captured: None,
            filter: None,
        })
    }

    /// The same, with control sequences taken out.
    pub(super) fn filtered(self, filter: Option<Filter>) -> Self {
        Self { filter, ..self }
    }

    /// Room for what a portion may bring, if there is any.
    pub(super) fn room(&self) -> Option<Room> {
        self.ears.clone().try_reserve_owned().ok()
    }

    /// Passes a portion on: to `log` what belongs there. Says how many bytes it took; what may be the beginning of a mark it
    /// leaves, unless nothing follows it.
    pub(super) fn hear(
        &mut self,
        bytes: &[u8],
        open_lines: OpenLines,
        (log, room): (&mut Vec<u8>, Room),
    ) -> usize {
        let mut parts = Vec::new();
        let taken = self.split(bytes, open_lines, (log, &mut parts));
        if !parts.is_empty() {
            room.send(Heard { key: self.key.clone(), parts });
        }
        taken
    }

    /// Goes on with what an earlier one has captured, if this one captures.
    pub(super) fn succeed(&mut self, earlier: &mut Self) {
        if self.events.capture_max > 0 {
            self.captured = earlier.captured.take();
        }
    }

    /// A process that has ended writes no second mark: what came since the first one belongs into the log.
    pub(super) fn end_run(&mut self, log: &mut Vec<u8>) {
        let rest = self.captured.as_mut().unwrap_or(log);
        self.filter.iter_mut().for_each(|filter| filter.end(rest));
        log.extend(self.captured.take().unwrap_or_default());
    }

    fn split(
        &mut self,
        bytes: &[u8],
        open_lines: OpenLines,
        (log, parts): (&mut Vec<u8>, &mut Vec<Part>),
    ) -> usize {
        let mut taken = 0;
        loop {
            let rest = &bytes[taken..];
            let mark = (self.events.capture_max > 0).then_some(match self.captured {
                None => BEGIN,
                Some(_) => END,
            });
            let found = mark.and_then(|mark| Some((memchr::memmem::find(rest, mark)?, mark)));
            let Some((at, mark)) = found else {
                let held = match open_lines {
                    OpenLines::Awaited => mark.map_or(0, |mark| beginning_at_end(rest, mark)),
                    OpenLines::Flushed | OpenLines::Cut => 0,
                };
                let text = &rest[..rest.len() - held];
                self.pass(text, log, parts);
                return taken + text.len();
            };
            self.pass(&rest[..at], log, parts);
            match self.captured.take() {
                None => self.captured = Some(Vec::new()),
                Some(captured) => parts.push(Part::Captured(captured)),
            }
            taken += at + mark.len();
        }
    }

    fn pass(&mut self, text: &[u8], log: &mut Vec<u8>, parts: &mut Vec<Part>) {
        if text.is_empty() {
            return;
        }
        let mut kept = Vec::new();
        let text = match &mut self.filter {
            None => text,
            Some(filter) => {
                filter.pass(text, &mut kept);
                &kept
            }
        };
        match &mut self.captured {
            None => log.extend_from_slice(text),
            Some(captured) => {
                captured.extend_from_slice(text);
                // The oldest goes first.
                captured.drain(..captured.len().saturating_sub(self.events.capture_max));
            }
        }
        if self.events.log || self.events.copied {
            parts.push(Part::Written(text.to_vec()));
        }
    }
}

/// How many of the last bytes are how `mark` begins.
fn beginning_at_end(bytes: &[u8], mark: &[u8]) -> usize {
    (1..mark.len().min(bytes.len() + 1)).rev().find(|length| bytes.ends_with(&mark[..*length])).unwrap_or(0)
}

/// These bytes without the beginning of a character of which the rest is to come; all of them if there is nothing else.
pub(super) fn whole_characters(bytes: &[u8]) -> &[u8] {
    let tail = &bytes[bytes.len().saturating_sub(4)..];
    let is_incomplete = |length: &usize| {
        let end = std::str::from_utf8(&tail[tail.len() - length..]);
        end.is_err_and(|error| error.error_len().is_none() && error.valid_up_to() == 0)
    };
    let incomplete = (1..tail.len()).rev().find(is_incomplete).unwrap_or(0);
    match bytes.len() - incomplete {
        0 => bytes,
        whole => &bytes[..whole],
    }
}

#[cfg(test)]
mod tests {
    use super::{Heard, OpenLines, Part, StreamKey, Tap, WAITING_MAX, whole_characters};
    use crate::spec::log::OutputEvents;
    use crate::vocab::name::ServiceName;
    use crate::vocab::stream::Stream;
    use proptest::prelude::*;
    use tokio::sync::mpsc;

    const TEXT: &[u8] = b"one\n<!--XSUPERVISOR:BEGIN-->two<!--XSUPERVISOR:END-->three<!--XSUP\n\
        <!--XSUPERVISOR:BEGIN--><!--XSUPERVISOR:END-->four<";

    fn tap(events: OutputEvents) -> (Tap, mpsc::Receiver<Heard>) {
        let (sender, receiver) = mpsc::channel(WAITING_MAX);
        let key = StreamKey { service: ServiceName::parse("a").unwrap(), stream: Stream::Stdout };
        (Tap::new(key, events, sender).unwrap(), receiver)
    }

    fn parts(heard: &mut mpsc::Receiver<Heard>) -> Vec<Part> {
        std::iter::from_fn(|| heard.try_recv().ok()).flat_map(|heard| heard.parts).collect()
    }

    fn hear(tap: &mut Tap, bytes: &[u8], open_lines: OpenLines, log: &mut Vec<u8>) -> usize {
        let room = tap.room().unwrap();
        tap.hear(bytes, open_lines, (log, room))
    }

    /// What goes into the log and what is told, when `text` comes in two portions.
    fn in_two(text: &[u8], cut: usize, events: OutputEvents) -> (Vec<u8>, Vec<Part>) {
        let (mut tap, mut heard) = tap(events);
        let mut log = Vec::new();
        let taken = hear(&mut tap, &text[..cut], OpenLines::Awaited, &mut log);
        hear(&mut tap, &text[taken..], OpenLines::Flushed, &mut log);
        (log, parts(&mut heard))
    }

    #[test]
    fn marks_are_found_wherever_a_read_cuts_them() {
        let events = OutputEvents { capture_max: 100, ..OutputEvents::default() };
        for cut in 0..=TEXT.len() {
            let (log, told) = in_two(TEXT, cut, events);
            assert_eq!(String::from_utf8(log).unwrap(), "one\nthree<!--XSUP\nfour<", "cut at {cut}");
            assert_eq!(told, [Part::Captured(b"two".to_vec()), Part::Captured(Vec::new())], "cut at {cut}");
        }
    }

    #[test]
    fn all_that_is_written_is_told_and_marks_mean_nothing_without_a_size() {
        let events = OutputEvents { log: true, ..OutputEvents::default() };
        assert_eq!(in_two(TEXT, 0, events), (TEXT.to_vec(), vec![Part::Written(TEXT.to_vec())]));
        let both = OutputEvents { log: true, capture_max: 9, copied: false };
        let written = |text: &str| Part::Written(text.into());
        let told = in_two(b"a<!--XSUPERVISOR:BEGIN-->b<!--XSUPERVISOR:END-->c", 0, both).1;
        assert_eq!(told, [written("a"), written("b"), Part::Captured(b"b".to_vec()), written("c")]);
    }

    #[test]
    fn of_what_is_too_long_the_end_is_kept_and_what_never_ends_goes_into_the_log() {
        let (mut tap, mut heard) = tap(OutputEvents { capture_max: 4, ..OutputEvents::default() });
        let mut log = Vec::new();
        let text = b"<!--XSUPERVISOR:BEGIN-->123456<!--XSUPERVISOR:END-->";
        hear(&mut tap, text, OpenLines::Awaited, &mut log);
        assert_eq!(parts(&mut heard), [Part::Captured(b"3456".to_vec())]);
        hear(&mut tap, b"<!--XSUPERVISOR:BEGIN-->ab", OpenLines::Flushed, &mut log);
        tap.end_run(&mut log);
        hear(&mut tap, b"cd", OpenLines::Awaited, &mut log);
        assert_eq!(log, b"abcd");
    }

    proptest! {
        #[test]
        fn no_character_is_cut_and_little_is_left(text in "[aä€😀]{1,8}", cut in 1usize..32) {
            let bytes = &text.as_bytes()[..cut.min(text.len())];
            let whole = whole_characters(bytes);
            prop_assert!(std::str::from_utf8(whole).is_ok() || whole == bytes && bytes.len() < 4);
            prop_assert!(!whole.is_empty() && bytes.len() - whole.len() < 4);
        }
    }

    #[test]
    fn what_is_no_utf_8_is_not_waited_for() {
        for bytes in [b"ab\xff".as_slice(), b"\x80\x80\x80\x80\x80", b"\xe2\x82", b"a\xc3\xa4\xff"] {
            assert_eq!(whole_characters(bytes), bytes);
        }
    }
}
