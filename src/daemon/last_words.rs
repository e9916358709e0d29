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
        let written = if is_same_file { found.len() - self.offset } else { found.len() };
        tail::last_lines(&self.file, count, written.min(LOOK_BACK_BYTES)).unwrap_or_default()
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

/// The last line of these that is not blank.
pub fn last_of(lines: &[String]) -> Option<String> {
    lines.iter().rev().take(LAST_LINES).find(|line| !line.trim().is_empty()).cloned()
}
