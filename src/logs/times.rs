use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

/// When which bytes of a log file arrived. Raw lines carry no time, so a file beside them does: entries of 16 bytes, an
/// offset and the milliseconds since 1970 from which on bytes behind it arrived, both little-endian. It is named by the
/// log file's inode, so that it stays with a file that is renamed. It is best effort: what it does not say is not known.
///
/// Its first entry has an offset at which nothing lies, and tells in the place of a time how many bytes of the stream came before
/// those of the file: a reader that goes on from one file to the next knows by that whether it missed one between them.
#[derive(Debug)]
pub(super) struct Recorder {
    file: Option<File>,
    last: Option<Entry>,
    /// The next entry is of a later time than this.
    ended_ms: Option<u64>,
}

/// From this offset on, bytes arrived at this time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// The offset in the log file.
    pub offset: u64,
    /// Milliseconds since 1970 UTC.
    pub unix_ms: u64,
}

/// A new entry is due after so many milliseconds in which so many bytes have come, so that it is a small part of what lies on
/// the disk; also of who writes little, the times are known to the second.
const DUE: [(u64, u64); 3] = [(KNOWN_TO_MS, 0), (100, 128), (20, 512)];

/// How much later than its entry a byte may have arrived, at most.
pub(super) const KNOWN_TO_MS: u64 = 1000;

/// A file's time is that of the kernel's last tick, which come a hundred times a second or more often.
const TICK_MS: u64 = 10;

const ENTRY_BYTES: u64 = 16;

/// The offset of the entry that tells how many bytes came before the file.
const BEFORE: u64 = u64::MAX;

impl Entry {
    fn decode(bytes: &[u8]) -> Self {
        let (offset, unix_ms) = bytes.split_at(bytes.len() / 2);
        let number = |bytes: &[u8]| bytes.try_into().map_or(0, u64::from_le_bytes);
        Self { offset: number(offset), unix_ms: number(unix_ms) }
    }

    fn encode(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.offset.to_le_bytes());
        bytes[8..].copy_from_slice(&self.unix_ms.to_le_bytes());
        bytes
    }
}

/// Where the index of a log file lies.
pub(super) fn path(directory: &Path, inode: u64) -> PathBuf {
    directory.join(inode.to_string())
}

/// All that is known of a log file's times, in the file's order. What was noted of bytes that somebody cut off is left out.
pub fn read(directory: &Path, inode: u64) -> Vec<Entry> {
    let bytes = fs::read(path(directory, inode)).unwrap_or_default();
    let mut entries: Vec<Entry> = Vec::with_capacity(bytes.len() / 16);
    for entry in bytes.chunks_exact(16).map(Entry::decode).filter(|entry| entry.offset != BEFORE) {
        while entries.pop_if(|last| last.offset >= entry.offset).is_some() {}
        entries.push(entry);
    }
    entries
}

/// How many bytes of its stream came before those of this file, where that is known.
pub(super) fn before(directory: &Path, inode: u64) -> Option<u64> {
    let mut bytes = [0; 16];
    File::open(path(directory, inode)).and_then(|mut file| file.read_exact(&mut bytes)).ok()?;
    let first = Entry::decode(&bytes);
    (first.offset == BEFORE).then_some(first.unix_ms)
}

/// When the byte at an offset arrived; none where the entries do not tell.
pub(super) fn at(entries: &[Entry], offset: u64) -> Option<u64> {
    let behind = entries.partition_point(|entry| entry.offset <= offset);
    behind.checked_sub(1).and_then(|at| entries.get(at)).map(|entry| entry.unix_ms)
}

/// Where in a file of this size runs ended at these times, which are in their order: what is written next gets an entry of
/// its own, of a later time.
pub(super) fn cuts(entries: &[Entry], run_ends_ms: &[u64], size: u64) -> Vec<u64> {
    let ended_before = |unix_ms: u64| run_ends_ms.partition_point(|ended| *ended < unix_ms);
    let is_cut = |before: &Entry, next_ms: u64| ended_before(before.unix_ms) < ended_before(next_ms);
    let between = entries.windows(2).filter_map(|pair| match pair {
        [before, next] => is_cut(before, next.unix_ms).then_some(next.offset),
        _ => None,
    });
    let at_end = entries.last().filter(|last| is_cut(last, u64::MAX)).map(|_| size);
    between.chain(at_end).collect()
}

/// Where the first byte lies that arrived at or after a time, in a file that was last written at `modified_ms`; none if there
/// is none.
pub(super) fn first_since(entries: &[Entry], since_ms: u64, modified_ms: u64) -> Option<u64> {
    let is_indexed = entries.first().is_some_and(|first| first.offset == 0);
    if !is_indexed && modified_ms >= since_ms {
        return Some(0);
    }
    entries.iter().find(|entry| entry.unix_ms >= since_ms).map(|entry| entry.offset)
}

