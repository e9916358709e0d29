use std::borrow::Cow;

use jiff::Timestamp;
use serde::Serialize;

use super::piece::PieceEnd;
use super::pump::StreamKey;
use super::tap::whole_characters;
use crate::spec::log::Envelope;
use crate::vocab::name::ServiceName;
use crate::vocab::stream::Stream;

/// A line on its way to where it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Piece<'a> {
    /// Its bytes, without the newline.
    pub(super) bytes: &'a [u8],
    /// What follows it.
    pub(super) end: PieceEnd,
}

impl Piece<'_> {
    /// How many bytes of the pipe it stands for.
    pub(super) fn raw_bytes(&self) -> usize {
        self.bytes.len() + usize::from(self.end == PieceEnd::Line)
    }
}

/// A longer line is cut into pieces: what the daemons of syslog(3) take.
pub(super) const PIECE_BYTES: usize = 8 * 1024;

/// The first piece of these bytes; none while that is a line whose end has not come.
pub(super) fn next(bytes: &[u8], open_lines: OpenLines) -> Option<Piece<'_>> {
    let within = &bytes[..bytes.len().min(PIECE_BYTES + 1)];
    if let Some(end) = memchr::memchr(b'\n', within) {
        return Some(Piece { bytes: &bytes[..end], end: PieceEnd::Line });
    }
    if bytes.len() > PIECE_BYTES {
        let bytes = whole_characters(&bytes[..PIECE_BYTES]);
        return Some(Piece { bytes, end: PieceEnd::GoesOn });
    }
    match open_lines {
        OpenLines::Flushed if !bytes.is_empty() => Some(Piece { bytes, end: PieceEnd::Open }),
        OpenLines::Cut if !bytes.is_empty() => Some(Piece { bytes, end: PieceEnd::GoesOn }),
        OpenLines::Flushed | OpenLines::Cut | OpenLines::Awaited => None,
    }
}

/// What becomes of a line whose end has not come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OpenLines {
    /// It is let grow.
    Awaited,
    /// It is passed on as it is.
    Flushed,
    /// It is passed on as a piece: it goes on, but there is no room for more of it.
    Cut,
}

/// Whose lines they are.
#[derive(Debug, Clone)]
pub(super) struct Origin {
    pub(super) service: ServiceName,
    pub(super) stream: Stream,
}

impl Origin {
    pub(super) fn key(&self) -> StreamKey {
        StreamKey { service: self.service.clone(), stream: self.stream }
    }
}

/// What pieces get on their way into a file, of all that arrive at one time.
pub(super) struct Wrapper<'a> {
    envelope: Envelope,
    origin: &'a Origin,
    /// The time, where it is told.
    time: String,
}

#[derive(Serialize)]
struct JsonPiece<'a> {
    time: &'a str,
    service: &'a ServiceName,
    stream: Stream,
    line: Cow<'a, str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    partial: bool,
}

impl<'a> Wrapper<'a> {
    /// For what arrives at this time.
    pub(super) fn new(envelope: Envelope, origin: &'a Origin, unix_ms: u64) -> Self {
        let time = match envelope {
            Envelope::None => String::new(),
            Envelope::Timestamp | Envelope::Json => stamp(unix_ms),
        };
        Self { envelope, origin, time }
    }

    /// Adds a piece in its envelope: as it came, as `TIME line` (`TIME+line` where the line goes on), or as a JSON object with
    /// `time`, `service`, `stream` and `line` (and `"partial": true` where it goes on). With an envelope, each piece is a line.
    pub(super) fn wrap(&self, piece: Piece<'_>, out: &mut Vec<u8>) {
        match self.envelope {
            Envelope::None => {
                out.extend_from_slice(piece.bytes);
                if piece.end != PieceEnd::Line {
                    return;
                }
            }
            Envelope::Timestamp => {
                let goes_on = piece.end == PieceEnd::GoesOn;
                out.extend_from_slice(self.time.as_bytes());
                out.push(if goes_on { b'+' } else { b' ' });
                out.extend_from_slice(piece.bytes);
            }
            Envelope::Json => {
                let json = JsonPiece {
                    time: &self.time,
                    service: &self.origin.service,
                    stream: self.origin.stream,
                    line: String::from_utf8_lossy(piece.bytes),
                    partial: piece.end == PieceEnd::GoesOn,
                };
                // A vector takes all that is written into it.
                let _ = serde_json::to_writer(&mut *out, &json);
            }
        }
        out.push(b'\n');
    }
}

