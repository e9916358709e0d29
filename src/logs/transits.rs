use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::pump::StreamKey;
use crate::sys::descriptor::out_of_the_way;
use crate::sys::pipe::{self, Waiting};
use crate::sys::stash::Stash;
use crate::vocab::stream::Stream;

/// The transit pipes of streams that bring much (see [`crate::sys::source::Source::go_through`]). What a supervisor that is killed
/// leaves in one stays there, held by the stash, and the next supervisor finds it by its name. Clones are cheap.
#[derive(Debug, Clone)]
pub struct Transits {
    dir: Arc<Path>,
    stash: Stash,
    open: Arc<Mutex<BTreeMap<OsString, OwnedFd>>>,
}

impl Transits {
    /// Those in the directory `dir`, which is made when the first one is; the stash holds them. What an earlier supervisor left
    /// in some of them is kept for their streams.
    pub fn new(dir: impl Into<Arc<Path>>, stash: Stash) -> Self {
        let dir = dir.into();
        let mut open = BTreeMap::new();
        // Nothing was left where there is no directory.
        let entries = fs::read_dir(&dir).into_iter().flatten().flatten();
        for entry in entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_fifo())) {
            match pipe::open_read_write(&entry.path(), Waiting::Never).map(out_of_the_way) {
                Ok(pipe) if pipe::bytes_waiting(&pipe).is_ok_and(|bytes| bytes > 0) => {
                    open.insert(entry.file_name(), pipe);
                }
                Ok(_) | Err(_) => drop(fs::remove_file(entry.path())),
            }
        }
        Self { dir, stash, open: Arc::new(Mutex::new(open)) }
    }

    /// That of a stream, if it has one already.
    pub(super) fn existing(&self, key: &StreamKey) -> Option<OwnedFd> {
        self.open().get(&name(key))?.try_clone().ok()
    }

    /// That of a stream, made for it if it has none.
    ///
    /// # Errors
    /// The system, the disk or the stash refuses. Nothing is lost by having none.
    pub(super) fn of(&self, key: &StreamKey, capacity: usize) -> io::Result<OwnedFd> {
        let mut open = self.open();
        if let Some(pipe) = open.get(&name(key)) {
            return pipe.try_clone();
        }
        let path = self.path(key);
        fs::create_dir_all(&self.dir)?;
        pipe::make_fifo(&path)?;
        let pipe = out_of_the_way(pipe::open_read_write(&path, Waiting::Never)?);
        pipe::grow(&pipe, capacity)?;
        self.stash.put(&[pipe.as_fd()])?;
        let other = pipe.try_clone()?;
        open.insert(name(key), pipe);
        Ok(other)
    }

    /// The stream has gone, and with it whatever it could not write.
    pub(super) fn forget(&self, key: &StreamKey) {
        if self.open().remove(&name(key)).is_some() {
            let _ = fs::remove_file(self.path(key));
        }
    }

    /// Puts all of them into the stash once more, before what was in it is let go.
    ///
    /// # Errors
    /// As [`Stash::put`].
    pub fn hold_again(&self) -> io::Result<()> {
        let open = self.open();
        self.stash.put(&open.values().map(AsFd::as_fd).collect::<Vec<_>>())
    }

    fn path(&self, key: &StreamKey) -> PathBuf {
        self.dir.join(name(key))
    }

    /// Whoever panicked with the lock had changed nothing, or everything.
    fn open(&self) -> MutexGuard<'_, BTreeMap<OsString, OwnedFd>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// As its channel is called.
fn name(key: &StreamKey) -> OsString {
    let suffix = match key.stream {
        Stream::Stdout => "out",
        Stream::Stderr => "err",
    };
    format!("{}.{suffix}", key.service).into()
}
