use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::{os, pipe};

/// The reading end of a pipe whose bytes go into files. On Linux they go by splice(2): at any instant a byte is in the
/// pipe or in the file, and a process that is killed between two system calls, or within one, takes none along. macOS has
/// no such call: there a byte that was read and not yet written is in the memory of this process, and lost with it.
#[derive(Debug)]
pub struct Source {
    inner: os::source::Source,
    capacity: usize,
    may_grow: bool,
    taken: u64,
}

/// What looking into pipes takes, shared by all sources of a thread; it takes nothing before the first look.
#[derive(Debug, Default)]
pub struct SidePipe {
    inner: os::source::SidePipe,
}

/// Where bytes go.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// The file.
    pub file: &'a File,
    /// Where in it the first byte goes.
    pub offset: u64,
    /// So many bytes at most.
    pub bytes_max: usize,
}

impl Source {
    /// Takes over the reading end of a pipe, which never waits.
    pub fn new(pipe: OwnedFd) -> Self {
        let capacity = pipe::capacity(&pipe).unwrap_or(pipe::SMALLEST_BYTES);
        Self { inner: os::source::Source::new(pipe), capacity, may_grow: true, taken: 0 }
    }

    /// Whether a transit is of any use on this system.
    pub const TAKES_TRANSIT: bool = os::source::TAKES_TRANSIT;

    /// From here on bytes go through this second pipe, as large as the first. While splice(2) writes into a file it holds the pipe
    /// that the bytes come from, and nobody else writes into that; from pipe to pipe they only change hands, so that the writer fills
    /// the one while the other goes into the file. What is in the second comes out first: there it outlives this process as in the
    /// first, if somebody holds it.
    pub fn go_through(&mut self, transit: OwnedFd) {
        self.inner.go_through(transit);
    }

    /// Whether a second pipe is there.
    pub fn has_transit(&self) -> bool {
        self.inner.has_transit()
    }

    /// Moves bytes into a file; says how many, at least one.
    ///
    /// # Errors
    /// `WouldBlock` when the pipe is empty; anything else is the file's. No byte is lost: what is not in the file is
    /// still to come out of here.
    pub fn move_into(&mut self, target: Target<'_>, side: &mut SidePipe) -> io::Result<usize> {
        let moved = self.inner.move_into(target, &mut side.inner)?;
        self.count(moved);
        Ok(moved)
    }

    /// What comes next, at most `bytes_max` bytes, without taking it out. There may be more.
    ///
    /// # Errors
    /// `WouldBlock` when the pipe is empty.
    pub fn look(&mut self, bytes_max: usize, side: &mut SidePipe) -> io::Result<Vec<u8>> {
        self.inner.look(bytes_max, &mut side.inner)
    }

    /// Takes so many bytes out and drops them: those of a look, which are there.
    pub fn discard(&mut self, bytes: usize) -> io::Result<()> {
        self.inner.discard(bytes)?;
        self.count(bytes);
        Ok(())
    }

    /// How many bytes have left it so far.
    pub fn taken(&self) -> u64 {
        self.taken
    }

    /// How many bytes wait.
    pub fn waiting(&self) -> usize {
        self.inner.held() + pipe::bytes_waiting(&self.inner.pipe()).unwrap_or_default()
    }

    /// How many bytes the pipe holds at most.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Whether its writer may wait for room. Of a pipe that does not tell, that is so when it has less than a page.
    pub fn may_be_full(&self) -> bool {
        let by_bytes = || self.waiting() >= self.capacity.saturating_sub(pipe::SMALLEST_BYTES);
        pipe::is_full(&self.inner.pipe()).unwrap_or_else(|_| by_bytes())
    }

    /// Asks for a pipe of four times the size, `bytes_max` at most. A system or user that has no more to give is asked
    /// once.
    pub fn grow(&mut self, bytes_max: usize) {
        let wanted = (self.capacity * 4).min(bytes_max);
        if !self.may_grow || wanted <= self.capacity {
            return;
        }
        match pipe::grow(&self.inner.pipe(), wanted) {
            Ok(capacity) => self.capacity = capacity,
            Err(_) => self.may_grow = false,
        }
    }

    fn count(&mut self, bytes: usize) {
        self.taken += u64::try_from(bytes).unwrap_or_default();
    }
}

impl AsFd for Source {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inner.pipe()
    }
}

#[cfg(test)]
mod tests {
    use super::{SidePipe, Source, Target};
    use crate::sys::pipe::{self, Waiting};
    use std::fs::{File, OpenOptions};
    use std::io::{ErrorKind, Write};
    use std::os::fd::AsFd;
    use std::path::Path;

    fn source(dir: &Path) -> (Source, File) {
        pipe::make_fifo(&dir.join("fifo")).unwrap();
        let pipe = pipe::open_read_write(&dir.join("fifo"), Waiting::Never).unwrap();
        let writer = pipe.as_fd().try_clone_to_owned().unwrap();
        (Source::new(pipe), writer.into())
    }

