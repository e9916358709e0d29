use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use super::proc;

/// A private directory. Every process that a bench starts names it on its command line or works in it, so that all can be
/// found, and ended by pid, when the bench is over.
pub(crate) struct Place {
    dir: TempDir,
}

/// How long killed processes may take to vanish.
const VANISHED_MAX: Duration = Duration::from_secs(5);

impl Place {
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::Builder::new().prefix("procman-bench-").tempdir().unwrap() }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.dir.path().canonicalize().unwrap()
    }

    /// Ends every process that belongs here, and waits until none is left.
    pub(crate) fn end_all(&self) {
        let deadline = Instant::now() + VANISHED_MAX;
        loop {
            let pids = proc::of_directory(&self.path());
            if pids.is_empty() || Instant::now() > deadline {
                return;
            }
            for pid in pids {
                let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.end_all();
    }
}

/// Ports that nobody listens on, below the range from which the kernel gives ports to clients.
pub(crate) fn free_ports(count: usize) -> Vec<u16> {
    let first = 20_000 + u16::try_from(std::process::id() % 90).unwrap() * 100;
    let is_free = |port: &u16| TcpListener::bind(("0.0.0.0", *port)).is_ok();
    let ports: Vec<u16> = (first..32_000).filter(is_free).take(count).collect();
    assert_eq!(ports.len(), count, "too few ports are free from {first} on");
    ports
}

/// Where things are kept from one run of a bench to the next: Cargo's own directory for that.
pub(crate) fn kept() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
}
