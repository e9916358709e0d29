use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

use super::engine::Engine;
use crate::logs::pattern::Pattern;
use crate::logs::piece::{PieceBegin, PieceEnd};
use crate::logs::query::{self, Item, Line, Note, Query, Streams, Told};
use crate::logs::wanted::Wanted;
use crate::protocol::logs::{LogItem, LogLine, LogMark, LogNote, LogsQuery, NoteKind, rfc_3339};
use crate::protocol::problem::{Kind, Problem};
use crate::rundir::marks::Marks;
use crate::sys::clock;
use crate::vocab::line_count::LineCount;
use crate::vocab::selection::Selection;
use crate::vocab::stream::Stream;
use crate::vocab::when::When;

impl Engine {
    /// What a client's words mean for the log files, and for the marks between lines; those are read elsewhere.
    pub(super) fn logs_asked_for(&self, asked: &LogsQuery) -> Result<(Query, Marks), Problem> {
        let words = asked.services.iter().flat_map(|words| words.split(',')).map(str::to_owned);
        let picked = self.pick(&Selection::of(words))?;
        let services = picked.iter().filter_map(|name| self.fleet.spec().service(name));
        let streams = match asked.stream {
            None => Streams::Both,
            Some(Stream::Stdout) => Streams::Stdout,
            Some(Stream::Stderr) => Streams::Stderr,
        };
        let pattern = asked.grep.as_deref().map(Pattern::parse).transpose();
        let pattern = pattern.map_err(|error| bad(format!("cannot search for that: {error}")))?;
        let (since_ms, until_ms) = (moment(asked.since.as_deref())?, moment(asked.until.as_deref())?);
        let marks = Marks::new(&self.paths, &picked);
        let query = Query {
            sources: query::sources(services.map(|service| &**service), streams),
            times: self.paths.times.clone(),
            last: LineCount::All,
            since_ms,
            until_ms,
            pattern,
            wanted: Wanted::default(),
        };
        if asked.follow && until_ms.is_some() {
            return Err(bad("cannot follow logs: `until` says where they end".to_owned()));
        }
        let query = query.with_lines(asked.lines);
        if query.is_void() {
            return Err(bad("cannot show logs: `until` is not after `since`".to_owned()));
        }
        Ok((query, marks))
    }
}

/// An item as it crosses the socket, which is as `--json` has it.
pub fn on_the_wire(item: Item) -> LogItem {
    match item {
        Item::Line(Line { service, stream, unix_ms, bytes, begin, end }) => LogItem::Line(LogLine {
            service,
            stream,
            time: rfc_3339(unix_ms),
            line: String::from_utf8_lossy(&bytes).into_owned(),
            continued: begin == PieceBegin::Midst,
            partial: end == PieceEnd::GoesOn,
        }),
        Item::Mark(mark) => LogItem::Mark(LogMark::new(mark)),
        Item::Note(Note { service, unix_ms, told }) => {
            let time = rfc_3339(unix_ms);
            let note =
                |note| LogNote { service, note, time, stream: None, bytes: None, file: None, detail: None };
            LogItem::Note(match told {
                Told::Missing { stream, bytes } => {
                    LogNote { stream: Some(stream), bytes: Some(bytes), ..note(NoteKind::Missing) }
                }
                Told::Unreadable { stream, file, why } => LogNote {
                    stream: Some(stream),
                    file: Some(file),
                    detail: Some(why),
                    ..note(NoteKind::Unreadable)
                },
                Told::Removed => note(NoteKind::Removed),
            })
        }
    }
}

fn moment(words: Option<&str>) -> Result<Option<u64>, Problem> {
    let Some(words) = words else { return Ok(None) };
    let when: When = words.parse().map_err(|error| bad(format!("cannot tell when that is: {error}")))?;
    Ok(Some(when.unix_ms(&now())))
}

fn now() -> Zoned {
    let now = Timestamp::from_millisecond(i64::try_from(clock::unix_ms()).unwrap_or(i64::MAX));
    now.unwrap_or_default().to_zoned(TimeZone::system())
}

fn bad(what: String) -> Problem {
    Problem { kind: Kind::BadRequest, what, hint: None }
}
