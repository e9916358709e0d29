use std::collections::HashMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::paths::Paths;
use super::replace::replace;
use super::unended::unended;
use crate::vocab::cause::{Class, Record};
use crate::vocab::mark::{Began, Turn};
use crate::vocab::name::ServiceName;
use crate::vocab::outcome::Outcome;

/// So many records of ends of a service are kept, the youngest ones; the file has up to twice as many before it is cut back.
pub const RECORDS_MAX: usize = 200;

/// A run has a beginning and an end.
const LINES_MAX: usize = 2 * RECORDS_MAX;

/// The file is cut back to half of this when it has more bytes.
const BYTES_MAX: u64 = 1 << 20;

/// Every record that is kept of a service, the oldest first; none if nothing is.
///
/// # Errors
/// The file is there and cannot be read.
pub fn read(paths: &Paths, service: &ServiceName) -> io::Result<Vec<Record>> {
    let mut records = ends(read_file(&file_of(paths, service))?);
    records.drain(..records.len().saturating_sub(RECORDS_MAX));
    Ok(records)
}

/// The beginnings and ends of a service's runs, in a file of its own: one JSON object a line, the oldest first. It outlives
/// supervisors, upgrades and `down`, and is not synced to the disk. A line that a death cut off is passed over. It has one
/// writer.
#[derive(Debug)]
pub struct Book {
    path: PathBuf,
    lines: usize,
    /// How often each look of an end was seen. A record counts those before it, so that the count outlives them.
    seen: HashMap<Look, u64>,
    /// When the last run ended, in milliseconds since 1970 UTC; 0 when none did.
    ended_ms: u64,
    unended: Vec<Began>,
}

/// What makes two ends look the same: numbers and addresses aside, which differ from run to run.
type Look = (Class, Option<Outcome>, String);

impl Book {
    /// That of a service, with what is in it.
    ///
    /// # Errors
    /// The file is there and cannot be read.
    pub fn open(paths: &Paths, service: &ServiceName) -> io::Result<Self> {
        let path = file_of(paths, service);
        let turns = read_file(&path)?;
        let (lines, unended) = (turns.len(), unended(&turns));
        let records = ends(turns);
        let ended_ms = records.last().map_or(0, |record| record.unix_ms);
        Ok(Self { lines, seen: seen(&records), ended_ms, unended, path })
    }

    /// The runs that had begun and whose end was not recorded when it was opened, the oldest first. They are given once.
    pub fn take_unended(&mut self) -> Vec<Began> {
        std::mem::take(&mut self.unended)
    }

    /// Adds the beginning of a run, which comes after the end of the one before it also where a clock does not tell them
    /// apart.
    ///
    /// # Errors
    /// As with [`Self::add`].
    pub fn begin(&mut self, mut began: Began) -> io::Result<()> {
        began.unix_ms = began.unix_ms.max(self.ended_ms + 1);
        self.append(&Turn::Began(began))
    }

    /// Counts the earlier ends that look like this one, and adds it; old ones are dropped when there are too many.
    ///
    /// # Errors
    /// The disk does not take it, or not as a whole; what is there stays readable.
    pub fn add(&mut self, mut record: Record) -> io::Result<()> {
        let look = look(&record);
        record.alike = self.seen.get(&look).copied().unwrap_or(0);
        self.seen.insert(look, record.alike + 1);
        self.ended_ms = record.unix_ms;
        self.append(&Turn::Ended(Box::new(record)))
    }

    fn append(&mut self, turn: &Turn) -> io::Result<()> {
        let mut line = line_of(turn)?;
        let mut file = self.open_file()?;
        if !ends_a_line(&mut file)? {
            line.insert(0, b'\n');
        }
        file.write_all(&line)?;
        self.lines += 1;
        if self.lines >= 2 * LINES_MAX || file.metadata()?.len() > BYTES_MAX {
            self.cut()?;
        }
        Ok(())
    }

    fn open_file(&self) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true).mode(0o600);
        options.open(&self.path).or_else(|error| {
            let parent = self.path.parent().filter(|_| error.kind() == io::ErrorKind::NotFound);
            DirBuilder::new().recursive(true).mode(0o700).create(parent.ok_or(error)?)?;
            options.open(&self.path)
        })
    }

    /// Leaves the youngest lines, as many as fit in half of what there may be. A reader sees the old file or the new one.
    fn cut(&mut self) -> io::Result<()> {
        let mut turns = read_file(&self.path)?;
        let mut lines: Vec<Vec<u8>> = Vec::new();
        let mut bytes = 0;
        for turn in turns.iter().rev() {
            let line = line_of(turn)?;
            bytes += line.len() as u64;
            if bytes > BYTES_MAX / 2 && !lines.is_empty() {
                break;
            }
            lines.push(line);
        }
        let whole: Vec<u8> = lines.iter().rev().flatten().copied().collect();
        replace(&self.path, &whole)?;
        self.lines = lines.len();
        turns.drain(..turns.len() - lines.len());
        self.seen = seen(&ends(turns));
        Ok(())
    }
}