/// RFC 3339 in UTC, to the millisecond.
fn stamp(unix_ms: u64) -> String {
    let time = Timestamp::from_millisecond(i64::try_from(unix_ms).unwrap_or(i64::MAX)).unwrap_or_default();
    format!("{time:.3}")
}

#[cfg(test)]
mod tests {
    use super::{OpenLines, Origin, PIECE_BYTES, Piece, Wrapper, next};
    use crate::logs::piece::PieceEnd;
    use crate::spec::log::Envelope;
    use crate::vocab::name::ServiceName;
    use crate::vocab::stream::Stream;

    fn pieces(mut bytes: &[u8], open_lines: OpenLines) -> Vec<(usize, PieceEnd)> {
        let mut found = Vec::new();
        while let Some(piece) = next(bytes, open_lines) {
            found.push((piece.bytes.len(), piece.end));
            bytes = &bytes[piece.raw_bytes()..];
        }
        found
    }

    #[test]
    fn lines_are_told_apart_and_one_that_is_too_long_is_cut_into_pieces() {
        use PieceEnd::{GoesOn, Line, Open};
        let long = [vec![b'x'; 2 * PIECE_BYTES + 5], b"\nend".to_vec()].concat();
        let cut = [(PIECE_BYTES, GoesOn), (PIECE_BYTES, GoesOn), (5, Line)];
        assert_eq!(pieces(&long, OpenLines::Awaited), cut);
        assert_eq!(pieces(&long, OpenLines::Flushed), [cut.as_slice(), &[(3, Open)]].concat());
        assert_eq!(pieces(&long, OpenLines::Cut), [cut.as_slice(), &[(3, GoesOn)]].concat());
        assert_eq!(pieces(b"a\n\nbc\n", OpenLines::Awaited), [(1, Line), (0, Line), (2, Line)]);
        let whole = [vec![b'x'; PIECE_BYTES], b"\n".to_vec()].concat();
        assert_eq!(pieces(&whole, OpenLines::Awaited), [(PIECE_BYTES, Line)], "it just fits");
        assert_eq!(pieces(b"", OpenLines::Flushed), []);
        let wide = [vec![b'x'; PIECE_BYTES - 1], "\u{20ac}\n".as_bytes().to_vec()].concat();
        assert_eq!(pieces(&wide, OpenLines::Awaited), [(PIECE_BYTES - 1, GoesOn), (3, Line)]);
    }

    #[test]
    fn each_envelope_tells_when_a_line_came_and_whether_it_goes_on() {
        let check = |envelope, bytes: &[u8], end, expected: &str| {
            let mut out = Vec::new();
            let origin = Origin { service: ServiceName::parse("api").unwrap(), stream: Stream::Stderr };
            Wrapper::new(envelope, &origin, 1_764_118_731_042).wrap(Piece { bytes, end }, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        };
        check(Envelope::None, b"hi", PieceEnd::Line, "hi\n");
        check(Envelope::None, b"hi", PieceEnd::GoesOn, "hi");
        check(Envelope::None, b"hi", PieceEnd::Open, "hi");
        check(Envelope::Timestamp, b"hi", PieceEnd::Line, "2025-11-26T00:58:51.042Z hi\n");
        check(Envelope::Timestamp, b"hi", PieceEnd::GoesOn, "2025-11-26T00:58:51.042Z+hi\n");
        let json = |line: &str, rest: &str| {
            format!(
                "{{\"time\":\"2025-11-26T00:58:51.042Z\",\"service\":\"api\",\"stream\":\"stderr\",\"line\":\"{line}\"{rest}}}\n"
            )
        };
        check(Envelope::Json, b"a \"b\"\x1b\xff", PieceEnd::Line, &json("a \\\"b\\\"\\u001b\u{fffd}", ""));
        check(Envelope::Json, b"hi", PieceEnd::GoesOn, &json("hi", ",\"partial\":true"));
    }
}
