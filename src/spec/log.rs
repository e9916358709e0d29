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
    /// Whether both streams go to one file, and are then one stream.
    pub fn are_joined(&self) -> bool {
        self.stdout == self.stderr
    }

    /// Files of another service beside these of `service`: named after it where these are, else with its name before.
    pub(super) fn renamed(&self, service: &ServiceName, other: &ServiceName) -> Self {
        let beside = |file: &Path| {
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            let own = name.strip_prefix(service.as_str()).and_then(|rest| rest.strip_prefix('.'));
            file.with_file_name(format!("{other}.{}", own.unwrap_or(&name)))
        };
        Self { stdout: beside(&self.stdout), stderr: beside(&self.stderr), rotation: self.rotation }
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
