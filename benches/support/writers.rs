use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use super::place::Place;
use super::proc;
use super::procman::succeed;

/// What services write: so many of them, so many bytes each, in blocks of so many.
#[derive(Clone, Copy)]
pub(crate) struct Load {
    pub(crate) writers: usize,
    pub(crate) block_bytes: u64,
    pub(crate) bytes: u64,
}

/// Services that all begin to write at one moment.
pub(crate) struct Writers {
    place: PathBuf,
    program: PathBuf,
    go: PathBuf,
    load: Load,
}

/// How long the bytes took to reach their files, and how long they kept whoever carried them on a processor.
pub(crate) struct Round {
    pub(crate) lasted: Duration,
    pub(crate) busy: Duration,
}

/// Longer than any of them takes.
const ROUND_MAX: Duration = Duration::from_secs(120);

/// Between two looks at the files.
const PAUSE: Duration = Duration::from_millis(1);

/// Writes as many bytes as are to come into a file, and removes it. A virtual machine's host takes back memory that was free
/// for some seconds, and who touches it first waits for it: that would be measured of whoever is slow to start.
fn warm(place: &Path, bytes: u64) {
    let (path, block) = (place.join("warm"), vec![b'x'; 1 << 20]);
    let mut file = File::create(&path).unwrap();
    for _ in 0..bytes.div_ceil(block.len() as u64) {
        file.write_all(&block).unwrap();
    }
    fs::remove_file(path).unwrap();
}

impl Writers {
    /// Compiles the program into a place. Rust links with `cc` too, so there is one.
    pub(crate) fn compile(place: &Place, load: Load) -> Self {
        let (program, go) = (place.path().join("writer"), place.path().join("go"));
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/support/writer.c");
        let mut compiler = Command::new("cc");
        compiler.arg("-O2").arg("-o").arg(&program).arg(source);
        succeed(compiler);
        Self { place: place.path(), program, go, load }
    }

    /// A command line of one of them.
    pub(crate) fn command(&self) -> String {
        let Load { block_bytes, bytes, .. } = self.load;
        format!("{} {} {block_bytes} {bytes}", self.program.display(), self.go.display())
    }

    /// Waits until all of them are there, lets them write, and watches those who carry what they write until it is all in
    /// files of that directory whose names are meant.
    pub(crate) fn race(
        &self,
        carriers: impl Fn() -> Vec<i32>,
        files: &Path,
        is_meant: impl Fn(&str) -> bool,
    ) -> Round {
        let deadline = Instant::now() + ROUND_MAX;
        let wait_until = |condition: &dyn Fn() -> bool| {
            while !condition() {
                assert!(Instant::now() < deadline, "not all bytes are in their files within {ROUND_MAX:?}");
                thread::sleep(PAUSE);
            }
        };
        let are_writers =
            |pids: Vec<i32>| pids.into_iter().filter(|pid| proc::runs(*pid, &self.program)).count();
        wait_until(&|| are_writers(proc::of_directory(&self.place)) >= self.load.writers);
        let carriers = carriers();
        assert!(!carriers.is_empty(), "nobody carries what is written");
        warm(&self.place, self.load.bytes * self.load.writers as u64);
        let busy = || carriers.iter().map(|pid| proc::cpu(*pid)).sum::<Duration>();
        let (start, before) = (Instant::now(), busy());
        File::create(&self.go).unwrap();
        let all = self.load.bytes * self.load.writers as u64;
        let written = || {
            let entries = fs::read_dir(files).into_iter().flatten().flatten();
            let meant = entries.filter(|entry| is_meant(entry.file_name().to_str().unwrap()));
            meant.filter_map(|entry| Some(entry.metadata().ok()?.len())).sum::<u64>()
        };
        wait_until(&|| written() >= all);
        let round = Round { lasted: start.elapsed(), busy: busy() - before };
        assert_eq!(written(), all, "bytes are doubled");
        round
    }
}
