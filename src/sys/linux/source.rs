use std::io::{self, PipeReader, PipeWriter, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;

use nix::errno::Errno;
use nix::fcntl::{SpliceFFlags, splice, tee};

use super::rest::grow_pipe;
use crate::sys::source::Target;

/// A pipe whose bytes never pass through the memory of this process.
#[derive(Debug)]
pub(in crate::sys) struct Source {
    pipe: OwnedFd,
}

/// A pipe into which tee(2) copies what is to be looked at. It is empty between two looks.
#[derive(Debug, Default)]
pub(in crate::sys) struct SidePipe(Option<(PipeReader, PipeWriter)>);

/// A look sees as many pieces of the pipe as the side pipe has room for, one for each page or less.
const SIDE_BYTES: usize = 256 * 1024;

/// How much is copied at once where splice(2) is refused.
const COPY_BYTES: usize = 64 * 1024;

impl Source {
    pub(in crate::sys) fn new(pipe: OwnedFd) -> Self {
        Self { pipe }
    }

    pub(in crate::sys) fn pipe(&self) -> BorrowedFd<'_> {
        self.pipe.as_fd()
    }

    #[expect(clippy::unused_self, reason = "on other systems a source holds bytes")]
    pub(in crate::sys) fn held(&self) -> usize {
        0
    }

    /// The kernel takes out of the pipe exactly what it has written, also when a signal or a full disk stops it midway
    /// (iter_file_splice_write in fs/splice.c).
    pub(in crate::sys) fn move_into(&mut self, target: Target<'_>, side: &mut SidePipe) -> io::Result<usize> {
        let Target { file, offset, bytes_max } = target;
        let mut at = i64::try_from(offset).map_err(io::Error::other)?;
        loop {
            match splice(&self.pipe, None, file, Some(&mut at), bytes_max, SpliceFFlags::SPLICE_F_NONBLOCK) {
                Ok(0) => return Err(io::ErrorKind::WouldBlock.into()),
                Ok(count) => return Ok(count),
                Err(Errno::EINTR) => (),
                Err(Errno::EINVAL) => return self.copy_into(target, side),
                Err(errno) => return Err(errno.into()),
            }
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
            let step = bytes.min(COPY_BYTES);
            match nix::unistd::read(&self.pipe, &mut dropped[..step]) {
                Ok(count) => bytes -= count,
                Err(Errno::EINTR) => (),
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(())
    }

    pub(in crate::sys) fn look(&mut self, bytes_max: usize, side: &mut SidePipe) -> io::Result<Vec<u8>> {
        let (reader, writer) = side.open()?;
        let count = loop {
            match tee(&self.pipe, &*writer, bytes_max, SpliceFFlags::SPLICE_F_NONBLOCK) {
                Ok(0) => return Err(io::ErrorKind::WouldBlock.into()),
                Ok(count) => break count,
                Err(Errno::EINTR) => (),
                Err(errno) => return Err(errno.into()),
            }
        };
        let mut bytes = vec![0; count];
        reader.read_exact(&mut bytes)?;
        Ok(bytes)
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
