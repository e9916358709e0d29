use std::collections::BTreeSet;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::envelope::OpenLines;
use super::merge::Span;
use super::piece::{PieceBegin, PieceEnd};
use super::place::{self, Place};
use super::query::{Line, Source};
use super::reader::{From, PIECE_BYTES};
use super::run_ends::RunEnds;
use super::session::Roster;
use super::tap::whole_characters;
use crate::vocab::name::ServiceName;

/// New lines of some streams, as they come. It looks at the files' sizes in turns: it runs only while somebody follows, and
/// costs the services and the supervisor nothing. Where much has come, or a file was set aside, it says so: that is read as
/// everything else is, in the order of the times and through rotations.
pub struct Follower {
    tracks: Vec<Track>,
    open_lines: OpenLines,
    /// Where time indexes lie.
    times: PathBuf,
}

/// A line that has come, and where it lies.
pub struct Fresh {
    /// The line.
    pub line: Line,
    /// The inode of its file.
    pub(super) inode: u64,
    /// Where it begins in that.
    pub(super) offset: u64,
}

struct Track {
    source: Source,
    /// Whose file it is when its service has left.
    heir: Option<Source>,
    /// How far its file is read; none as long as it has none.
    place: Option<Place>,
    /// Where it begins that had no file at first, in milliseconds since 1970 UTC.
    since_ms: Option<u64>,
    /// The beginning of a line whose end has not come.
    open_line: Vec<u8>,
    /// What stands before that.
    begin: PieceBegin,
    /// When more of it came at last.
    grown_ms: u64,
}

/// How long to wait between two looks: a line is seen within this time.
pub const PAUSE: Duration = Duration::from_millis(50);

/// The beginning of a line is handed over when no more of it came for so long: somebody may wait for an answer to it.
pub(super) const OPEN_LINE_MS: u64 = 1000;

/// A look brings so many bytes of a stream. Who writes more is not to wait for a processor that its reader has.
const LOOK_BYTES: u64 = 64 << 10;

/// More may have come when it is read.
const READ_BYTES: u64 = 2 * LOOK_BYTES;

impl Follower {
    /// Follows from these places on. `open_lines` says what becomes of a line whose end does not come.
    pub(super) fn new(
        sources: Vec<Source>,
        places: Vec<Option<Place>>,
        open_lines: OpenLines,
        times: PathBuf,
    ) -> Self {
        let tracks = sources.into_iter().zip(places).map(|(source, place)| Track::new(source, place, None));
        Self { tracks: tracks.collect(), open_lines, times }
    }

    /// Follows the streams of a roster as well, with what came since; says of which services that it follows there are none.
    pub(super) fn adopt(&mut self, roster: Roster) -> BTreeSet<ServiceName> {
        let stay: BTreeSet<ServiceName> =
            roster.sources.iter().map(|source| source.service.clone()).collect();
        self.tracks.iter_mut().for_each(|track| track.heir = None);
        for source in roster.sources {
            // The last lines of a stream that goes to another file may not be read yet, so the track of the old one stays.
            if self.tracks.iter().any(|track| track.source == source) {
                continue;
            }
            let is_handed_on = |track: &&mut Track| {
                let is_left = !stay.contains(&track.source.service) && track.heir.is_none();
                track.source.file == source.file && (is_left || track.source.service == source.service)
            };
            // No line of a file is of two streams.
            match self.tracks.iter_mut().find(is_handed_on) {
                Some(track) if track.source.service == source.service => track.source = source,
                Some(track) => track.heir = Some(source),
                None => self.tracks.push(Track::new(source, None, Some(roster.since_ms))),
            }
        }
        let services = self.tracks.iter().map(|track| &track.source.service);
        services.filter(|service| !stay.contains(*service)).cloned().collect()
    }

    /// Follows a service no more. Who gets its file goes on where it ended.
    pub(super) fn leave(&mut self, service: &ServiceName) {
        for track in self.tracks.iter_mut().filter(|track| track.source.service == *service) {
            if let Some(heir) = track.heir.take() {
                track.source = heir;
            }
        }
        self.tracks.retain(|track| track.source.service != *service);
    }

    /// Whether more has come than a look brings, or to another file.
    pub(super) fn is_behind(&mut self) -> io::Result<bool> {
        let mut is_behind = false;
        for track in &mut self.tracks {
            is_behind |= track.is_behind()?;
        }
        Ok(is_behind)
    }

    /// All whole lines that have come since the last look, and pieces of those that are long, or whose end does not come if
    /// those are passed on; `unix_ms` is the time they are given, or was at the look that found them.
    pub(super) fn look(&mut self, unix_ms: u64) -> io::Result<Vec<Fresh>> {
        let mut lines = Vec::new();
        for track in &mut self.tracks {
            track.read(unix_ms, &mut lines)?;
            let is_waited_for = unix_ms.saturating_sub(track.grown_ms) >= OPEN_LINE_MS;
            if self.open_lines == OpenLines::Flushed && is_waited_for {
                lines.extend(track.hand_over_rest(track.grown_ms, PieceEnd::GoesOn));
            }
        }
        Ok(lines)
    }

    /// Runs of these services have ended: what they wrote last is handed over, also when its line has no end.
    pub(super) fn close(&mut self, services: &mut BTreeSet<ServiceName>, unix_ms: u64) -> Vec<Fresh> {
        let ended = std::mem::take(services);
        let closed = self.tracks.iter_mut().filter(|track| ended.contains(&track.source.service));
        closed.flat_map(|track| track.hand_over_rest(unix_ms, PieceEnd::Open)).collect()
    }