/// Removes the records of services that the config does not have, if none was added since then.
pub fn sweep(paths: &Paths, since_unix_ms: u64, is_declared: impl Fn(&ServiceName) -> bool) {
    for entry in fs::read_dir(&paths.history).into_iter().flatten().flatten() {
        let path = entry.path();
        let name = path.file_stem().and_then(|stem| stem.to_str());
        let is_declared =
            name.and_then(|name| ServiceName::parse(name).ok()).is_some_and(|it| is_declared(&it));
        let is_old = |found: &fs::Metadata| {
            found.mtime().saturating_mul(1000) < i64::try_from(since_unix_ms).unwrap_or(i64::MAX)
        };
        if !is_declared && entry.metadata().is_ok_and(|found| is_old(&found)) {
            let _ = fs::remove_file(path);
        }
    }
}

pub(super) fn file_of(paths: &Paths, service: &ServiceName) -> PathBuf {
    paths.history.join(format!("{service}.ndjson"))
}

/// The youngest lines.
pub(super) fn read_file(path: &Path) -> io::Result<Vec<Turn>> {
    let bytes = match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let mut turns = turns(&bytes);
    turns.drain(..turns.len().saturating_sub(LINES_MAX));
    Ok(turns)
}

fn ends(turns: Vec<Turn>) -> Vec<Record> {
    let end = |turn| match turn {
        Turn::Ended(record) => Some(*record),
        Turn::Began(_) => None,
    };
    turns.into_iter().filter_map(end).collect()
}

fn seen(records: &[Record]) -> HashMap<Look, u64> {
    records.iter().map(|record| (look(record), record.alike + 1)).collect()
}

fn look(record: &Record) -> Look {
    let last = record.stderr.iter().rev().find(|line| !line.trim().is_empty());
    let text = record.traceback.as_ref().or(last).or(record.detail.as_ref());
    (record.class, record.exit, text.map_or_else(String::new, |text| normal(text)))
}

fn normal(line: &str) -> String {
    let mut text = String::with_capacity(line.len());
    let mut word = String::new();
    for char in line.chars().chain([' ']) {
        if char.is_ascii_alphanumeric() {
            word.push(char);
            continue;
        }
        // A word with a digit in it is a number, an address or a temporary name.
        text.push_str(if word.contains(|c: char| c.is_ascii_digit()) { "#" } else { &word });
        word.clear();
        text.push(char);
    }
    text.trim_end().to_owned()
}

fn line_of(turn: &Turn) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(turn)?;
    line.push(b'\n');
    Ok(line)
}

fn turns(bytes: &[u8]) -> Vec<Turn> {
    let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.filter_map(|line| serde_json::from_slice(line).ok()).collect()
}

/// Whether whatever was written last was written as a whole.
fn ends_a_line(file: &mut File) -> io::Result<bool> {
    if file.metadata()?.len() == 0 {
        return Ok(true);
    }
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}

#[cfg(test)]
mod tests {
    use super::{BYTES_MAX, Book, RECORDS_MAX, read, sweep};
    use crate::rundir::paths::Paths;
    use crate::vocab::cause::{By, Class, Means, Record};
    use crate::vocab::identity::Pid;
    use crate::vocab::mark::{Began, Turn};
    use crate::vocab::name::ServiceName;
    use crate::vocab::outcome::Outcome;
    use crate::vocab::run::RunId;
    use crate::vocab::signal::Signal;
    use std::fs;
    use std::io::Write;

    fn record(run: u64) -> Record {
        Record {
            v: Record::VERSION,
            run: RunId(run),
            unix_ms: 1_764_115_200_000 + run,
            pid: Pid::new(4711),
            lasted_ms: Some(1500),
            exit: Some(Outcome::Code(1)),
            class: Class::ImportError,
            detail: None,
            by: None,
            traceback: Some("ModuleNotFoundError: No module named 'nowhere'".to_owned()),
            alike: 0,
            stderr: vec!["Traceback (most recent call last):".to_owned(), format!("line {run}")],
            stacks: Vec::new(),
        }
    }

    fn began(run: u64) -> Began {
        let pid = Pid::new(4711).unwrap();
        Began { v: Began::VERSION, began: RunId(run), unix_ms: 1_764_115_198_000 + run, pid }
    }

    fn place() -> (tempfile::TempDir, Paths, ServiceName) {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::new(&dir.path().join("services.toml"), &dir.path().join("state"));
        (dir, paths, ServiceName::parse("api").unwrap())
    }

