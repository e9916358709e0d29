use std::io::{self, PipeReader, PipeWriter, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;

use nix::errno::Errno;
use nix::fcntl::{SpliceFFlags, splice, tee};

use super::rest::grow_pipe;
use crate::sys::pipe::bytes_waiting;
use crate::sys::source::Target;

/// A pipe whose bytes never pass through the memory of this process.
#[derive(Debug)]
pub(in crate::sys) struct Source {
    pipe: OwnedFd,
    transit: Option<Transit>,
}

/// A pipe between that one and the file.
#[derive(Debug)]
struct Transit {
    pipe: OwnedFd,
    /// How many bytes are in it: some that the file did not take, or that an earlier process left.
    held: usize,
}

/// A pipe into which tee(2) copies what is to be looked at. It is empty between two looks.
#[derive(Debug, Default)]
pub(in crate::sys) struct SidePipe(Option<(PipeReader, PipeWriter)>);

const NONBLOCK: SpliceFFlags = SpliceFFlags::SPLICE_F_NONBLOCK;

/// A look sees as many pieces of the pipe as the side pipe has room for, one for each page or less.
const SIDE_BYTES: usize = 256 * 1024;

pub(in crate::sys) const TAKES_TRANSIT: bool = true;

/// How much is copied at once where splice(2) is refused.
const COPY_BYTES: usize = 64 * 1024;

impl Source {
    pub(in crate::sys) fn new(pipe: OwnedFd) -> Self {
        Self { pipe, transit: None }
    }

    pub(in crate::sys) fn pipe(&self) -> BorrowedFd<'_> {
        self.pipe.as_fd()
    }

    pub(in crate::sys) fn go_through(&mut self, pipe: OwnedFd) {
        let held = bytes_waiting(&pipe).unwrap_or_default();
        self.transit = Some(Transit { pipe, held });
    }

    pub(in crate::sys) fn has_transit(&self) -> bool {
        self.transit.is_some()
    }

    pub(in crate::sys) fn held(&self) -> usize {
        self.transit.as_ref().map_or(0, |transit| transit.held)
    }

    /// The kernel takes out of the pipe exactly what it has written, also when a signal or a full disk stops it midway
    /// (iter_file_splice_write in fs/splice.c).
    pub(in crate::sys) fn move_into(&mut self, target: Target<'_>, side: &mut SidePipe) -> io::Result<usize> {
        let Target { file, offset, bytes_max } = target;
        let mut at = i64::try_from(offset).map_err(io::Error::other)?;
        let moved = match &mut self.transit {
            None => splice_some(|| splice(&self.pipe, None, file, Some(&mut at), bytes_max, NONBLOCK)),
            Some(Transit { pipe, held }) => {
                if *held == 0 {
                    *held = splice_some(|| splice(&self.pipe, None, &*pipe, None, bytes_max, NONBLOCK))?;
                }
                let bytes_max = bytes_max.min(*held);
                let moved = splice_some(|| splice(&*pipe, None, file, Some(&mut at), bytes_max, NONBLOCK));
                *held -= moved.as_ref().copied().unwrap_or_default();
                moved
            }
        };
        match moved {
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => self.copy_into(target, side),
            moved => moved,
        }
    }

    /// For file systems without splice(2), and files with O_APPEND. Bytes leave the pipe after they were written: a
    /// process that is killed in between has them written twice, and loses none.
    fn copy_into(&mut self, target: Target<'_>, side: &mut SidePipe) -> io::Result<usize> {
        let bytes = self.look(target.bytes_max.min(COPY_BYTES), side)?;
        let written = target.file.write_at(&bytes, target.offset)?;
        self.discard(written)?;
        if written == 0 { Err(io::ErrorKind::WriteZero.into()) } else { Ok(written) }
    }

    pub(in crate::sys) fn discard(&mut self, mut bytes: usize) -> io::Result<()> {
        let mut dropped = vec![0; bytes.min(COPY_BYTES)];
        while bytes > 0 {
            let (pipe, held) = match &mut self.transit {
                Some(Transit { pipe, held }) if *held > 0 => (&*pipe, Some(held)),
                Some(_) | None => (&self.pipe, None),
            };
            let step = bytes.min(COPY_BYTES).min(held.as_ref().map_or(usize::MAX, |held| **held));
            match nix::unistd::read(pipe, &mut dropped[..step]) {
                // Nobody has it open for writing, and it is empty.
                Ok(0) => return Err(io::ErrorKind::WouldBlock.into()),
                Ok(count) => {
                    bytes -= count;
                    held.into_iter().for_each(|held| *held -= count);
                }
                Err(Errno::EINTR) => (),
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(())
    }

    pub(in crate::sys) fn look(&mut self, bytes_max: usize, side: &mut SidePipe) -> io::Result<Vec<u8>> {
        let (reader, writer) = side.open()?;
        let mut copied = 0;
        let pipes = self.transit.iter().filter(|transit| transit.held > 0).map(|transit| &transit.pipe);
        for pipe in pipes.chain([&self.pipe]) {
            if copied < bytes_max {
                match splice_some(|| tee(pipe, &*writer, bytes_max - copied, NONBLOCK)) {
                    Ok(count) => copied += count,
                    Err(_) if copied > 0 => break,
                    Err(error) => return Err(error),
                }
            }
        }
        let mut bytes = vec![0; copied];
        reader.read_exact(&mut bytes)?;
        Ok(bytes)
    }
}

/// Calls until no signal interrupts; nothing to move is an error of its own.
fn splice_some(mut call: impl FnMut() -> nix::Result<usize>) -> io::Result<usize> {
    loop {
        match call() {
            Ok(0) => return Err(io::ErrorKind::WouldBlock.into()),
            Ok(count) => return Ok(count),
            Err(Errno::EINTR) => (),
            Err(errno) => return Err(errno.into()),
        }
    }
}

impl SidePipe {
    fn open(&mut self) -> io::Result<&mut (PipeReader, PipeWriter)> {
        if self.0.is_none() {
            let pipe = io::pipe()?;
            // With a smaller one a look sees less.
            let _ = grow_pipe(pipe.1.as_fd(), SIDE_BYTES);
            self.0 = Some(pipe);
        }
        self.0.as_mut().ok_or_else(|| io::Error::other("the side pipe was just made"))
    }
}
