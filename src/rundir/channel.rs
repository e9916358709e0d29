use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use crate::sys::limits;
use crate::sys::pipe::{self, Waiting};
use crate::vocab::identity::Pid;

/// How large a named pipe should be, in bytes: what an unprivileged process may have at most on Linux
/// (`/proc/sys/fs/pipe-max-size`). The kernel takes the memory only as bytes arrive.
const CAPACITY: usize = 1 << 20;

/// Opens the supervisor's end of a channel, making the named pipe if it is not there. It is opened for reading and
/// writing, so that it never reports an end of file, whoever comes and goes; reads never wait.
pub fn open_reader(path: &Path) -> io::Result<OwnedFd> {
    pipe::make_fifo(path)?;
    let reader = pipe::open_read_write(path, Waiting::Never)?;
    // A smaller pipe works as well, only slower: the user's share of pipe memory may be used up.
    let _ = pipe::grow(&reader, CAPACITY);
    Ok(reader)
}

/// Opens the supervisor's end of a channel that was removed while a process writes into it: its standard output (1) or
/// standard error (2) still leads to the pipe. A new pipe that stands in its place, empty, is removed; the next run gets its
/// own.
pub fn open_removed(path: &Path, pid: Pid, descriptor: i32) -> Option<OwnedFd> {
    let reader = pipe::open_removed(pid, descriptor, path)?;
    let _ = pipe::grow(&reader, CAPACITY);
    let _ = fs::remove_file(path);
    Some(reader)
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
