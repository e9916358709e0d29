//! supervisor and superlance from the Python package index, in a virtual environment of its own, made once and kept.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

const PACKAGES: [&str; 2] = ["supervisor==4.3.0", "superlance==2.0.0"];

/// An index that cannot be reached is given up after this time.
const INSTALL_MAX: Duration = Duration::from_secs(25);

/// Where supervisor's programs lie; none where they cannot be had, which is said.
pub(crate) fn programs() -> Option<&'static Path> {
    static PROGRAMS: OnceLock<Option<PathBuf>> = OnceLock::new();
    let programs = PROGRAMS.get_or_init(|| {
        let venv = Path::new(env!("CARGO_TARGET_TMPDIR")).join("supervisor");
        let complete = venv.join("complete");
        if fs::read_to_string(&complete).is_ok_and(|packages| packages == PACKAGES.join(" ")) {
            return Some(venv.join("bin"));
        }
        let mut make = Command::new("python3");
        make.args(["-m", "venv", "--clear"]).arg(&venv);
        // One attempt: who has no network is not to wait.
        let mut install = Command::new(venv.join("bin/pip"));
        install.args(["install", "-q", "--disable-pip-version-check", "--retries", "0", "--timeout", "5"]);
        install.args(PACKAGES);
        for mut command in [make, install] {
            if !in_time(command.stdin(Stdio::null()).stderr(Stdio::null()).spawn().ok()?) {
                return None;
            }
        }
        fs::write(complete, PACKAGES.join(" ")).unwrap();
        Some(venv.join("bin"))
    });
    if programs.is_none() {
        eprintln!("skipped: supervisor cannot be installed: no package index can be reached");
    }
    programs.as_deref()
}

fn in_time(mut child: Child) -> bool {
    let deadline = Instant::now() + INSTALL_MAX;
    loop {
        match child.try_wait().unwrap() {
            Some(status) => return status.success(),
            None if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(20)),
            None => {
                let _ = child.kill();
                let _ = child.wait();
                return false;
            }
        }
    }
}
