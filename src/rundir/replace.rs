use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Replaces a file by rename(2): a reader sees what was there before, or all of this, and a full disk costs neither. Only
/// its owner may read it. It is not synced: what lies in a run directory has to survive the death of a process, and no boot.
///
/// # Errors
/// The system refuses; the file is as it was then.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let fresh = path.with_extension("new");
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?.write_all(bytes)?;
    fs::rename(&fresh, path)
}