    fn to(file: &File, offset: u64, bytes_max: usize) -> Target<'_> {
        Target { file, offset, bytes_max }
    }

    #[test]
    fn a_look_takes_nothing_and_a_move_takes_what_it_says() {
        let dir = tempfile::tempdir().unwrap();
        let (mut source, mut writer) = source(dir.path());
        let mut side = SidePipe::default();
        let file = File::create(dir.path().join("file")).unwrap();
        assert_eq!(source.look(100, &mut side).unwrap_err().kind(), ErrorKind::WouldBlock);
        assert_eq!(source.move_into(to(&file, 0, 100), &mut side).unwrap_err().kind(), ErrorKind::WouldBlock);
        writer.write_all(b"one\ntwo\n").unwrap();
        assert_eq!(source.look(100, &mut side).unwrap(), b"one\ntwo\n");
        assert_eq!(source.look(3, &mut side).unwrap(), b"one");
        assert_eq!(source.waiting(), 8);
        assert_eq!(source.move_into(to(&file, 0, 4), &mut side).unwrap(), 4);
        assert_eq!(source.look(100, &mut side).unwrap(), b"two\n");
        assert_eq!(source.move_into(to(&file, 6, 100), &mut side).unwrap(), 4);
        assert_eq!(std::fs::read(dir.path().join("file")).unwrap(), b"one\n\0\0two\n");
        assert_eq!(source.waiting(), 0);
        writer.write_all(b"three\nfour\n").unwrap();
        source.discard(0).unwrap();
        source.discard(6).unwrap();
        assert_eq!(source.look(100, &mut side).unwrap(), b"four\n");
        assert_eq!(source.taken(), 4 + 4 + 6);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_is_in_a_second_pipe_comes_out_before_what_is_in_the_first() {
        let dir = tempfile::tempdir().unwrap();
        let (mut source, mut writer) = source(dir.path());
        let mut side = SidePipe::default();
        let file = File::create(dir.path().join("file")).unwrap();
        pipe::make_fifo(&dir.path().join("transit")).unwrap();
        let transit = pipe::open_read_write(&dir.path().join("transit"), Waiting::Never).unwrap();
        File::from(transit.try_clone().unwrap()).write_all(b"one\ntw").unwrap();
        writer.write_all(b"o\nthree\n").unwrap();
        source.go_through(transit);
        assert_eq!(source.waiting(), 14);
        assert_eq!(source.look(2, &mut side).unwrap(), b"on");
        assert_eq!(source.look(100, &mut side).unwrap(), b"one\ntwo\nthree\n");
        assert_eq!(source.move_into(to(&file, 0, 4), &mut side).unwrap(), 4);
        source.discard(3).unwrap();
        assert_eq!(source.move_into(to(&file, 4, 2), &mut side).unwrap(), 2);
        assert_eq!(source.move_into(to(&file, 6, 100), &mut side).unwrap(), 5);
        assert_eq!(source.move_into(to(&file, 6, 100), &mut side).unwrap_err().kind(), ErrorKind::WouldBlock);
        assert_eq!(std::fs::read(dir.path().join("file")).unwrap(), b"one\n\nthree\n");
        let full = File::open(dir.path()).unwrap();
        writer.write_all(b"four\n").unwrap();
        assert!(source.move_into(to(&full, 0, 100), &mut side).is_err());
        assert_eq!(source.waiting(), 5, "no byte is lost on the way");
        assert_eq!(source.look(100, &mut side).unwrap(), b"four\n");
    }

    #[test]
    fn a_file_that_refuses_splice_gets_every_byte_as_well() {
        let dir = tempfile::tempdir().unwrap();
        let (mut source, mut writer) = source(dir.path());
        let mut side = SidePipe::default();
        let file = OpenOptions::new().append(true).create(true).open(dir.path().join("file")).unwrap();
        let text = "a line\n".repeat(5000);
        writer.write_all(text.as_bytes()).unwrap();
        let mut moved = 0;
        while source.waiting() > 0 {
            moved += source.move_into(to(&file, moved, 9999), &mut side).unwrap() as u64;
        }
        assert_eq!(std::fs::read_to_string(dir.path().join("file")).unwrap(), text);
    }

    #[test]
    fn a_file_that_takes_nothing_leaves_every_byte_in_the_pipe() {
        let dir = tempfile::tempdir().unwrap();
        let (mut source, mut writer) = source(dir.path());
        let mut side = SidePipe::default();
        writer.write_all(b"one\n").unwrap();
        let file = File::open(dir.path().join("fifo").parent().unwrap()).unwrap();
        assert!(source.move_into(to(&file, 0, 100), &mut side).is_err());
        assert_eq!(source.look(100, &mut side).unwrap(), b"one\n");
    }
}
