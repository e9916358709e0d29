use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::stat::Mode;

use super::place::Place;
use super::procman::succeed;

/// A small C program that announces each of its starts in a named pipe, when its port is open. Who measures waits for the
/// announcement and takes no processor time from those that are measured.
pub(crate) struct Service {
    program: PathBuf,
    pipe: PathBuf,
    announcements: BufReader<File>,
}

/// A service runs, and listens if it was told a port.
pub(crate) struct Announcement {
    pub(crate) pid: i32,
}

/// How long an announcement is waited for, in milliseconds.
const ANNOUNCED_MAX_MS: u16 = 30_000;

impl Service {
    /// Compiles the program into a place. Rust links with `cc` too, so there is one.
    pub(crate) fn compile(place: &Place) -> Self {
        let (program, pipe) = (place.path().join("service"), place.path().join("announcements"));
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/support/service.c");
        let mut compiler = Command::new("cc");
        compiler.arg("-O2").arg("-o").arg(&program).arg(source);
        succeed(compiler);
        nix::unistd::mkfifo(&pipe, Mode::S_IRUSR | Mode::S_IWUSR).unwrap();
        // Open for writing as well, there is no end of file between two services.
        let reader = OpenOptions::new().read(true).write(true).open(&pipe).unwrap();
        Self { program, pipe, announcements: BufReader::new(reader) }
    }

    /// A command line of it.
    pub(crate) fn command(&self, port: Option<u16>) -> String {
        format!("{} {} {}", self.program.display(), self.pipe.display(), port.unwrap_or(0))
    }

    /// Waits for the next announcement.
    pub(crate) fn next(&mut self) -> Announcement {
        if self.announcements.buffer().is_empty() {
            let mut awaited = [PollFd::new(self.announcements.get_ref().as_fd(), PollFlags::POLLIN)];
            let ready = poll(&mut awaited, PollTimeout::from(ANNOUNCED_MAX_MS)).unwrap();
            assert_eq!(ready, 1, "no service started within {ANNOUNCED_MAX_MS} ms");
        }
        let mut line = String::new();
        self.announcements.read_line(&mut line).unwrap();
        Announcement { pid: line.split_ascii_whitespace().next().unwrap().parse().unwrap() }
    }
}
