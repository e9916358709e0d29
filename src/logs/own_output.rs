use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use crate::sys::output::Output;
use crate::vocab::stream::Stream;

/// The supervisor's own output, which takes lines piece by piece.
#[derive(Debug)]
pub(super) struct OwnOutput {
    stream: Stream,
    /// How it is written, once it is.
    output: Option<Output>,
    /// So many bytes of the line that comes next are written.
    written: usize,
    /// The rest of the line that was written last was lost, its end with it.
    is_cut: bool,
}

impl OwnOutput {
    pub(super) fn new(stream: Stream) -> Self {
        Self { stream, output: None, written: 0, is_cut: false }
    }

    /// Writes what is left of a line, as far as there is room for it at once.
    ///
    /// # Errors
    /// `WouldBlock` when there is no room for all of it; the next call goes on behind what is written.
    pub(super) fn send(&mut self, line: &[u8]) -> io::Result<()> {
        match self.stream {
            Stream::Stdout => self.print(io::stdout().as_fd(), line),
            Stream::Stderr => self.print(io::stderr().as_fd(), line),
        }
    }

    /// The rest of the line that it has taken a part of does not come.
    pub(super) fn give_up(&mut self) {
        self.is_cut |= std::mem::take(&mut self.written) > 0;
    }

    /// The next line finds it afresh.
    pub(super) fn let_go(&mut self) {
        self.output = None;
    }

    fn print(&mut self, given: BorrowedFd<'_>, line: &[u8]) -> io::Result<()> {
        let before: &[u8] = if self.is_cut { b"\n" } else { b"" };
        let text = [before, line, b"\n"].concat();
        let output = self.output.get_or_insert_with(|| Output::of(given));
        while self.written < text.len() {
            self.written += output.write(given, &text[self.written..])?;
        }
        (self.written, self.is_cut) = (0, false);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::OwnOutput;
    use crate::vocab::stream::Stream;
    use nix::fcntl::{FcntlArg, OFlag, fcntl};
    use std::io::{self, ErrorKind, PipeWriter, Read, Write};
    use std::os::fd::AsFd;

    fn is_full(sent: &io::Result<()>) -> bool {
        sent.as_ref().is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    }

    #[test]
    fn a_long_line_that_finds_no_room_goes_on_where_it_stopped_and_one_that_is_given_up_is_ended() {
        let (mut reader, writer) = io::pipe().unwrap();
        let filled = fill(&writer);
        let mut read = |bytes: usize| {
            let mut text = vec![0; bytes];
            reader.read_exact(&mut text).unwrap();
            text
        };
        let full = read(8192).len();
        let mut output = OwnOutput::new(Stream::Stdout);
        let long = vec![b'x'; 20_000];
        assert!(is_full(&output.print(writer.as_fd(), &long)));
        assert_eq!(output.written, full);
        // What filled it goes out first.
        read(filled - full);
        output.print(writer.as_fd(), &long).unwrap();
        assert_eq!(read(20_001), [long.as_slice(), b"\n"].concat());

        let filled = fill(&writer);
        read(4096);
        assert!(is_full(&output.print(writer.as_fd(), &long)));
        output.give_up();
        output.give_up();
        read(filled - 4096);
        output.print(writer.as_fd(), b"next").unwrap();
        output.print(writer.as_fd(), b"one more").unwrap();
        assert_eq!(read(4096 + 15), [&long[..4096], b"\nnext\none more\n"].concat());
    }

    /// Writes until there is no room; says how much it was.
    fn fill(mut pipe: &PipeWriter) -> usize {
        fcntl(pipe, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).unwrap();
        std::iter::from_fn(|| pipe.write(&[b'.'; 4096]).ok()).sum()
    }
}
