use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::files::{self, Found};
use super::piece::{PieceBegin, PieceEnd};
use super::plan::{TRIES, if_there, of_file};
use super::query::Source;
use super::run_ends::RunEnds;
use super::tap::whole_characters;
use super::times;

/// A place in what a stream has written. Its file is held open, so that it is there whatever rotation does with it.
#[derive(Debug, Clone)]
pub struct Place {
    pub(super) file: Arc<File>,
    /// Where the file was found.
    pub(super) path: PathBuf,
    pub(super) inode: u64,
    pub(super) offset: u64,
    /// How a line ends here that goes on beyond it.
    pub(super) line_end: PieceEnd,
    /// How many bytes of the stream came before those of the file, where that is known.
    pub(super) before: Option<u64>,
}

/// So far back the last whole line is looked for; one that is longer is handed over in pieces anyway.
const LOOK_BYTES: u64 = 1 << 20;
const BLOCK_BYTES: u64 = 64 * 1024;

impl Place {
    /// The end of the newest file of a stream; none where it has no file. Where that cannot be told, that is an error.
    fn end_of(source: &Source, times: &Path) -> io::Result<Option<Self>> {
        let end_in =
            |path: PathBuf| Self::end_in(&path, times).map_err(|error| of_file(&path, &error)).transpose();
        let is_made = |end: &io::Result<Self>| !end.as_ref().is_ok_and(Self::is_being_made);
        for _ in 0..TRIES {
            if let Some(end) = files::search(&source.file, 0, end_in).find(is_made) {
                return end.map(Some);
            }
            // Where few files are kept, a search that rotation overtakes may find none of them.
            if !source.file.try_exists().map_err(|error| of_file(&source.file, &error))? {
                break;
            }
        }
        Ok(None)
    }

    /// None where no file has that name. All that is told of one is told of the one that was opened: what was looked up by the
    /// name before may be of an older one.
    fn end_in(path: &Path, times: &Path) -> io::Result<Option<Self>> {
        if !path.is_file() {
            return Ok(None);
        }
        let Some(file) = if_there(File::open(path))? else { return Ok(None) };
        let opened = file.metadata()?;
        let inode = opened.ino();
        // How much a compressed file holds is known when it has been read.
        let offset = if files::is_pressed(path) { u64::MAX } else { opened.len() };
        let (file, path, line_end) = (Arc::new(file), path.to_owned(), PieceEnd::Open);
        Ok(Some(Self { file, path, inode, offset, line_end, before: times::before(times, inode) }))
    }

    /// Whether it holds nothing, and what came before it is not known yet. Who went on from there would not be told of what was
    /// dropped on the way.
    fn is_being_made(&self) -> bool {
        self.offset == 0 && self.before.is_none()
    }

    /// Goes back to the end of the last line that is whole, or whose run has ended, or that began before a time.
    fn go_to_line_end(
        &mut self,
        times: &Path,
        run_ends_ms: &[u64],
        begun_before_ms: Option<u64>,
    ) -> io::Result<()> {
        if self.is_pressed() {
            return Ok(());
        }
        let size = self.offset;
        let whole = last_newline(&self.file, size)?;
        if whole == Some(size) {
            return Ok(());
        }
        let times = times::read(times, self.inode);
        let cut = times::cuts(&times, run_ends_ms, size).pop();
        let line_end = whole.max(cut);
        let modified_ms = times::modified_ms(&self.file.metadata()?);
        let begun_ms = line_end.and_then(|begin| times::at(&times, begin)).or(modified_ms);
        let is_old = begun_before_ms.zip(begun_ms).is_some_and(|(before, begun)| begun < before);
        if let Some(end) = line_end.filter(|end| *end == size || !is_old) {
            self.offset = end;
            return Ok(());
        }
        // In the midst of a line that is long or old, and of no character.
        let mut last = [0; 4];
        let last = &mut last[..usize::try_from(size.min(4)).unwrap_or_default()];
        self.file.read_exact_at(last, size.saturating_sub(4))?;
        let rest = last.len() - whole_characters(last).len();
        self.offset = size - u64::try_from(rest).unwrap_or_default();
        self.line_end = PieceEnd::GoesOn;
        Ok(())
    }

    /// What stands before what comes next, if it is where a follower goes on.
    pub(super) fn begin(&self) -> PieceBegin {
        match self.line_end {
            PieceEnd::GoesOn => PieceBegin::Midst,
            PieceEnd::Line | PieceEnd::Open => PieceBegin::Line,
        }
    }

