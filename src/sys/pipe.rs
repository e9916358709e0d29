use std::fs::{self, OpenOptions};
use std::io::{self, PipeReader, Read};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use super::descriptor::open_again;
use super::{clock, os};
use crate::vocab::identity::Pid;

/// Whether reads and writes may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waiting {
    /// They wait for bytes, or for room.
    Allowed,
    /// They say EAGAIN.
    Never,
}

/// What every pipe holds at least (PIPE_BUF is no more than that on any system).
pub const SMALLEST_BYTES: usize = 4096;

/// Makes a named pipe (mode 0600), or leaves the one that is there.
///
/// # Errors
/// Something else is there, or the system refuses.
pub fn make_fifo(path: &Path) -> io::Result<()> {
    match mkfifo(path, Mode::S_IRUSR | Mode::S_IWUSR) {
        Ok(()) => Ok(()),
        Err(Errno::EEXIST) if fs::symlink_metadata(path)?.file_type().is_fifo() => Ok(()),
        Err(Errno::EEXIST) => Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            format!("{} is not a named pipe; remove it", path.display()),
        )),
        Err(errno) => Err(errno.into()),
    }
}

/// Opens a named pipe for reading and writing, so that there is a reader and a writer as long as this descriptor lives:
/// no end of file, no EPIPE. POSIX leaves this undefined; Linux (fifo(7)) and macOS do it.
pub fn open_read_write(path: &Path, waiting: Waiting) -> io::Result<OwnedFd> {
    let flags = match waiting {
        Waiting::Allowed => libc::O_NOFOLLOW,
        Waiting::Never => libc::O_NOFOLLOW | libc::O_NONBLOCK,
    };
    let file = OpenOptions::new().read(true).write(true).custom_flags(flags).open(path)?;
    Ok(file.into())
}

/// Opens the reading end of a named pipe; reads never wait. What is in it stays in it as long as somebody has
/// it open, at whichever end.
pub fn open_for_reading(path: &Path) -> io::Result<OwnedFd> {
    open_reading_end(path, libc::O_NOFOLLOW)
}

fn open_reading_end(path: &Path, flags: libc::c_int) -> io::Result<OwnedFd> {
    let mut options = OpenOptions::new();
    options.read(true).write(os::rest::READS_AS_WRITER).custom_flags(flags | libc::O_NONBLOCK);
    Ok(options.open(path)?.into())
}

/// Opens the named pipe that a descriptor of a process leads to, if that pipe was at `path` and was removed from there; none
/// where it was not, or where descriptors of others cannot be opened (macOS).
pub fn open_removed(pid: Pid, descriptor: i32, path: &Path) -> Option<OwnedFd> {
    let link = os::process::descriptor(pid, descriptor)?;
    let removed = format!("{} (deleted)", path.display());
    fs::read_link(&link).ok().filter(|target| *target == Path::new(&removed))?;
    let is_pipe = fs::metadata(&link).is_ok_and(|found| found.file_type().is_fifo());
    is_pipe.then(|| open_reading_end(&link, 0))?.ok()
}

/// From here on this process gets SIGIO when something can be read from this pipe, or its other end is closed (fcntl(2),
/// O_ASYNC), and reads never wait.
pub fn announce(pipe: &impl AsRawFd) -> io::Result<()> {
    let (fd, own) = (pipe.as_raw_fd(), nix::unistd::getpid().as_raw());
    // SAFETY: the descriptor is open for both calls, which take numbers by value.
    let done = unsafe {
        if libc::fcntl(fd, libc::F_SETOWN, own) == -1 {
            -1
        } else {
            libc::fcntl(fd, libc::F_SETFL, libc::O_ASYNC | libc::O_NONBLOCK)
        }
    };
    Ok(Errno::result(done).map(drop)?)
}

/// Asks for a larger pipe; says how large it is. macOS grows pipes by itself and has no such call.
pub fn grow(pipe: &impl AsFd, bytes: usize) -> io::Result<usize> {
    os::rest::grow_pipe(pipe.as_fd(), bytes)
}

/// How many bytes a pipe holds at most.
pub fn capacity(pipe: &impl AsFd) -> io::Result<usize> {
    os::rest::pipe_capacity(pipe.as_fd())
}

/// How many bytes wait in a pipe (FIONREAD, ioctl_pipe(2)).
pub fn bytes_waiting(pipe: &impl AsFd) -> io::Result<usize> {
    let mut count: libc::c_int = 0;
    // SAFETY: the descriptor is open for the whole call, and the kernel writes one int.
    let done = unsafe { libc::ioctl(pipe.as_fd().as_raw_fd(), libc::FIONREAD, &raw mut count) };
    Errno::result(done)?;
    Ok(usize::try_from(count).unwrap_or_default())
}

/// Whether the writers of a pipe wait for room. It may have some for few bytes: each write(2) can begin a page.
///
/// # Errors
/// The system does not say that to a reader (macOS), or not without /proc.
pub fn is_full(pipe: &impl AsFd) -> io::Result<bool> {
    let writer = open_again(pipe.as_fd())?;
    let mut fds = [PollFd::new(writer.as_fd(), PollFlags::POLLOUT)];
    Ok(poll(&mut fds, PollTimeout::ZERO)? == 0)
}

/// All that comes out of a pipe until its last writer closes it; none when that takes longer than `limit`.
pub fn read_to_end_within(pipe: &mut PipeReader, limit: Duration) -> io::Result<Option<Vec<u8>>> {
    let deadline = clock::now().after(limit);
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let rest = deadline.since(clock::now());
        let timeout = PollTimeout::try_from(rest).unwrap_or(PollTimeout::MAX);
        let mut fds = [PollFd::new(pipe.as_fd(), PollFlags::POLLIN)];
        match poll(&mut fds, timeout) {
            Ok(0) => return Ok(None),
            Ok(_) => (),
            Err(nix::errno::Errno::EINTR) => continue,
            Err(errno) => return Err(errno.into()),
        }
        match pipe.read(&mut buffer)? {
            0 => return Ok(Some(bytes)),
            count => bytes.extend_from_slice(&buffer[..count]),
        }
    }
}
