use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use crate::sys::limits;
use crate::sys::pipe::{self, Waiting};

/// Opens the supervisor's end of a channel, making the named pipe if it is not there. It is opened for reading and
/// writing, so that it never reports an end of file, whoever comes and goes; reads never wait.
pub fn open_reader(path: &Path) -> io::Result<OwnedFd> {
    pipe::make_fifo(path)?;
    pipe::open_read_write(path, Waiting::Never)
}

/// Opens every channel that there is, and reads none. A pipe that nobody has open forgets what was written into it: this is
/// for the time in which there is no supervisor, and services may end. One that cannot be opened is done without, and a
/// quarter of the descriptors that a process may have is all that is used: the next supervisor needs as many, and more.
pub fn hold_all(directory: &Path) -> Vec<OwnedFd> {
    let files = fs::read_dir(directory).into_iter().flatten().flatten();
    let pipes = files.filter(|file| file.file_type().is_ok_and(|kind| kind.is_fifo()));
    let held = pipes.filter_map(|file| pipe::open_read_write(&file.path(), Waiting::Never).ok());
    held.take(limits::open_files() / 4).collect()
}

/// Opens a service's end of a channel. It too is opened for reading and writing: a service whose supervisor dies
/// blocks at worst when the pipe is full, and never sees EPIPE.
pub fn open_writer(path: &Path) -> io::Result<OwnedFd> {
    pipe::open_read_write(path, Waiting::Allowed)
}
