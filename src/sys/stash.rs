use std::io::{self, IoSlice, Read};
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use nix::errno::Errno;
use nix::sys::socket::{ControlMessage, MsgFlags, SockType, sendmsg};

use super::pair::Pair;
use super::pipe;

/// Descriptors that the kernel holds open for processes that share a stash, whichever of them end, until all have: they
/// were sent into a pair of sockets, and nobody receives them. A pipe whose descriptor is in here keeps what was written into
/// it. Clones are the same stash.
#[derive(Debug, Clone)]
pub struct Stash {
    pub(super) pair: Arc<Pair>,
}

/// What is in a stash, counted in messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Contents(usize);

/// So many descriptors go in one message (SCM_MAX_FD of the Linux kernel; macOS takes more).
const MESSAGE_MAX: usize = 253;

impl Stash {
    /// An empty one.
    pub fn new() -> io::Result<Self> {
        Pair::new(SockType::Stream).map(|pair| Self { pair: Arc::new(pair) })
    }

    /// Puts descriptors in. From here on they are held open.
    ///
    /// # Errors
    /// There is no room, or too many descriptors are on their way between processes (ETOOMANYREFS of unix(7)). Some of
    /// them may be in.
    pub fn put(&self, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
        for some in descriptors.chunks(MESSAGE_MAX) {
            let numbers: Vec<RawFd> = some.iter().map(AsRawFd::as_raw_fd).collect();
            let rights = [ControlMessage::ScmRights(&numbers)];
            let byte = [IoSlice::new(&[0])];
            loop {
                match sendmsg::<()>(self.pair.entry.as_raw_fd(), &byte, &rights, MsgFlags::MSG_DONTWAIT, None)
                {
                    Ok(_) => break,
                    Err(Errno::EINTR) => (),
                    Err(errno) => return Err(errno.into()),
                }
            }
        }
        Ok(())
    }

    /// All that is in.
    pub fn contents(&self) -> Contents {
        Contents(pipe::bytes_waiting(&self.pair.exit).unwrap_or_default())
    }

    /// Lets go of what was in when somebody looked; what came later stays.
    pub fn let_go(&self, contents: Contents) -> io::Result<()> {
        let mut exit = UnixStream::from(self.pair.exit.try_clone()?);
        // A byte that is read without the descriptors that came with it is the end of those.
        for _ in 0..contents.0 {
            exit.read_exact(&mut [0])?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{MESSAGE_MAX, Stash};
    use crate::sys::pipe::{self, Waiting};
    use std::io::{Read, Write};
    use std::os::fd::AsFd;

    #[test]
    fn a_pipe_in_a_stash_keeps_its_bytes_when_nobody_has_it_open() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("fifo");
        pipe::make_fifo(&path).unwrap();
        let stash = Stash::new().unwrap();
        let write = |text: &str| {
            let mut writer = std::fs::File::from(pipe::open_read_write(&path, Waiting::Never).unwrap());
            writer.write_all(text.as_bytes()).unwrap();
            writer
        };
        stash.put(&[write("kept").as_fd()]).unwrap();
        let mut found = [0; 4];
        let mut reader = std::fs::File::from(pipe::open_read_write(&path, Waiting::Never).unwrap());
        reader.read_exact(&mut found).unwrap();
        assert_eq!(&found, b"kept");
        drop(reader);
        let before = stash.contents();
        stash.put(&[write("again").as_fd()]).unwrap();
        stash.let_go(before).unwrap();
        let waiting = || pipe::bytes_waiting(&pipe::open_read_write(&path, Waiting::Never).unwrap()).unwrap();
        assert_eq!(waiting(), 5);
        stash.let_go(stash.contents()).unwrap();
        assert_eq!(waiting(), 0, "what nobody holds is forgotten");
    }

    #[test]
    fn thousands_of_descriptors_fit_twice() {
        let stash = Stash::new().unwrap();
        let (reader, _writer) = std::io::pipe().unwrap();
        let many = vec![reader.as_fd(); 4 * MESSAGE_MAX + 1];
        for _ in 0..10 {
            let before = stash.contents();
            stash.put(&many).unwrap();
            stash.let_go(before).unwrap();
            assert_eq!(stash.contents().0, 5);
        }
    }
}
