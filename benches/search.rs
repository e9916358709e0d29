//! `procman logs --grep` beside grep(1) over the same rotated files: 1 GiB of log lines in 16 files, each command a whole
//! process, in turn.

#![expect(clippy::unwrap_used, reason = "a bench that cannot measure fails")]

#[expect(dead_code, reason = "each bench uses its part")]
#[path = "support/figures.rs"]
mod figures;

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use figures::Samples;

const FILES: u32 = 16;
const FILE_BYTES: usize = 64 << 20;
const ROUNDS: usize = 5;

/// A word, one of two words, a word that stands in each line and one that does not, and what is in every thousandth line.
const PATTERNS: [&str; 4] = ["needle", "error|needle", "INFO.*needle$", "request 12[0-9]{3}7 "];

fn main() {
    let dir = tempfile::tempdir().unwrap();
    let files = write_files(dir.path());
    println!("1 GiB in {FILES} files, median of {ROUNDS} rounds in turn");
    for pattern in PATTERNS {
        let (mut of_grep, mut of_procman) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let mut grep = Command::new("grep");
            grep.args(["-h", "-E", pattern]).args(&files);
            let (found, lasted) = time(&mut grep);
            of_grep.push(lasted);
            let mut procman = Command::new(env!("CARGO_BIN_EXE_procman"));
            procman.current_dir(dir.path()).args(["logs", "--grep", pattern]);
            let (found_too, lasted) = time(&mut procman);
            assert_eq!(found, found_too, "both find the same lines");
            of_procman.push(lasted);
        }
        let (grep, procman) = (Samples::new(of_grep).median(), Samples::new(of_procman).median());
        let ratio = procman.as_secs_f64() / grep.as_secs_f64();
        let (grep, procman) = (figures::millis(grep), figures::millis(procman));
        figures::line(pattern, &format!("grep {grep:6.0} ms   procman {procman:6.0} ms   x{ratio:.2}"));
    }
}

/// How many bytes a command prints, and how long it takes.
fn time(command: &mut Command) -> (usize, Duration) {
    let start = Instant::now();
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output().unwrap();
    (output.stdout.len(), start.elapsed())
}

/// A config with one service, and what its rotated logs may look like, oldest file first.
fn write_files(dir: &Path) -> Vec<String> {
    fs::write(dir.join("services.toml"), "[services.web]\ncommand = \"true\"\n").unwrap();
    fs::create_dir(dir.join("logs")).unwrap();
    let mut number = 0_u64;
    let files = (0..FILES).rev().map(|age| if age == 0 { String::new() } else { format!(".{age}") });
    let files = files.map(|ending| format!("{}/logs/web.out.log{ending}", dir.display()));
    files
        .inspect(|path| {
            let mut file = BufWriter::new(File::create(path).unwrap());
            let mut written = 0;
            while written < FILE_BYTES {
                number += 1;
                let end = if number.is_multiple_of(1_000_000) { " needle" } else { "" };
                let line = format!(
                    "2026-11-25 20:00:00,{number} INFO request {number} of client {} done{end}\n",
                    number % 977
                );
                file.write_all(line.as_bytes()).unwrap();
                written += line.len();
            }
        })
        .collect()
}
