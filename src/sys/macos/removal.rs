use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::path::Path;

use nix::sys::event::{EvFlags, EventFilter, FilterFlag, KEvent, Kqueue};

/// A kqueue(2) on some directories, which it keeps open.
#[derive(Debug)]
pub(in crate::sys) struct Watch {
    queue: Kqueue,
    _directories: Vec<File>,
}

impl Watch {
    pub(in crate::sys) fn open(directories: &[&Path]) -> io::Result<Self> {
        let queue = Kqueue::new()?;
        let directories = directories.iter().map(File::open).collect::<io::Result<Vec<File>>>()?;
        let flags = EvFlags::EV_ADD | EvFlags::EV_ENABLE;
        let removals = FilterFlag::NOTE_DELETE | FilterFlag::NOTE_RENAME;
        for directory in &directories {
            let ident = usize::try_from(directory.as_raw_fd()).unwrap_or_default();
            let change = KEvent::new(ident, EventFilter::EVFILT_VNODE, flags, removals, 0, 0);
            queue.kevent(&[change], &mut [], None)?;
        }
        Ok(Self { queue, _directories: directories })
    }
}

impl AsFd for Watch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.queue.as_fd()
    }
}
