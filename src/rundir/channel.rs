use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use crate::sys::descriptor::out_of_the_way;
use crate::sys::pipe::{self, Waiting};

/// Opens the supervisor's end of a channel, making the named pipe if it is not there. It is opened for reading and
/// writing, so that it never reports an end of file, whoever comes and goes; reads never wait.
pub fn open_reader(path: &Path) -> io::Result<OwnedFd> {
    pipe::make_fifo(path)?;
    Ok(out_of_the_way(pipe::open_read_write(path, Waiting::Never)?))
}

/// Opens a service's end of a channel. It too is opened for reading and writing: a service whose supervisor dies
/// blocks at worst when the pipe is full, and never sees EPIPE.
pub fn open_writer(path: &Path) -> io::Result<OwnedFd> {
    pipe::open_read_write(path, Waiting::Allowed)
}
