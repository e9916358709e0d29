use std::path::{Path, PathBuf};

use crate::vocab::name::ServiceName;

/// Where a service's output goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logs {
    /// The file of standard output.
    pub stdout: PathBuf,
    /// The file of standard error.
    pub stderr: PathBuf,
    /// When each is rotated.
    pub rotation: Rotation,
}

impl Logs {
    /// The files of a service in a directory.
    pub fn new(directory: &Path, service: &ServiceName, rotation: Rotation) -> Self {
        let file = |stream| directory.join(format!("{service}.{stream}.log"));
        Self { stdout: file("out"), stderr: file("err"), rotation }
    }

    /// The same for another service, beside these.
    pub(super) fn renamed(&self, service: &ServiceName) -> Self {
        Self::new(self.stdout.parent().unwrap_or(Path::new("")), service, self.rotation)
    }
}

/// When a log file is set aside, and how many are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rotation {
    /// A file that would grow beyond this many bytes is set aside, at a line's end.
    pub size_max: u64,
    /// How many set-aside files are kept (`NAME.out.log.1` is the newest).
    pub keep: u32,
}

impl Default for Rotation {
    fn default() -> Self {
        Self { size_max: 50_000_000, keep: 10 }
    }
}
