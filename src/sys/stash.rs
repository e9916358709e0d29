use std::fmt;
use std::io::{self, IoSlice, Read};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::str::FromStr;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use nix::sys::stat::fstat;

use super::pipe;

/// Descriptors that the kernel holds open for processes that share a stash, whichever of them end, until all have: they
/// were sent from one of its two sockets to the other (SCM_RIGHTS of unix(7)), and nobody receives them. A pipe whose
/// descriptor is in here keeps what was written into it. Processes share a stash by fork, or by [`Stash::pass_on`].
#[derive(Debug)]
pub struct Stash {
    entry: UnixStream,
    rest: UnixStream,
}

/// The numbers of a stash's descriptors, as one process tells another on its command line: `ENTRY:REST`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Numbers {
    entry: RawFd,
    rest: RawFd,
}

/// What is in a stash, counted in messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Contents(usize);

/// So many descriptors go in one message (SCM_MAX_FD of the Linux kernel; macOS takes more).
const MESSAGE_MAX: usize = 253;

/// Numbers from here on are in nobody's way: those below are given to the first descriptors of a new process.
const NUMBER_FIRST: RawFd = 10;

impl Stash {
    /// An empty one, for this process and its copies.
    pub fn new() -> io::Result<Self> {
        let (entry, rest) = UnixStream::pair()?;
        let above = |socket: UnixStream| -> io::Result<UnixStream> {
            let fd = fcntl(&socket, FcntlArg::F_DUPFD_CLOEXEC(NUMBER_FIRST))?;
            // SAFETY: the number was just made by the call, and nobody else has it.
            Ok(unsafe { OwnedFd::from_raw_fd(fd) }.into())
        };
        Ok(Self { entry: above(entry)?, rest: above(rest)? })
    }

    /// The one that whoever started this process passed on; none when these are not sockets.
    pub fn inherited(numbers: Numbers) -> Option<Self> {
        let take = |number: RawFd| {
            if number < NUMBER_FIRST {
                return None;
            }
            // SAFETY: fcntl takes numbers by value; one that is no open descriptor is an error and nothing else.
            let is_open = unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) } == 0;
            // SAFETY: the descriptor is open, and only the caller of this function, once at the start of the process,
            // owns it.
            let fd = is_open.then(|| unsafe { OwnedFd::from_raw_fd(number) })?;
            let is_socket = fstat(&fd).is_ok_and(|found| found.st_mode & libc::S_IFMT == libc::S_IFSOCK);
            is_socket.then(|| UnixStream::from(fd))
        };
        Some(Self { entry: take(numbers.entry)?, rest: take(numbers.rest)? })
    }

    /// The numbers under which a program that this process becomes or starts finds the stash, if it is let through.
    pub fn numbers(&self) -> Numbers {
        Numbers { entry: self.entry.as_raw_fd(), rest: self.rest.as_raw_fd() }
    }

    /// Lets the stash through an exec of this process.
    pub fn pass_on(&self) -> io::Result<()> {
        self.set_flags(FdFlag::empty())
    }

    /// Keeps it from programs that this process becomes.
    pub fn keep_back(&self) -> io::Result<()> {
        self.set_flags(FdFlag::FD_CLOEXEC)
    }

    fn set_flags(&self, flags: FdFlag) -> io::Result<()> {
        for socket in [&self.entry, &self.rest] {
            fcntl(socket, FcntlArg::F_SETFD(flags))?;
        }
        Ok(())
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
                match sendmsg::<()>(self.entry.as_raw_fd(), &byte, &rights, MsgFlags::MSG_DONTWAIT, None) {
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
        Contents(pipe::bytes_waiting(&self.rest).unwrap_or_default())
    }

    /// Lets go of what was in when somebody looked; what came later stays.
    pub fn let_go(&self, contents: Contents) -> io::Result<()> {
        // A byte that is read without the descriptors that came with it is the end of those.
        for _ in 0..contents.0 {
            (&self.rest).read_exact(&mut [0])?;
        }
        Ok(())
    }
}

/// Lets a stash through an exec of a child that is just being made. Async-signal-safe.
pub(super) fn let_through(numbers: Numbers) {
    for number in [numbers.entry, numbers.rest] {
        // SAFETY: fcntl takes numbers by value; one that is no open descriptor is an error and nothing else.
        unsafe { libc::fcntl(number, libc::F_SETFD, 0) };
    }
}

impl fmt::Display for Numbers {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.entry, self.rest)
    }
}

impl FromStr for Numbers {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || format!("`{text}` is not ENTRY:REST");
        let (entry, rest) = text.split_once(':').ok_or_else(bad)?;
        Ok(Self { entry: entry.parse().map_err(|_| bad())?, rest: rest.parse().map_err(|_| bad())? })
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

    #[test]
    fn numbers_are_read_as_they_are_written() {
        let numbers = Stash::new().unwrap().numbers();
        assert_eq!(numbers.to_string().parse(), Ok(numbers));
        assert!("7".parse::<super::Numbers>().is_err());
    }
}
