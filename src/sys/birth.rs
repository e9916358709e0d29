use std::ffi::{CString, c_char};
use std::fs::File;
use std::io::{self, PipeReader, Read};
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

#[cfg(target_os = "macos")]
use libc::execve as execute;
#[cfg(target_os = "linux")]
use libc::execvpe as execute;
use nix::errno::Errno;
use nix::sys::signal::{SigSet, SigmaskHow, sigprocmask};
use nix::sys::wait::waitpid;

use super::cgroup::Cgroup;
use super::os;
use super::spawn::{Launch, prepare};

/// Why no process could be put into a cgroup; it can be made outside of one.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct NotConfined(io::Error);

/// Makes a process in a cgroup, which is made as well: it is never anywhere else, nor is what it forks. Returns its pid, or
/// why it could not become the program.
///
/// # Errors
/// The cgroup cannot be had; nothing was made then.
pub(super) fn spawn_in(cgroup: &Cgroup, launch: &Launch<'_>) -> Result<io::Result<i32>, NotConfined> {
    let directory = cgroup.make().map_err(NotConfined)?;
    let born = born_in(&directory, launch);
    if !matches!(born, Ok(Ok(_))) {
        // What ended in it has just been reaped.
        let _ = cgroup.remove();
    }
    born
}

fn born_in(cgroup: &File, launch: &Launch<'_>) -> Result<io::Result<i32>, NotConfined> {
    // The process inherits descriptors and error pipe, so everything is made before it is.
    let made = Image::of(launch).and_then(|image| Ok((image, File::open("/dev/null")?, io::pipe()?)));
    let (image, null, (read, write)) = match made {
        Ok(made) => made,
        Err(error) => return Ok(Err(error)),
    };
    let descriptors = [null.as_raw_fd(), launch.stdout.as_raw_fd(), launch.stderr.as_raw_fd()];
    assert!(descriptors.iter().all(|fd| *fd > 2), "the standard descriptors of this process are open");
    // SAFETY: the new process does nothing but `become_program`, which makes plain system calls on what lies ready, and
    // ends; it neither allocates nor unwinds.
    match unsafe { os::cgroup::fork_into(cgroup.as_fd()) } {
        Ok(0) => {
            let why = become_program(&image, descriptors, launch);
            let errno = why.raw_os_error().unwrap_or(libc::EINVAL).to_ne_bytes();
            // SAFETY: the buffer lives, and _exit ends this process, which is a copy, without running anything of it.
            unsafe {
                libc::write(write.as_raw_fd(), errno.as_ptr().cast(), errno.len());
                libc::_exit(127)
            }
        }
        Ok(pid) => {
            drop(write);
            Ok(word_of(read, pid))
        }
        Err(error) => match error.raw_os_error().map(Errno::from_raw) {
            Some(Errno::EAGAIN | Errno::ENOMEM) => Ok(Err(error)),
            Some(_) | None => Err(NotConfined(error)),
        },
    }
}

/// The pipe ends without a word when the process has become the program.
fn word_of(mut read: PipeReader, pid: i32) -> io::Result<i32> {
    let mut errno = [0; size_of::<i32>()];
    match read.read_exact(&mut errno) {
        Err(_) => Ok(pid),
        Ok(()) => {
            let _ = waitpid(nix::unistd::Pid::from_raw(pid), None);
            Err(io::Error::from_raw_os_error(i32::from_ne_bytes(errno)))
        }
    }
}

/// A program as execve(2) wants it.
struct Image {
    program: CString,
    directory: CString,
    arguments: Pointers,
    environment: Pointers,
}

/// Texts, and the array of pointers to them that ends with a null.
struct Pointers {
    _texts: Vec<CString>,
    pointers: Vec<*const c_char>,
}

impl Image {
    fn of(launch: &Launch<'_>) -> io::Result<Self> {
        let arguments = launch.arguments.iter().map(String::as_str);
        let environment = launch.environment.iter().map(|(name, value)| format!("{name}={value}"));
        Ok(Self {
            program: of_path(launch.program)?,
            directory: of_path(launch.directory)?,
            arguments: Pointers::to(std::iter::once(launch.argument_zero).chain(arguments))?,
            environment: Pointers::to(environment)?,
        })
    }
}

impl Pointers {
    fn to<T: Into<Vec<u8>>>(texts: impl Iterator<Item = T>) -> io::Result<Self> {
        let texts = texts.map(CString::new).collect::<Result<Vec<CString>, _>>()?;
        let pointers = texts.iter().map(|text| text.as_ptr()).chain([std::ptr::null()]).collect();
        Ok(Self { _texts: texts, pointers })
    }
}

fn of_path(path: &Path) -> io::Result<CString> {
    Ok(CString::new(path.as_os_str().as_bytes())?)
}

/// Runs in the new process, and returns only if it cannot become the program. Everything here is async-signal-safe: plain
/// system calls, no allocation.
fn become_program(image: &Image, descriptors: [RawFd; 3], launch: &Launch<'_>) -> io::Error {
    let ready = (|| {
        for (fd, target) in descriptors.into_iter().zip(0..) {
            // SAFETY: both are numbers of descriptors of this process, passed by value.
            Errno::result(unsafe { libc::dup2(fd, target) })?;
        }
        // SAFETY: the text lives, and ends with a null.
        Errno::result(unsafe { libc::chdir(image.directory.as_ptr()) })?;
        sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None)?;
        prepare(launch.umask, launch.nice, launch.credentials.as_ref())
    })();
    if let Err(error) = ready {
        return error;
    }
    let (arguments, environment) = (&image.arguments.pointers, &image.environment.pointers);
    // SAFETY: the texts live, and both arrays end with a null. A file that is no program of the kernel's is run by the
    // shell, as everywhere (execvp(3)); its name holds a slash, so no search is made.
    unsafe { execute(image.program.as_ptr(), arguments.as_ptr(), environment.as_ptr()) };
    io::Error::last_os_error()
}
