use std::fs;
use std::io;
use std::path::PathBuf;

use super::paths::Paths;
use crate::sys::lock::{self, FileLock};
use crate::sys::process;
use crate::vocab::identity::Pid;

/// The right to restart the whole system: two commands that stop, flush and start at the same time would end what the other
/// one starts. It is over when it is dropped, or when the command ends, however it ends.
#[derive(Debug)]
pub struct Turn {
    _lock: FileLock,
    file: PathBuf,
}

/// Takes the turn; none when another command has it.
pub fn take(paths: &Paths) -> io::Result<Option<Turn>> {
    let Some(lock) = FileLock::try_take(&paths.restart)? else { return Ok(None) };
    lock.write_note(&format!("{}\n", process::own().pid))?;
    Ok(Some(Turn { _lock: lock, file: paths.restart.clone() }))
}

/// Who has the turn, as far as it is noted.
pub fn holder(paths: &Paths) -> Option<Pid> {
    Pid::new(lock::read_note(&paths.restart).ok()?.trim().parse().ok()?)
}

impl Drop for Turn {
    fn drop(&mut self) {
        // While the lock is held: who waits for it sees that the file is another one, or none.
        let _ = fs::remove_file(&self.file);
    }
}

#[cfg(test)]
mod tests {
    use super::{holder, take};
    use crate::rundir::paths::Paths;
    use crate::sys::process;

    #[test]
    fn one_command_at_a_time_has_the_turn_and_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::new(&dir.path().join("services.toml"), dir.path());
        assert!(take(&paths).is_err(), "there is no directory yet");
        paths.prepare().unwrap();
        let turn = take(&paths).unwrap();
        assert!(turn.is_some() && take(&paths).unwrap().is_none());
        assert_eq!(holder(&paths), Some(process::own().pid));
        drop(turn);
        assert!(!paths.restart.exists());
        assert!(take(&paths).unwrap().is_some());
    }
}
