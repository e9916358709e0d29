use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use super::os;
use crate::vocab::identity::Pid;

/// A flock(2) on a file. It ends when it is dropped, or when the process ends, however it ends.
#[derive(Debug)]
pub struct FileLock {
    file: Flock<File>,
}

/// A lock of which this process and those that it forked hold one copy each.
#[derive(Debug)]
pub struct KeptLock {
    _file: OwnedFd,
}

/// Whether somebody holds a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// Nobody does, or there is no file.
    Nobody,
    /// Somebody does; who, where the system says so (Linux).
    Somebody(Option<Pid>),
}

impl FileLock {
    /// Takes the lock, making the file (mode 0600) if it is not there; none when somebody else holds it.
    pub fn try_take(path: &Path) -> io::Result<Option<Self>> {
        loop {
            let file = open(path)?;
            let file = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                Ok(file) => file,
                Err((_, Errno::EWOULDBLOCK)) => return Ok(None),
                Err((_, errno)) => return Err(errno.into()),
            };
            // A holder that ends removes its file: a lock on a file that the path names no more proves nothing.
            if is_at(&file, path) {
                return Ok(Some(Self { file }));
            }
        }
    }

    /// Holds the lock until the last one of this process and its copies has dropped it or ended: dropping a [`FileLock`]
    /// would unlock it for all of them.
    pub fn keep(self) -> KeptLock {
        let fd = self.file.as_raw_fd();
        std::mem::forget(self.file);
        // SAFETY: the descriptor is open, and its former owner has just been forgotten.
        KeptLock { _file: unsafe { OwnedFd::from_raw_fd(fd) } }
    }

    /// Replaces what the file says, for people and for systems without a list of locks.
    pub fn write_note(&self, note: &str) -> io::Result<()> {
        self.file.set_len(0)?;
        (&*self.file).write_all(note.as_bytes())
    }
}

/// What the holder wrote into the file.
pub fn read_note(path: &Path) -> io::Result<String> {
    fs::read_to_string(path)
}

/// Whether somebody holds the lock, without taking it for longer than the question lasts.
pub fn holder(path: &Path) -> io::Result<Held> {
    let file = match OpenOptions::new().read(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Held::Nobody),
        Err(error) => return Err(error),
    };
    // A shared lock: two who ask at the same time do not take each other for the holder.
    match Flock::lock(file, FlockArg::LockSharedNonblock) {
        Ok(_) => Ok(Held::Nobody),
        Err((_, Errno::EWOULDBLOCK)) => Ok(Held::Somebody(os::rest::lock_holder(path))),
        Err((_, errno)) => Err(errno.into()),
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

fn is_at(file: &File, path: &Path) -> bool {
    let (Ok(held), Ok(named)) = (file.metadata(), fs::metadata(path)) else { return false };
    held.dev() == named.dev() && held.ino() == named.ino()
}

#[cfg(test)]
mod tests {
    use super::{FileLock, Held, holder};

    #[test]
    fn a_lock_has_one_holder_and_ends_with_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        assert_eq!(holder(&path).unwrap(), Held::Nobody);
        let lock = FileLock::try_take(&path).unwrap().unwrap();
        assert!(FileLock::try_take(&path).unwrap().is_none());
        let Held::Somebody(pid) = holder(&path).unwrap() else { panic!("nobody holds it") };
        if cfg!(target_os = "linux") {
            assert_eq!(pid, Some(crate::sys::process::own().pid));
        }
        drop(lock);
        assert_eq!(holder(&path).unwrap(), Held::Nobody);
        assert!(FileLock::try_take(&path).unwrap().is_some());
    }
}
