use std::fs;
use std::io;

use super::paths::Paths;
use super::replace::replace;

/// What an upgrade came to, noted by the guardian for whoever asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// The procman on disk is in charge.
    Done,
    /// It did not become ready, and the one before it is in charge again.
    RolledBack(String),
}

const DONE: &str = "done";

impl Note {
    /// Notes it, as a whole.
    pub fn write(&self, paths: &Paths) -> io::Result<()> {
        let text = match self {
            Self::Done => DONE,
            Self::RolledBack(why) => why,
        };
        replace(&paths.upgrade, text.as_bytes())
    }

    /// Takes the note away, if there is one.
    pub fn take(paths: &Paths) -> Option<Self> {
        let text = fs::read_to_string(&paths.upgrade).ok()?;
        // One that stays behind is taken away before the next upgrade.
        let _ = fs::remove_file(&paths.upgrade);
        Some(if text == DONE { Self::Done } else { Self::RolledBack(text) })
    }
}
