use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;

use super::paths::Paths;

/// Keeps the config that a supervisor has taken over, for a successor that has to go on as before, whatever becomes of the
/// file meanwhile.
pub fn write(paths: &Paths, text: &str) -> io::Result<()> {
    let fresh = paths.applied.with_extension("new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
    file.write_all(text.as_bytes())?;
    fs::rename(&fresh, &paths.applied)
}

/// The config that the last supervisor had taken over; none if it left none.
pub fn read(paths: &Paths) -> Option<String> {
    fs::read_to_string(&paths.applied).ok()
}
