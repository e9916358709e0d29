use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::sync::{Mutex, PoisonError};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{MsgFlags, send};
use nix::sys::stat::{SFlag, fstat};
use nix::unistd::{isatty, write};

use super::descriptor::{open_again, out_of_the_way};
use super::os;

/// How an output is written without ever waiting that others write to as well. Its open file description is theirs too, and must
/// not be made one that never waits (O_NONBLOCK of open(2)): theirs would not either.
#[derive(Debug)]
pub enum Output {
    /// By another description of the same pipe or terminal.
    Again(OwnedFd),
    /// By send(2), which is told with each call.
    Socket,
    /// A pipe that cannot be opened again: it belongs to another user, or there is no /proc.
    Pipe,
    /// A terminal that cannot be opened again.
    Terminal,
    /// Files, and what takes everything. They are written where the others are, at the offset that they share.
    Other,
}

impl Output {
    /// How this one is written.
    pub fn of(given: BorrowedFd<'_>) -> Self {
        let kind = fstat(given).map(|found| SFlag::from_bits_truncate(found.st_mode) & SFlag::S_IFMT);
        let again = |otherwise| open_again(given).map_or(otherwise, |own| Self::Again(out_of_the_way(own)));
        match kind {
            Ok(SFlag::S_IFSOCK) => Self::Socket,
            Ok(SFlag::S_IFIFO) => again(Self::Pipe),
            Ok(SFlag::S_IFCHR) if isatty(given).unwrap_or(false) => again(Self::Terminal),
            Ok(_) | Err(_) => Self::Other,
        }
    }

    /// Writes as many of these bytes as there is room for; says how many.
    ///
    /// # Errors
    /// `WouldBlock` when there is none.
    pub fn write(&self, given: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<usize> {
        loop {
            let written = match self {
                Self::Again(own) => write(own, bytes),
                Self::Socket => send(given.as_raw_fd(), bytes, MsgFlags::MSG_DONTWAIT),
                Self::Pipe => match os::rest::write_at_once(given, bytes) {
                    Err(Errno::EOPNOTSUPP | Errno::ENOSYS) => write_if_ready(given, bytes, libc::PIPE_BUF),
                    written => written,
                },
                Self::Terminal => write_if_ready(given, bytes, terminal_bytes(bytes)),
                Self::Other => write_if_ready(given, bytes, bytes.len()),
            };
            match written {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Err(Errno::EINTR) => (),
                written => return Ok(written?),
            }
        }
    }
}

/// How many of these bytes a terminal takes that says that it has room. Linux has that in steps of 256 characters then, and as
/// what comes out for a control character is a write of its own, each of these may take a step.
fn terminal_bytes(bytes: &[u8]) -> usize {
    bytes.iter().take(128).take_while(|byte| !byte.is_ascii_control()).count().max(1)
}

/// What can be written to takes so many bytes without waiting (PIPE_BUF of pipe(7)), unless another one writes in between: of
/// this process nobody does.
fn write_if_ready(fd: BorrowedFd<'_>, bytes: &[u8], bytes_max: usize) -> nix::Result<usize> {
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut fds = [PollFd::new(fd, PollFlags::POLLOUT)];
    match poll(&mut fds, PollTimeout::ZERO)? {
        0 => Err(Errno::EAGAIN),
        _ => write(fd, &bytes[..bytes.len().min(bytes_max)]),
    }
}

#[cfg(test)]
mod tests {
    use super::Output;
    use crate::sys::pipe::{self, Waiting};
    use nix::fcntl::{FcntlArg, OFlag, fcntl};
    use nix::pty::openpty;
    use std::fs::{self, File, OpenOptions};
    use std::io::{self, ErrorKind, Read, Write};
    use std::os::fd::{AsFd, OwnedFd};
    use std::os::unix::net::UnixStream;
    use std::sync::mpsc;
    use std::time::Duration;