    #[test]
    fn what_is_added_is_read_in_order_and_a_line_that_was_cut_off_costs_itself_alone() {
        let (_dir, paths, api) = place();
        assert_eq!(read(&paths, &api).unwrap(), []);
        let mut book = Book::open(&paths, &api).unwrap();
        book.add(record(1)).unwrap();
        let mut file = fs::OpenOptions::new().append(true).open(paths.history.join("api.ndjson")).unwrap();
        file.write_all(b"{\"v\":1,\"run\":2,\"unix").unwrap();
        book.add(record(3)).unwrap();
        assert_eq!(read(&paths, &api).unwrap(), [record(1), Record { alike: 1, ..record(3) }]);
    }

    #[test]
    fn records_are_bounded_by_count_and_by_bytes() {
        let (_dir, paths, api) = place();
        let mut book = Book::open(&paths, &api).unwrap();
        let size = || fs::metadata(paths.history.join("api.ndjson")).unwrap().len();
        let last = 3 * RECORDS_MAX as u64;
        for run in 0..=last {
            book.begin(began(run)).unwrap();
            book.add(record(run)).unwrap();
        }
        let kept = read(&paths, &api).unwrap();
        let youngest = Record { alike: last, ..record(last) };
        assert_eq!((kept.len(), kept.last()), (RECORDS_MAX, Some(&youngest)));
        assert!(size() < 2 * RECORDS_MAX as u64 * 500, "{} bytes", size());
        for run in 0..30 {
            book.add(Record { stderr: vec!["x".repeat(100_000)], ..record(run) }).unwrap();
            assert!(size() <= BYTES_MAX + 200_000);
        }
        assert_eq!(read(&paths, &api).unwrap().last().map(|it| it.run), Some(RunId(29)));
    }

    #[test]
    fn a_run_begins_after_the_end_of_the_one_before_it() {
        let (_dir, paths, api) = place();
        let mut book = Book::open(&paths, &api).unwrap();
        for _ in 0..2 {
            book.begin(Began { unix_ms: 2, ..began(1) }).unwrap();
            book.add(Record { unix_ms: 1_000, ..record(1) }).unwrap();
            book.begin(Began { unix_ms: 1_000, ..began(2) }).unwrap();
            book = Book::open(&paths, &api).unwrap();
        }
        let turns = super::read_file(&paths.history.join("api.ndjson")).unwrap();
        let times: Vec<u64> = turns.iter().map(Turn::unix_ms).collect();
        assert_eq!(times, [2, 1_000, 1_001, 1_001, 1_000, 1_001]);
    }

    #[test]
    fn ends_look_the_same_when_they_differ_in_numbers_alone_also_to_the_next_supervisor() {
        let check = |one: &str, other: &str, expected: u64| {
            let (_dir, paths, api) = place();
            for line in [one, one, other] {
                let record = Record { traceback: Some(line.to_owned()), ..record(1) };
                Book::open(&paths, &api).unwrap().add(record).unwrap();
            }
            assert_eq!(read(&paths, &api).unwrap().last().unwrap().alike, expected, "{one} / {other}");
        };
        check("ValueError: 12 at 0x7f12ab34", "ValueError: 9731 at 0x7f99", 2);
        check("KeyError: 'a'", "KeyError: 'b'", 0);
        check("OSError: [Errno 98] Address already in use", "OSError: [Errno 48] Address already in use", 2);
    }

    #[test]
    fn records_of_version_1_are_read_for_ever() {
        let old = include_bytes!("../../tests/fixtures/history/v1.ndjson");
        let by = By { means: Means::Stop, user: Some("root".to_owned()), uid: Some(0), what: None };
        let second = Record {
            by: Some(by),
            class: Class::Operator,
            exit: Some(Outcome::Signal(Signal::TERM)),
            traceback: None,
            detail: Some("asked to end".to_owned()),
            alike: 2,
            ..record(8)
        };
        assert_eq!(super::ends(super::turns(old)), [record(7), second]);
        let written = serde_json::to_vec(&record(7)).unwrap();
        assert!(old.starts_with(&written), "{}", String::from_utf8_lossy(&written));
    }

    #[test]
    fn beginnings_of_version_1_are_read_for_ever_and_hide_no_end() {
        let old = include_bytes!("../../tests/fixtures/history/began-v1.ndjson");
        let all = [Turn::Began(began(7)), Turn::Ended(Box::new(record(7))), Turn::Began(began(8))];
        assert_eq!(super::turns(old), all);
        let written: Vec<u8> = all.iter().flat_map(|turn| super::line_of(turn).unwrap()).collect();
        assert_eq!(String::from_utf8_lossy(&written), String::from_utf8_lossy(old));
        assert_eq!(super::ends(super::turns(old)), [record(7)]);
    }

    #[test]
    fn records_of_services_that_have_gone_are_removed_when_they_are_old() {
        let (_dir, paths, api) = place();
        Book::open(&paths, &api).unwrap().add(record(1)).unwrap();
        let there = || paths.history.join("api.ndjson").exists();
        sweep(&paths, 0, |_| false);
        sweep(&paths, u64::MAX, |_| true);
        assert!(there());
        sweep(&paths, u64::MAX, |_| false);
        assert!(!there());
    }
}