/// From when on the entries of a file tell of bytes that may have arrived at or after a time: those behind the last entry before it
/// may be late by as much as is not known, but not later than their run's end, or than the file was last written.
pub(super) fn noted_since(entries: &[Entry], run_ends_ms: &[u64], since_ms: u64, modified_ms: u64) -> u64 {
    let behind = entries.iter().position(|entry| entry.unix_ms >= since_ms);
    let is_written = behind.is_some() || modified_ms.saturating_add(TICK_MS) >= since_ms;
    let before = behind.unwrap_or(entries.len()).checked_sub(1).and_then(|at| entries.get(at));
    let may_be_late = |entry: &&Entry| {
        let is_over = run_ends_ms.iter().any(|ended| (entry.unix_ms..since_ms).contains(ended));
        is_written && !is_over && since_ms.saturating_sub(entry.unix_ms) < KNOWN_TO_MS
    };
    before.filter(may_be_late).map_or(since_ms, |entry| entry.unix_ms)
}

/// When the first byte of a log file arrived; by when it was last written where there is no index.
pub(super) fn first(directory: &Path, log: &fs::Metadata) -> Option<u64> {
    let indexed = read(directory, log.ino()).first().filter(|entry| entry.offset == 0).map(|it| it.unix_ms);
    indexed.or_else(|| modified_ms(log))
}

/// When a file was last written.
pub(super) fn modified_ms(file: &fs::Metadata) -> Option<u64> {
    let modified = file.modified().ok()?.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(modified.as_millis()).ok()
}

impl Recorder {
    /// Goes on with the index of a log file that already has this size; a log file that is empty gets a new one, which says how
    /// many bytes of the stream came before it.
    pub(super) fn open(directory: &Path, inode: u64, size: u64, before: u64) -> Self {
        let file = match size {
            0 => begin(&path(directory, inode), before),
            1.. => go_on(&path(directory, inode)),
        };
        if let Err(error) = &file {
            tracing::debug!(%error, inode, "no time index; times of this file will not be known");
        }
        Self { file: file.ok(), last: None, ended_ms: None }
    }

    /// Notes that bytes from this offset on arrive at this time, if it is worth an entry.
    pub(super) fn note(&mut self, mut entry: Entry) {
        let is_due = self.last.is_none_or(|last| {
            let (age, bytes) =
                (entry.unix_ms.abs_diff(last.unix_ms), entry.offset.saturating_sub(last.offset));
            // Where somebody cut the file short, what was noted of its end tells nothing of what comes.
            let is_cut_short = entry.offset < last.offset;
            is_cut_short || DUE.iter().any(|(age_min, bytes_min)| age >= *age_min && bytes >= *bytes_min)
        });
        let Some(file) = self.file.as_mut().filter(|_| is_due) else { return };
        entry.unix_ms = self.ended_ms.take().map_or(entry.unix_ms, |ended| entry.unix_ms.max(ended + 1));
        if file.write_all(&entry.encode()).is_ok() {
            self.last = Some(entry);
        } else {
            self.file = None;
        }
    }

    /// A run has ended, and all that it wrote had arrived at this time. What comes next gets a later time of its own, however
    /// soon that is.
    pub(super) fn end_run(&mut self, unix_ms: u64) {
        self.last = None;
        self.ended_ms = Some(unix_ms);
    }
}

fn begin(path: &Path, before: u64) -> io::Result<File> {
    let mut file = OpenOptions::new().create(true).mode(0o600).write(true).truncate(true).open(path)?;
    file.write_all(&Entry { offset: BEFORE, unix_ms: before }.encode())?;
    Ok(file)
}

fn go_on(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().create(true).mode(0o600).append(true).open(path)?;
    // A disk that was full may have taken a part of an entry.
    let length = file.metadata()?.len();
    if length % ENTRY_BYTES > 0 {
        file.set_len(length - length % ENTRY_BYTES)?;
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::{Entry, Recorder, read};

    #[test]
    fn an_index_is_a_small_part_of_its_log_and_still_tells_times_to_the_second() {
        let check = |pause_ms: u64, line_bytes: u64, expected: u64| {
            let dir = tempfile::tempdir().unwrap();
            let mut recorder = Recorder::open(dir.path(), 7, 0, 0);
            for number in 0..=1000 {
                recorder.note(Entry { offset: number * line_bytes, unix_ms: number * pause_ms });
            }
            let times = read(dir.path(), 7).into_iter().map(|entry| entry.unix_ms);
            let expected: Vec<u64> = (0..=1000 * pause_ms).step_by(expected as usize).collect();
            assert_eq!(times.collect::<Vec<_>>(), expected, "{line_bytes} bytes each {pause_ms} ms");
        };
        check(100, 1, 1000);
        check(100, 16, 800);
        check(100, 128, 100);
        check(10, 30, 100);
        check(1, 100, 20);
        check(2000, 1, 2000);
    }
}
