use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::end::End;
use super::envelope::OpenLines;
use super::files;
use super::piece::PieceEnd;
use super::query::{Line, Source};
use super::reader::PIECE_BYTES;
use super::tap::whole_characters;
use crate::vocab::name::ServiceName;

/// New lines of some streams, as they come, through rotations and truncations. It looks at the files' sizes in turns:
/// it runs in the client, only while somebody follows, and costs the services and the supervisor nothing.
pub struct Follower {
    tracks: Vec<Track>,
    open_lines: OpenLines,
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
    file: Option<Open>,
    /// The beginning of a line whose end has not come.
    open_line: Vec<u8>,
    /// When more of it came at last.
    grown_ms: u64,
    /// Whether there is more than was read.
    is_behind: bool,
}

struct Open {
    file: File,
    inode: u64,
    offset: u64,
}

/// How long to wait between two looks: a line is seen within this time.
pub const PAUSE: Duration = Duration::from_millis(50);

/// A file that is renamed between finding and opening it is looked for so often; if that fails, the next look finds it.
const TRIES: usize = 5;

/// The beginning of a line is handed over when no more of it came for so long: somebody may wait for an answer to it.
const OPEN_LINE_MS: u64 = 1000;

/// So many bytes of a stream are read before the others have their turn.
const TURN_BYTES: u64 = 1 << 20;

impl Follower {
    /// Follows from where [`super::query::read`] with the same ends stops. `open_lines` says what becomes of one whose end
    /// does not come.
    pub(super) fn new(sources: Vec<Source>, ends: &[Option<End>], open_lines: OpenLines) -> Self {
        let tracks = sources.into_iter().zip(ends).map(|(source, end)| {
            let file = end.and_then(|end| Open::at(&source, end));
            Track { source, file, open_line: Vec::new(), grown_ms: 0, is_behind: false }
        });
        Self { tracks: tracks.collect(), open_lines }
    }

    /// All whole lines that have come since the last look, and pieces of those that are long, or whose end does not come if
    /// those are passed on; `unix_ms` is the time they are given.
    pub fn look(&mut self, unix_ms: u64) -> io::Result<Vec<Fresh>> {
        let mut lines = Vec::new();
        for track in &mut self.tracks {
            track.look(unix_ms, self.open_lines, &mut lines)?;
        }
        Ok(lines)
    }

    /// Runs of these services have ended: what they wrote last is handed over, also when its line has no end. Those of which
    /// not all is read yet are left.
    pub(super) fn close(&mut self, services: &mut BTreeSet<ServiceName>, unix_ms: u64) -> Vec<Fresh> {
        let behind = self.tracks.iter().filter(|track| track.is_behind).map(|track| &track.source.service);
        let left: BTreeSet<ServiceName> =
            behind.filter(|service| services.contains(*service)).cloned().collect();
        let read = std::mem::replace(services, left);
        let is_read = |track: &&mut Track| {
            let service = &track.source.service;
            read.contains(service) && !services.contains(service)
        };
        let closed = self.tracks.iter_mut().filter(is_read);
        closed.flat_map(|track| track.hand_over_rest(unix_ms, PieceEnd::Open)).collect()
    }

    /// Whether more was there at the last look than one look brings.
    pub(super) fn is_behind(&self) -> bool {
        self.tracks.iter().any(|track| track.is_behind)
    }
}

impl Open {
    /// The file that had this inode, wherever rotation has moved it.
    fn at(source: &Source, end: End) -> Option<Self> {
        let find = || {
            let (path, inode) = files::newest_first(&source.file).find(|(_, inode)| *inode == end.inode)?;
            Some(Self::of(&path, inode, end.offset))
        };
        (0..TRIES).map_while(|_| find()).find_map(|opened| opened)
    }

    /// The file of this name, unless rotation has given it to another file meanwhile.
    fn of(path: &Path, inode: u64, offset: u64) -> Option<Self> {
        let file = File::open(path).ok()?;
        (file.metadata().ok()?.ino() == inode).then_some(Self { file, inode, offset })
    }
}

impl Track {
    fn look(&mut self, unix_ms: u64, open_lines: OpenLines, lines: &mut Vec<Fresh>) -> io::Result<()> {
        loop {
            // The successor is looked for before the file is read to its end: nothing is written to a file after it was
            // set aside, so what is there then is all of it.
            let successor = self.successor();
            let is_at_end = self.read(unix_ms, lines)?;
            self.is_behind = !is_at_end;
            let is_waited_for = unix_ms.saturating_sub(self.grown_ms) >= OPEN_LINE_MS;
            if open_lines == OpenLines::Flushed && is_waited_for {
                lines.extend(self.hand_over_rest(unix_ms, PieceEnd::GoesOn));
            }
            match successor {
                Some(successor) if is_at_end => self.file = Some(successor),
                Some(_) | None => return Ok(()),
            }
        }
    }

    /// The file after the one that is open, if that was set aside; the current one, if none is open.
    fn successor(&self) -> Option<Open> {
        let names = (0..TRIES).map_while(|_| self.successor_name());
        names.map(|(path, inode)| Open::of(&path, inode, 0)).find_map(|opened| opened)
    }

    fn successor_name(&self) -> Option<(PathBuf, u64)> {
        let is_current = |(path, _): &(PathBuf, u64)| *path == self.source.file;
        let mut younger = Vec::new();
        for found in files::newest_first(&self.source.file) {
            match &self.file {
                Some(open) if open.inode == found.1 => return younger.pop(),
                Some(_) => younger.push(found),
                None => return Some(found).filter(is_current),
            }
        }
        // It was compressed, removed, or moved out of the series. What was written to after it is younger.
        let written = self.file.as_ref()?.file.metadata().ok()?.modified().ok()?;
        let is_younger = |(path, _): &(PathBuf, u64)| {
            std::fs::metadata(path).and_then(|found| found.modified()).is_ok_and(|it| it > written)
        };
        younger.into_iter().rev().find(|found| is_younger(found) || is_current(found))
    }

    /// Reads what is there, up to a turn; says whether that was all.
    fn read(&mut self, unix_ms: u64, lines: &mut Vec<Fresh>) -> io::Result<bool> {
        let Some(open) = &mut self.file else { return Ok(true) };
        let size = open.file.metadata()?.size();
        if size < open.offset {
            open.offset = 0;
            self.open_line.clear();
        }
        open.file.seek(SeekFrom::Start(open.offset))?;
        let mut bytes = Vec::new();
        let mut offset = open.offset.saturating_sub(length(&self.open_line));
        (&mut open.file).take(TURN_BYTES.min(size - open.offset)).read_to_end(&mut bytes)?;
        open.offset += length(&bytes);
        let is_at_end = open.offset >= size;
        if !bytes.is_empty() {
            self.grown_ms = unix_ms;
        }
        let inode = open.inode;
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
        Ok(is_at_end)
    }

    /// The beginning of a line whose end has not come, if there is one.
    fn hand_over_rest(&mut self, unix_ms: u64, end: PieceEnd) -> Option<Fresh> {
        let Open { inode, offset, .. } = *self.file.as_ref().filter(|_| !self.open_line.is_empty())?;
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
        Line { service: service.clone(), stream: *stream, unix_ms, bytes, end }
    }
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or_default()
}
