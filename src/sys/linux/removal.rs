use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};

/// An inotify(7) instance. A rename over a file that is there makes none of these events.
#[derive(Debug)]
pub(in crate::sys) struct Watch {
    inotify: Inotify,
}

impl Watch {
    pub(in crate::sys) fn open(directories: &[&Path]) -> io::Result<Self> {
        let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)?;
        let removals = AddWatchFlags::IN_DELETE | AddWatchFlags::IN_DELETE_SELF | AddWatchFlags::IN_MOVE_SELF;
        for directory in directories {
            inotify.add_watch(*directory, removals | AddWatchFlags::IN_ONLYDIR)?;
        }
        Ok(Self { inotify })
    }
}

impl AsFd for Watch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inotify.as_fd()
    }
}
