//! The log pump beside `cat > file`: one writer feeds both through a named pipe of the same size, with lines of 100 bytes in
//! blocks of 64 KiB. cat writes one file; the pump looks for its file again and again, keeps a time index and rotates.

#![expect(clippy::unwrap_used, reason = "a bench that cannot measure fails")]

#[expect(dead_code, reason = "each bench uses its part")]
#[path = "support/figures.rs"]
mod figures;

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use procman::logs::files;
use procman::logs::pump::{Attachment, Pump, Stream, StreamKey};
use procman::rundir::channel;
use procman::spec::log::Rotation;
use procman::sys::{clock, pipe};
use procman::vocab::name::ServiceName;

use figures::Samples;

const ROUNDS: usize = 7;
const BLOCK_BYTES: usize = 64 * 1024;
const LINE_BYTES: usize = 100;
const BLOCKS: usize = 4096;
const GIB: f64 = (BLOCKS * BLOCK_BYTES) as f64 / (1024.0 * 1024.0 * 1024.0);
const PIPE_BYTES: usize = 1 << 20;

/// How long the bytes of one round took, and how long they kept a processor busy.
struct Round {
    lasted: Duration,
    busy: Duration,
}

/// The median of each over all rounds.
struct Medians {
    gib_per_s: f64,
    busy_s_per_gib: f64,
}

fn main() {
    println!("{:.0} MiB through a named pipe into files, median of {ROUNDS} rounds in turn", GIB * 1024.0);
    let (mut of_cat, mut of_pump) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        of_cat.push(through_cat());
        of_pump.push(through_pump());
    }
    let (cat, pump) = (medians(&of_cat), medians(&of_pump));
    for (name, medians) in [("cat > file", &cat), ("the log pump, rotating at 50 MB", &pump)] {
        let Medians { gib_per_s, busy_s_per_gib } = medians;
        figures::line(name, &format!("{gib_per_s:5.2} GiB/s   {busy_s_per_gib:5.3} CPU s/GiB"));
    }
    let (speed, cost) = (pump.gib_per_s / cat.gib_per_s, pump.busy_s_per_gib / cat.busy_s_per_gib);
    figures::line("the pump beside cat", &format!("speed x{speed:.2}   CPU x{cost:.2}"));
}

fn medians(rounds: &[Round]) -> Medians {
    let median =
        |of: fn(&Round) -> Duration| Samples::new(rounds.iter().map(of).collect()).median().as_secs_f64();
    Medians {
        gib_per_s: GIB / median(|round| round.lasted),
        busy_s_per_gib: median(|round| round.busy) / GIB,
    }
}

fn through_cat() -> Round {
    let dir = tempfile::tempdir().unwrap();
    let fifo = dir.path().join("fifo");
    pipe::make_fifo(&fifo).unwrap();
    let out = File::create(dir.path().join("out.log")).unwrap();
    let busy = children_busy();
    let mut cat = Command::new("cat").arg(&fifo).stdout(out).spawn().unwrap();
    let writer = writer(&fifo);
    let start = Instant::now();
    write_all(writer);
    assert!(cat.wait().unwrap().success(), "cat did not succeed");
    Round { lasted: start.elapsed(), busy: children_busy() - busy }
}

fn through_pump() -> Round {
    let dir = tempfile::tempdir().unwrap();
    let fifo = dir.path().join("fifo");
    let pump = Pump::start(dir.path().to_owned(), clock::unix_ms).unwrap();
    let service = ServiceName::parse("writer").unwrap();
    let key = StreamKey { service: service.clone(), stream: Stream::Stdout };
    let file = dir.path().join("out.log");
    let pipe = channel::open_reader(&fifo).unwrap();
    pump.attach(key, Attachment { pipe, file: file.clone(), rotation: Rotation::default() });
    let writer = writer(&fifo);
    let start = Instant::now();
    write_all(writer);
    pump.drain(service).blocking_recv().unwrap();
    // The thread is as old as the round.
    let round = Round { lasted: start.elapsed(), busy: thread_busy(&thread_named("log-pump")) };
    pump.close();
    let written: u64 = files::all(&file).iter().map(|file| fs::metadata(file).unwrap().len()).sum();
    assert_eq!(written, (BLOCKS * BLOCK_BYTES) as u64, "the pump lost or doubled bytes");
    round
}

/// The writing end; it is there when there is a reader.
fn writer(fifo: &Path) -> File {
    let writer = OpenOptions::new().write(true).open(fifo).unwrap();
    pipe::grow(&writer, PIPE_BYTES).unwrap();
    writer
}

/// From this thread: it writes, and the pump's thread or cat reads.
fn write_all(mut writer: File) {
    let line = [&[b'x'; LINE_BYTES - 1][..], b"\n"].concat();
    // So many lines fill whole blocks.
    let lines = line.repeat(BLOCK_BYTES);
    for block in lines.chunks(BLOCK_BYTES).cycle().take(BLOCKS) {
        writer.write_all(block).unwrap();
    }
}

fn children_busy() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap();
    let micros = (usage.user_time() + usage.system_time()).num_microseconds();
    Duration::from_micros(u64::try_from(micros).unwrap())
}

fn thread_named(name: &str) -> PathBuf {
    let tasks = fs::read_dir("/proc/self/task").unwrap().flatten().map(|task| task.path());
    let is_named =
        |task: &PathBuf| fs::read_to_string(task.join("comm")).is_ok_and(|comm| comm.trim() == name);
    tasks.filter(is_named).max().unwrap()
}

/// The first word of schedstat: nanoseconds on a processor.
fn thread_busy(task: &Path) -> Duration {
    let statistics = fs::read_to_string(task.join("schedstat")).unwrap();
    Duration::from_nanos(statistics.split_ascii_whitespace().next().unwrap().parse().unwrap())
}
