use std::io;
use std::path::Path;
use std::time::Duration;

use super::paths::Paths;
use crate::sys::lock::{self, FileLock, Held};
use crate::sys::{clock, process};
use crate::vocab::identity::{Identity, Pid};

/// The proof that this process is the fleet's one supervisor: a flock(2) that ends with the process, however it ends.
#[derive(Debug)]
pub struct SupervisorLock {
    _lock: FileLock,
}

/// Who is the fleet's supervisor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Supervisor {
    /// Nobody: the lock is free.
    Nobody,
    /// Somebody holds the lock; which process, if it can be proven.
    Alive(Option<Identity>),
}

/// A supervisor that was killed holds its lock until the last of its threads has ended: so long one is waited for that
/// seems to be held.
const DYING_MAX: Duration = Duration::from_millis(500);

/// Takes the lock for this process and notes who it is; none when another supervisor holds it.
pub fn take(paths: &Paths) -> io::Result<Option<SupervisorLock>> {
    let deadline = clock::now().after(DYING_MAX);
    let lock = loop {
        match FileLock::try_take(&paths.lock)? {
            Some(lock) => break lock,
            None if clock::now() >= deadline => return Ok(None),
            None => std::thread::sleep(Duration::from_millis(2)),
        }
    };
    let own = process::own();
    lock.write_note(&format!("{} {}\n", own.pid, own.started.0))?;
    Ok(Some(SupervisorLock { _lock: lock }))
}

/// Takes the lock once more where its file was taken away, for as long as this process lives.
///
/// # Errors
/// The system refuses, or another supervisor holds the lock at this moment.
pub fn take_again(paths: &Paths) -> io::Result<()> {
    match supervisor(paths)? {
        Supervisor::Alive(Some(holder)) if holder == process::own() => Ok(()),
        Supervisor::Alive(_) => Err(io::Error::other("another process holds the lock")),
        Supervisor::Nobody => {
            let lock = take(paths)?.ok_or_else(|| io::Error::other("another process took the lock"))?;
            std::mem::forget(lock);
            Ok(())
        }
    }
}

/// Whether a guardian lives.
pub fn is_guarded(paths: &Paths) -> bool {
    !matches!(lock::holder(&paths.guardian), Ok(Held::Nobody))
}

/// Who holds the lock. The kernel's own list of locks names the process; the note in the file is believed only when it
/// names a process that lives and was started when the note says.
pub fn supervisor(paths: &Paths) -> io::Result<Supervisor> {
    match lock::holder(&paths.lock)? {
        Held::Nobody => Ok(Supervisor::Nobody),
        Held::Somebody(pid) => {
            let listed = pid.and_then(process::identify);
            Ok(Supervisor::Alive(listed.or_else(|| noted(&paths.lock))))
        }
    }
}

fn noted(lock: &Path) -> Option<Identity> {
    let note = lock::read_note(lock).ok()?;
    let (pid, started) = note.trim().split_once(' ')?;
    let identity = process::identify(Pid::new(pid.parse().ok()?)?)?;
    (started.parse() == Ok(identity.started.0)).then_some(identity)
}
