use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;

use nix::errno::Errno;

use crate::sys::source::Target;

/// A pipe, and what was read from it and not yet written.
#[derive(Debug)]
pub(in crate::sys) struct Source {
    pipe: OwnedFd,
    held: Vec<u8>,
}

/// Nothing is needed here: what is looked at is held.
#[derive(Debug, Default)]
pub(in crate::sys) struct SidePipe;

/// Bytes are copied out of the pipe before they are written.
pub(in crate::sys) const TAKES_TRANSIT: bool = false;

/// As much as a pipe holds (bsd/kern/sys_pipe.c).
const READ_BYTES: usize = 64 * 1024;

impl Source {
    pub(in crate::sys) fn new(pipe: OwnedFd) -> Self {
        Self { pipe, held: Vec::new() }
    }

    pub(in crate::sys) fn pipe(&self) -> BorrowedFd<'_> {
        self.pipe.as_fd()
    }

    pub(in crate::sys) fn held(&self) -> usize {
        self.held.len()
    }

    #[expect(clippy::unused_self, reason = "on other systems a source has a second pipe")]
    pub(in crate::sys) fn go_through(&mut self, _transit: OwnedFd) {}

    #[expect(clippy::unused_self, reason = "on other systems a source has a second pipe")]
    pub(in crate::sys) fn has_transit(&self) -> bool {
        false
    }

    pub(in crate::sys) fn move_into(
        &mut self,
        target: Target<'_>,
        _side: &mut SidePipe,
    ) -> io::Result<usize> {
        let Target { file, offset, bytes_max } = target;
        self.fill(1)?;
        let written = file.write_at(&self.held[..bytes_max.min(self.held.len())], offset)?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.discard(written)?;
        Ok(written)
    }

    /// What was looked at is held.
    pub(in crate::sys) fn discard(&mut self, bytes: usize) -> io::Result<()> {
        self.held.drain(..bytes.min(self.held.len()));
        if self.held.is_empty() {
            self.held = Vec::new();
        }
        Ok(())
    }

    pub(in crate::sys) fn look(&mut self, bytes_max: usize, _side: &mut SidePipe) -> io::Result<Vec<u8>> {
        self.fill(bytes_max)?;
        Ok(self.held[..bytes_max.min(self.held.len())].to_vec())
    }

    /// Reads what there is while less than that is held.
    fn fill(&mut self, wanted: usize) -> io::Result<()> {
        if !self.held.is_empty() && self.held.len() >= wanted.min(READ_BYTES) {
            return Ok(());
        }
        let mut buffer = vec![0; READ_BYTES - self.held.len()];
        loop {
            match nix::unistd::read(&self.pipe, &mut buffer) {
                Ok(0) | Err(Errno::EAGAIN) if !self.held.is_empty() => return Ok(()),
                Ok(0) => return Err(io::ErrorKind::WouldBlock.into()),
                Ok(count) => {
                    self.held.extend_from_slice(&buffer[..count]);
                    return Ok(());
                }
                Err(Errno::EINTR) => (),
                Err(errno) => return Err(errno.into()),
            }
        }
    }
}