    /// What has come since the last look, up to the last line of each stream that is whole or whose run has ended.
    pub(super) fn behind(&self, run_ends: &RunEnds) -> io::Result<Vec<Option<Span>>> {
        self.tracks.iter().map(|track| track.behind(run_ends, &self.times, self.open_lines)).collect()
    }

    /// That was read.
    pub(super) fn pass(&mut self, spans: &[Option<Span>]) {
        for (track, span) in self.tracks.iter_mut().zip(spans) {
            if let Some(span) = span {
                track.go_to(Some(span.to.clone()));
            }
        }
    }
}

impl Track {
    fn new(source: Source, place: Option<Place>, since_ms: Option<u64>) -> Self {
        let begin = place.as_ref().map_or(PieceBegin::Line, Place::begin);
        Self { source, heir: None, place, since_ms, open_line: Vec::new(), begin, grown_ms: 0 }
    }

    fn go_to(&mut self, place: Option<Place>) {
        self.begin = place.as_ref().map_or(PieceBegin::Line, Place::begin);
        self.place = place;
        self.open_line.clear();
    }

    /// Whether there is more than a look brings. A file that somebody cut short is read from its beginning.
    fn is_behind(&mut self) -> io::Result<bool> {
        // The name is looked at first: nothing is written to a file after it was set aside, so what is there then is all of it.
        let named = place::named(&self.source.file);
        let other = |inode| named.is_some_and(|(named, size)| Some(named) != inode && size > 0);
        let Some(place) = &mut self.place else { return Ok(other(None)) };
        if other(Some(place.inode)) {
            return Ok(true);
        }
        if place.is_pressed() {
            return Ok(false);
        }
        let size = place.file.metadata()?.len();
        if size < place.offset {
            place.offset = 0;
            self.begin = PieceBegin::Line;
            self.open_line.clear();
        }
        Ok(size - place.offset > LOOK_BYTES)
    }

    fn behind(&self, run_ends: &RunEnds, times: &Path, open_lines: OpenLines) -> io::Result<Option<Span>> {
        let from = self.place.clone().map(|place| {
            let offset = place.offset.saturating_sub(length(&self.open_line));
            Place { offset, ..place }
        });
        if let Some(from) = &from
            && place::named(&self.source.file) == Some((from.inode, from.offset))
        {
            return Ok(None);
        }
        let is_new = self.place.is_none() && open_lines == OpenLines::Flushed;
        let begun_before_ms = self.since_ms.filter(|_| is_new);
        let newest = place::line_end(&self.source, times, run_ends, begun_before_ms)?;
        let Some(newest) = newest else { return Ok(None) };
        let to = match &from {
            // All that it holds is in the file that is held open.
            Some(from) if newest.is_made_of(from) => from.at_end()?,
            Some(_) | None => newest,
        };
        let is_read = |from: &Place| match from.inode == to.inode {
            true => from.offset >= to.offset,
            false => to.is_earlier(from),
        };
        if from.as_ref().is_some_and(is_read) {
            return Ok(None);
        }
        let from = from.map_or(From::Since(self.since_ms), From::Place);
        Ok(Some(Span { source: self.source.clone(), from, to }))
    }

    fn read(&mut self, unix_ms: u64, lines: &mut Vec<Fresh>) -> io::Result<()> {
        let Some(place) = self.place.as_mut().filter(|place| !place.is_pressed()) else { return Ok(()) };
        let size = place.file.metadata()?.len();
        let mut bytes =
            vec![0; usize::try_from(size.saturating_sub(place.offset).min(READ_BYTES)).unwrap_or(0)];
        let length_read = place.file.read_at(&mut bytes, place.offset)?;
        bytes.truncate(length_read);
        if bytes.is_empty() {
            return Ok(());
        }
        self.grown_ms = unix_ms;
        let mut offset = place.offset.saturating_sub(length(&self.open_line));
        place.offset += length(&bytes);
        let inode = place.inode;
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.open_line.extend(piece);
            let end = match self.open_line.last() {
                Some(b'\n') => PieceEnd::Line,
                Some(_) if self.open_line.len() >= PIECE_BYTES => PieceEnd::GoesOn,
                Some(_) | None => continue,
            };
            let begin = offset;
            offset += length(&self.open_line);
            let line = self.hand_over(unix_ms, end);
            offset -= length(&self.open_line);
            lines.push(Fresh { line, inode, offset: begin });
        }
        Ok(())
    }

    /// The beginning of a line whose end has not come, if there is one.
    fn hand_over_rest(&mut self, unix_ms: u64, end: PieceEnd) -> Option<Fresh> {
        let Place { inode, offset, .. } = *self.place.as_ref().filter(|_| !self.open_line.is_empty())?;
        let begin = offset.saturating_sub(length(&self.open_line));
        Some(Fresh { line: self.hand_over(unix_ms, end), inode, offset: begin })
    }

    fn hand_over(&mut self, unix_ms: u64, end: PieceEnd) -> Line {
        let Source { service, stream, .. } = &self.source;
        let whole = match end {
            // The rest of a character comes with what follows.
            PieceEnd::GoesOn => whole_characters(&self.open_line).len(),
            PieceEnd::Line | PieceEnd::Open => self.open_line.len(),
        };
        let rest = self.open_line.split_off(whole);
        let mut bytes = std::mem::replace(&mut self.open_line, rest);
        bytes.truncate(bytes.len() - usize::from(end == PieceEnd::Line));
        let after = if end == PieceEnd::GoesOn { PieceBegin::Midst } else { PieceBegin::Line };
        let begin = std::mem::replace(&mut self.begin, after);
        Line { service: service.clone(), stream: *stream, unix_ms, bytes, begin, end }
    }
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or_default()
}
