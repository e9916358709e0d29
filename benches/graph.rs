//! Five hundred services in a random graph, each ready after a delay of its own: how long `up` takes, beside the critical path,
//! which is the longest sum of delays along dependencies as the services themselves have measured them in the same run. And
//! that each has begun only when all that it needs was ready.

#![expect(clippy::unwrap_used, reason = "a bench that cannot measure fails")]

#[expect(dead_code, reason = "each bench uses its part")]
mod support;

use std::fs::OpenOptions;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use fastrand::Rng;
use nix::sys::stat::Mode;

use support::figures;
use support::place::Place;
use support::procman::{self, Procman};

const SERVICES: usize = 500;
const RUNS: u64 = 5;

/// Each service needs up to so many of the so many before it, so that the graph is deep and wide.
const NEEDS_MAX: usize = 3;
const REACH: usize = 60;
const DELAY_MS: std::ops::RangeInclusive<u64> = 50..=350;

fn main() {
    println!("{SERVICES} services in a random graph, each ready after {DELAY_MS:?} ms");
    for seed in 1..=RUNS {
        let (path, first_to_last, launch_to_end) = of(seed);
        let ratio = |taken: Duration| taken.as_secs_f64() / path.as_secs_f64();
        let words = format!(
            "critical path {path:.2?}, first start to last ready {first_to_last:.2?} (x{:.3}), `up` as a whole {launch_to_end:.2?} (x{:.3})",
            ratio(first_to_last),
            ratio(launch_to_end),
        );
        figures::line(&format!("seed {seed}"), &words);
    }
}

/// When a service began and was ready, in nanoseconds of the monotonic clock.
#[derive(Clone, Copy, Default)]
struct Times {
    started: u64,
    ready: u64,
}

/// The critical path, from the first start to the last service being ready, and from the launch of `up` to its end.
fn of(seed: u64) -> (Duration, Duration, Duration) {
    let place = Place::new();
    let (program, pipe) = (place.path().join("delayed"), place.path().join("announcements"));
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/support/delayed.c");
    let mut compiler = Command::new("cc");
    compiler.arg("-O2").arg("-o").arg(&program).arg(source);
    procman::succeed(compiler);
    nix::unistd::mkfifo(&pipe, Mode::S_IRUSR | Mode::S_IWUSR).unwrap();
    let reader = BufReader::new(OpenOptions::new().read(true).write(true).open(&pipe).unwrap());
    let mut rng = Rng::with_seed(seed);
    let needs: Vec<Vec<usize>> = (0..SERVICES).map(|number| needs(&mut rng, number)).collect();
    let line = |(number, needs): (usize, &Vec<usize>)| {
        let needs: Vec<String> = needs.iter().map(|needed| format!("\"s{needed}\"")).collect();
        let command = format!("{} {} {number} {}", program.display(), pipe.display(), rng.u64(DELAY_MS));
        let needs = needs.join(", ");
        format!(
            "[services.s{number}]\ncommand = \"{command}\"\nready = {{ notify = true }}\ndepends_on = [{needs}]\n"
        )
    };
    let config: String = needs.iter().enumerate().map(line).collect();
    let procman = Procman::new(&place, &config);
    let launched = Instant::now();
    procman.run("up --timeout 5m");
    let whole = launched.elapsed();
    let times = announced(reader);
    procman.run("down");
    let path = critical_path(&needs, &times);
    let first = times.iter().map(|times| times.started).min().unwrap();
    let last = times.iter().map(|times| times.ready).max().unwrap();
    (path, Duration::from_nanos(last - first), whole)
}

fn needs(rng: &mut Rng, number: usize) -> Vec<usize> {
    let near = number.saturating_sub(REACH)..number;
    let count = rng.usize(1..=NEEDS_MAX).min(near.len());
    let mut needs: Vec<usize> = (0..count).map(|_| rng.usize(near.clone())).collect();
    needs.sort_unstable();
    needs.dedup();
    needs
}

fn announced(mut reader: impl BufRead) -> Vec<Times> {
    let mut times = vec![Times::default(); SERVICES];
    for _ in 0..SERVICES {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let words: Vec<u64> = line.split_whitespace().map(|word| word.parse().unwrap()).collect();
        times[usize::try_from(words[0]).unwrap()] = Times { started: words[1], ready: words[2] };
    }
    times
}

/// The longest sum of what the services themselves took, along dependencies. Numbers rise along them.
fn critical_path(needs: &[Vec<usize>], times: &[Times]) -> Duration {
    let mut paths = vec![0; SERVICES];
    for (number, needs) in needs.iter().enumerate() {
        let is_in_order = needs.iter().all(|needed| times[*needed].ready <= times[number].started);
        assert!(is_in_order, "s{number} began before what it needs was ready");
        let before = needs.iter().map(|needed| paths[*needed]).max().unwrap_or(0);
        paths[number] = before + times[number].ready - times[number].started;
    }
    Duration::from_nanos(paths.into_iter().max().unwrap())
}