    /// Whether its file was compressed: nothing is written to it any more.
    pub(super) fn is_pressed(&self) -> bool {
        files::is_pressed(&self.path)
    }

    /// How many bytes of the stream came before this one, where that is known.
    pub(super) fn reached(&self) -> Option<u64> {
        Some(self.before?.saturating_add(self.offset)).filter(|_| !self.is_pressed())
    }

    /// Whether a file that rotation did not leave in its order holds nothing but what came before this one's file, or after it.
    pub(super) fn is_after(&self, other: &Found, times: &Path) -> bool {
        match (times::before(times, other.inode), self.before) {
            (Some(other), Some(own)) => other < own,
            (Some(_) | None, _) => self.modified().is_none_or(|own| other.modified <= own),
        }
    }

    /// Whether the indexes say that another file holds what came after this one's.
    pub(super) fn is_known_to_precede(&self, other: &Found, times: &Path) -> bool {
        // That of a file which was just made may have been written since.
        let own = self.before.or_else(|| times::before(times, self.inode));
        own.zip(times::before(times, other.inode)).is_some_and(|(own, other)| own < other)
    }

    pub(super) fn is_before(&self, other: &Found, times: &Path) -> bool {
        let size = self.file.metadata().map_or(0, |found| found.len());
        match (times::before(times, other.inode), self.before) {
            (Some(other), Some(own)) if self.is_pressed() => other > own,
            (Some(other), Some(own)) => other >= own + size,
            (Some(_) | None, _) => self.modified().is_none_or(|own| other.modified > own),
        }
    }

    /// Whether its file comes before that of another place, by all that is known of both.
    pub(super) fn is_earlier(&self, other: &Self) -> bool {
        let may_be = self.before.zip(other.before).is_none_or(|(own, other)| own < other);
        self.inode != other.inode && may_be && self.modified() < other.modified()
    }

    /// Whether its file is the compressed form of that of another place.
    pub(super) fn is_made_of(&self, other: &Self) -> bool {
        let may_be = self.before.zip(other.before).is_none_or(|(own, other)| own == other);
        self.is_pressed() && !other.is_pressed() && may_be && self.modified() == other.modified()
    }

    /// The end of its file.
    pub(super) fn at_end(&self) -> io::Result<Self> {
        Ok(Self { offset: self.file.metadata()?.len(), line_end: PieceEnd::Open, ..self.clone() })
    }

    fn modified(&self) -> Option<files::Modified> {
        self.file.metadata().ok().map(|found| files::modified(&found))
    }
}

/// Where each source ends at this moment.
///
/// # Errors
/// A file that is there cannot be opened, or nobody can tell whether one is there.
pub(super) fn ends(sources: &[Source], times: &Path) -> io::Result<Vec<Option<Place>>> {
    sources.iter().map(|source| Place::end_of(source, times)).collect()
}

/// Where the last line of a source ends that is whole or whose run has ended: a follower goes on from there. What is there of a
/// line that began before a time, in milliseconds since 1970 UTC, is a piece of its own, and the end of its rest is not awaited.
///
/// # Errors
/// As with [`ends`].
pub(super) fn line_end(
    source: &Source,
    times: &Path,
    run_ends: &RunEnds,
    begun_before_ms: Option<u64>,
) -> io::Result<Option<Place>> {
    let Some(mut place) = Place::end_of(source, times)? else { return Ok(None) };
    // One that cannot be read is for the reader to tell.
    let _ = place.go_to_line_end(times, run_ends.of(&source.service), begun_before_ms);
    Ok(Some(place))
}

/// Behind the last newline before an offset, if there is one not too far back; the beginning of the file is as good.
fn last_newline(file: &File, size: u64) -> io::Result<Option<u64>> {
    let mut block = vec![0; usize::try_from(BLOCK_BYTES).unwrap_or_default()];
    let (mut end, first) = (size, size.saturating_sub(LOOK_BYTES));
    while end > first {
        let start = first.max(end.saturating_sub(BLOCK_BYTES));
        let block = &mut block[..usize::try_from(end - start).unwrap_or_default()];
        file.read_exact_at(block, start)?;
        if let Some(at) = memchr::memrchr(b'\n', block) {
            return Ok(Some(start + u64::try_from(at).unwrap_or_default() + 1));
        }
        end = start;
    }
    Ok((first == 0).then_some(0))
}

/// The inode and the size of the file that a path names.
pub(super) fn named(path: &Path) -> Option<(u64, u64)> {
    fs::metadata(path).ok().map(|found| (found.ino(), found.len()))
}
