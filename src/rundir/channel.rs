use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use crate::sys::descriptor::out_of_the_way;
use crate::sys::pipe::{self, Waiting};
use crate::vocab::identity::Pid;

/// Opens the supervisor's end of a channel, making the named pipe if it is not there. Reads never
/// wait, nor report an end, whoever comes and goes.
pub fn open_reader(path: &Path) -> io::Result<OwnedFd> {
    pipe::make_fifo(path)?;
    Ok(out_of_the_way(pipe::open_for_reading(path)?))
}

/// Opens the supervisor's end of a channel that was removed while a process writes into it: its standard output (1) or
/// standard error (2) still leads to the pipe. A new pipe that stands in its place, empty, is removed; the next run gets its
/// own.
pub fn open_removed(path: &Path, pid: Pid, descriptor: i32) -> Option<OwnedFd> {
    let reader = out_of_the_way(pipe::open_removed(pid, descriptor, path)?);
    let _ = fs::remove_file(path);
    Some(reader)
}

/// Opens a service's end of a channel. It too is opened for reading and writing: a service whose supervisor dies
/// blocks at worst when the pipe is full, and never sees EPIPE.
pub fn open_writer(path: &Path) -> io::Result<OwnedFd> {
    pipe::open_read_write(path, Waiting::Allowed)
}

/// Opens a service's standard input, making the named pipe if it is not there. It is opened for reading and writing, so
/// that it is never at its end, whoever comes and goes.
pub fn open_input(path: &Path) -> io::Result<OwnedFd> {
    pipe::make_fifo(path)?;
    pipe::open_read_write(path, Waiting::Allowed)
}
