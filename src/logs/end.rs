use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

use super::query::Source;
use super::run_ends::RunEnds;
use super::times;

/// Where one stream's current file ended at some moment: what lies behind is for a follower.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct End {
    pub(super) inode: u64,
    pub(super) offset: u64,
}

/// So many bytes are looked at for the last whole line.
const LOOK_BYTES: u64 = 1 << 20;

/// Where each source ends at this moment.
pub(super) fn ends(sources: &[Source]) -> Vec<Option<End>> {
    sources.iter().map(|source| end_of(&source.file)).collect()
}

/// Where the last line of each source ends that is whole or whose run has ended: a follower goes on from there.
pub(super) fn line_ends(sources: &[Source], times: &Path, run_ends: &RunEnds) -> Vec<Option<End>> {
    let line_end = |source: &Source| line_end_of(&source.file, times, run_ends.of(&source.service)).ok();
    sources.iter().map(line_end).collect()
}

fn end_of(path: &Path) -> Option<End> {
    let found = std::fs::metadata(path).ok()?;
    Some(End { inode: found.ino(), offset: found.len() })
}

/// The end of the last line of a file that is whole, or whose run has ended.
fn line_end_of(path: &Path, times_dir: &Path, run_ends_ms: &[u64]) -> io::Result<End> {
    let file = File::open(path)?;
    let found = file.metadata()?;
    let size = found.len();
    let mut last = vec![0; usize::try_from(size.min(LOOK_BYTES)).unwrap_or_default()];
    let start = size - u64::try_from(last.len()).unwrap_or_default();
    file.read_exact_at(&mut last, start)?;
    let whole = memchr::memrchr(b'\n', &last).map_or(0, |at| at + 1);
    let mut offset = start + u64::try_from(whole).unwrap_or_default();
    if offset < size {
        let times = times::read(times_dir, found.ino());
        let cuts = times::cuts(&times, run_ends_ms, size);
        offset = cuts.last().map_or(offset, |cut| offset.max(*cut));
    }
    Ok(End { inode: found.ino(), offset })
}
