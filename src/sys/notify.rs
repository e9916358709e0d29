use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use tokio::io::Interest;
use tokio::net::UnixDatagram;

use super::os;
use crate::vocab::identity::Pid;

/// A datagram and the process that the kernel says has sent it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Who sent it. It may have ended meanwhile, and another may have its pid.
    pub sender: Pid,
    /// What it says.
    pub bytes: Vec<u8>,
}

/// A socket to which processes tell of themselves (sd_notify(3)).
#[derive(Debug)]
pub struct Ear {
    socket: UnixDatagram,
    path: PathBuf,
    inode: u64,
}

impl Ear {
    /// The one that an earlier process bound at a path, if that still leads to it. What was told meanwhile waits in it.
    pub fn inherited(socket: OwnedFd, path: &Path, inode: u64) -> Option<Self> {
        let socket = UnixDatagram::from_std(socket.into()).ok()?;
        Some(Self { socket, path: path.to_owned(), inode }).filter(Self::is_there)
    }

    /// Binds the socket in the place of whatever is there.
    ///
    /// # Errors
    /// The system refuses. macOS does so always: it does not tell who sent a datagram (LOCAL_PEERCRED is for streams).
    pub fn open(path: &Path) -> io::Result<Self> {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => (),
        }
        let socket = std::os::unix::net::UnixDatagram::bind(path)?;
        os::notify::ask_for_senders(&socket)?;
        socket.set_nonblocking(true)?;
        let inode = std::fs::metadata(path)?.ino();
        Ok(Self { socket: UnixDatagram::from_std(socket)?, path: path.to_owned(), inode })
    }

    /// The socket, to be left to the next process, and the inode of its path, by which that one knows it again.
    pub fn estate(&self) -> (BorrowedFd<'_>, u64) {
        (self.socket.as_fd(), self.inode)
    }

    /// Whether its path still leads to it.
    pub fn is_there(&self) -> bool {
        std::fs::metadata(&self.path).is_ok_and(|found| found.ino() == self.inode)
    }

    /// What waits to be heard, without waiting for more. Who can send as fast as this hears is not heard to the end.
    pub fn waiting(&self) -> impl Iterator<Item = Notice> {
        /// More than wait in a socket: net.unix.max_dgram_qlen, unix(7).
        const HEARD_MAX: usize = 1024;
        (0..HEARD_MAX).map_while(|_| os::notify::receive(&self.socket).ok()).flatten()
    }

    /// Waits for the next datagram. One that is too long, has descriptors with it, or comes from nobody is passed over.
    ///
    /// # Errors
    /// The socket is broken.
    pub async fn next(&self) -> io::Result<Notice> {
        loop {
            self.socket.readable().await?;
            match self.socket.try_io(Interest::READABLE, || os::notify::receive(&self.socket)) {
                Ok(Some(notice)) => return Ok(notice),
                Ok(None) => (),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => (),
                Err(error) => return Err(error),
            }
        }
    }
}
