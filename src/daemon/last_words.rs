use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::logs::pump::Drained;
use crate::logs::tail;

/// Where a run's standard error begins in its log file, so that what an earlier run wrote is not taken for its words.
#[derive(Debug, Clone)]
pub struct Beginning {
    file: Arc<Path>,
    inode: u64,
    offset: u64,
}

/// The last words of a run are among so many last lines.
pub const LAST_LINES: usize = 5;

/// A line is shown, and kept, up to so many bytes.
pub const LINE_BYTES_MAX: usize = 500;

/// How long the last output may take to reach its file before a run, or a hook, counts as over.
const DRAIN_MAX: Duration = Duration::from_millis(250);

/// The last words of a run are looked for in this many bytes at the end of the file.
const LOOK_BACK_BYTES: u64 = 64 * 1024;

impl Beginning {
    /// The end of the file as it is.
    pub fn at_end_of(file: &Arc<Path>) -> Self {
        let (inode, offset) = fs::metadata(file).map_or((0, 0), |found| (found.ino(), found.len()));
        Self { file: Arc::clone(file), inode, offset }
    }

    /// The last `count` lines written since; fewer when the run wrote fewer.
    pub fn lines_since(&self, count: usize) -> Vec<String> {
        let Ok(found) = fs::metadata(&self.file) else { return Vec::new() };
        let is_same_file = found.ino() == self.inode && found.len() >= self.offset;
        let from = if is_same_file { self.offset } else { 0 };
        tail::last_lines(&self.file, from, count, LOOK_BACK_BYTES).unwrap_or_default()
    }

    /// The same of a run that has ended, of which the pump may know what no file has.
    pub fn lines_of_run(&self, drained: Option<&Drained>, count: usize) -> Vec<String> {
        match drained.and_then(|drained| drained.stderr.as_ref()) {
            Some(bytes) => tail::last_lines_of(bytes, count),
            None => self.lines_since(count),
        }
    }
}

/// What the pump says when all was moved, unless that takes too long.
pub async fn drained(answer: oneshot::Receiver<Drained>) -> Option<Drained> {
    tokio::time::timeout(DRAIN_MAX, answer).await.ok().and_then(Result::ok)
}

/// The last line of these that is not blank, as far as it fits into a sentence.
pub fn last_of(lines: &[String]) -> Option<String> {
    let last = lines.iter().rev().take(LAST_LINES).find(|line| !line.trim().is_empty());
    last.map(|line| shortened(line))
}

/// The last lines that a stream's file ends with, each as far as it is shown.
pub fn last_lines(file: &Path, count: usize) -> Vec<String> {
    let lines = tail::last_lines(file, 0, count, LOOK_BACK_BYTES).unwrap_or_default();
    lines.iter().map(|line| shortened(line)).collect()
}

/// A line as far as it is shown and kept: `…` stands for the rest of one that is longer. One whose beginning was not read is
/// told by its end.
pub fn shortened(line: &str) -> String {
    let Some(excess) = line.len().checked_sub(LINE_BYTES_MAX).filter(|excess| *excess > 0) else {
        return line.to_owned();
    };
    if line.starts_with('…') {
        let begin = (excess..).find(|at| line.is_char_boundary(*at)).unwrap_or_default();
        return format!("…{}", &line[begin..]);
    }
    let end = (0..=LINE_BYTES_MAX).rev().find(|at| line.is_char_boundary(*at)).unwrap_or_default();
    format!("{}…", &line[..end])
}

#[cfg(test)]
mod tests {
    use super::{LINE_BYTES_MAX, last_lines, last_of};

    #[test]
    fn a_line_that_is_long_is_told_by_its_beginning_and_cut_where_a_mark_says_so() {
        let long = "é".repeat(150_000);
        let told = last_of(&[long.clone(), String::new()]).unwrap();
        assert_eq!(told, format!("{}…", &long[..LINE_BYTES_MAX]));
        let short = "x".repeat(LINE_BYTES_MAX);
        assert_eq!(last_of(std::slice::from_ref(&short)), Some(short));
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("log");
        std::fs::write(&file, format!("{long}.\nend\n")).unwrap();
        let lines = last_lines(&file, 10);
        assert_eq!(lines, [format!("…{}.", &long[..LINE_BYTES_MAX - 2]), "end".to_owned()]);
    }
}