    /// Two writers that know nothing of each other write until there is no room, again whenever a little is read, and none waits.
    fn check_that_nobody_waits(
        of: fn(&OwnedFd) -> Output,
        (output, mut other_end): (OwnedFd, impl Read + AsFd),
    ) {
        fcntl(&other_end, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).unwrap();
        let flags = || fcntl(&output, FcntlArg::F_GETFL).unwrap();
        let before = flags();
        let (done, ended) = mpsc::channel();
        let writers = [1, 397].map(|step| {
            let (given, done) = (output.try_clone().unwrap(), done.clone());
            let (go, told) = mpsc::channel();
            std::thread::spawn(move || {
                let (output, text) = (of(&given), b"a line of text\n\n".repeat(400));
                let is_full = |at: usize| {
                    let written = output.write(given.as_fd(), &text[..=at * step % 5000]);
                    written.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
                };
                while told.recv().is_ok() {
                    // Nobody hears that where the other one waits.
                    let _ = done.send((0..500).filter(|at| is_full(*at)).count());
                }
            });
            go
        });
        let mut times_full = 0;
        for _ in 0..50 {
            writers.iter().for_each(|go| go.send(()).unwrap());
            for _ in &writers {
                times_full += ended.recv_timeout(Duration::from_secs(20)).unwrap();
            }
            let _ = other_end.read(&mut [0; 3000]);
        }
        assert!(times_full > 0);
        assert_eq!(flags(), before, "others have it as it was");
    }

    fn again(given: &OwnedFd) -> Output {
        let output = Output::of(given.as_fd());
        assert!(matches!(output, Output::Again(_)), "{output:?}");
        output
    }

    fn pipe() -> (OwnedFd, File) {
        let (reader, writer) = io::pipe().unwrap();
        (writer.into(), OwnedFd::from(reader).into())
    }

    fn terminal() -> (OwnedFd, File) {
        let pty = openpty(None, None).unwrap();
        (pty.slave, pty.master.into())
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn nobody_waits_for_a_pipe_that_several_write_to() {
        check_that_nobody_waits(again, pipe());
        check_that_nobody_waits(|_| Output::Pipe, pipe());
    }

    #[test]
    fn nobody_waits_for_a_terminal_that_shows_nothing() {
        check_that_nobody_waits(again, terminal());
    }

    #[test]
    fn nobody_waits_for_a_terminal_that_cannot_be_opened_again() {
        check_that_nobody_waits(|_| Output::Terminal, terminal());
    }

    #[test]
    fn nobody_waits_for_a_socket_that_several_write_to() {
        let (reader, writer) = UnixStream::pair().unwrap();
        check_that_nobody_waits(|given| Output::of(given.as_fd()), (writer.into(), reader));
    }

    #[test]
    fn a_named_pipe_that_cannot_be_opened_again_is_asked_for_room() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("fifo");
        pipe::make_fifo(&path).unwrap();
        let mut reader = File::from(pipe::open_read_write(&path, Waiting::Never).unwrap());
        let writer = pipe::open_read_write(&path, Waiting::Allowed).unwrap();
        let write = || Output::Pipe.write(writer.as_fd(), &[b'x'; 3 * libc::PIPE_BUF]);
        let written: usize = std::iter::from_fn(|| write().ok()).sum();
        assert!(written >= libc::PIPE_BUF);
        assert_eq!(write().unwrap_err().kind(), ErrorKind::WouldBlock);
        reader.read_exact(&mut vec![0; written]).unwrap();
        assert!(write().unwrap() >= libc::PIPE_BUF);
    }

    #[test]
    fn bytes_go_into_a_file_behind_those_of_others_whether_it_is_open_for_appending_or_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out.log");
        for is_append in [false, true] {
            fs::write(&path, "before\n").unwrap();
            let mut file = OpenOptions::new().write(true).append(is_append).open(&path).unwrap();
            for round in 0..2 {
                writeln!(file, "theirs {round}").unwrap();
                let ours = format!("ours {round}\n");
                assert_eq!(
                    Output::of(file.as_fd()).write(file.as_fd(), ours.as_bytes()).unwrap(),
                    ours.len()
                );
            }
            let text = fs::read_to_string(&path).unwrap();
            let before = if is_append { "before\n" } else { "" };
            assert_eq!(text, format!("{before}theirs 0\nours 0\ntheirs 1\nours 1\n"));
        }
    }

    #[test]
    fn what_takes_everything_takes_it_at_once() {
        let null = OpenOptions::new().write(true).open("/dev/null").unwrap();
        assert_eq!(Output::of(null.as_fd()).write(null.as_fd(), &[b'x'; 100_000]).unwrap(), 100_000);
    }

    #[test]
    fn the_end_of_a_terminal_that_its_emulator_has_is_not_taken_for_another_one() {
        let (_slave, master) = terminal();
        let output = Output::of(master.as_fd());
        assert!(matches!(output, Output::Terminal | Output::Other), "{output:?}");
    }
}
