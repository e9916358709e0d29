//! Everything that eight services write, as fast as it goes, while followers come and go and the supervisor is killed again
//! and again. `PROCMAN_SOAK_MIB` makes it more.

#[path = "../puppet/numbered.rs"]
mod numbered;

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::time::{Duration, Instant};

use procman::logs::files;

use crate::guardian::kill_supervisor;
use crate::harness::{Fleet, is_alive};
use numbered::Numbered;

/// What all services write together, unless something else is asked for.
const MIB: u64 = 200;

const SERVICES: u64 = 8;
const KILLS: u64 = 5;

/// So slow is no disk.
const MIB_PER_S_MIN: u64 = 5;

#[test]
fn every_byte_of_eight_fast_writers_is_in_their_logs_once_and_in_order() {
    let mib = std::env::var("PROCMAN_SOAK_MIB").map_or(MIB, |text| text.parse().unwrap());
    let portion = (mib << 20) / SERVICES / KILLS / Numbered::BYTES as u64;
    let portion_bytes = portion * Numbered::BYTES as u64 * SERVICES;
    let fleet = Fleet::new(&config(portion, (portion_bytes / 10).min(50_000_000)));
    let deadline = Instant::now() + Duration::from_secs(60 + mib / MIB_PER_S_MIN);
    fleet.run("up -q").expect(0);
    let begun = Instant::now();
    for number in 0..KILLS {
        let mut follower = fleet.spawn("logs -f -n 1");
        let mut followed = BufReader::new(follower.stdout.take().unwrap());
        std::fs::write(fleet.path().join(format!("go-{number}")), "").unwrap();
        followed.read_line(&mut String::new()).unwrap();
        // In the middle of what the services write at this go.
        wait_for(deadline, || written(&fleet.path()) >= portion_bytes * number + portion_bytes / 3);
        kill_supervisor(&fleet);
        let lives = is_alive(i32::try_from(follower.id()).unwrap());
        drop(followed);
        // One that began when all was written has no other line to find out by that nobody listens.
        follower.kill().unwrap();
        let said = String::from_utf8(follower.wait_with_output().unwrap().stderr).unwrap();
        assert!(lives, "a follower does not need the supervisor: {said}");
    }
    wait_for(deadline, || (0..SERVICES).all(|it| fleet.path().join(format!("done-{it}")).exists()));
    wait_for(deadline, || written(&fleet.path()) >= portion_bytes * KILLS);
    println!("{mib} MiB in {:?}, {KILLS} supervisors killed", begun.elapsed());
    fleet.run("down").expect(0);
    for service in 0..SERVICES {
        check(&fleet.path().join(format!("logs/s{service}.out.log")), portion * KILLS);
    }
}

fn config(portion: u64, size_max: u64) -> String {
    let service = |service| {
        let gates = (0..KILLS).map(|it| format!("wait-for go-{it} numbered {} {portion} ", it * portion));
        let gates = gates.collect::<String>();
        format!("[services.s{service}]\ncommand = \"{{puppet}} {gates}touch done-{service} stay\"\n")
    };
    let services: String = (0..SERVICES).map(service).collect();
    format!(
        "[defaults]\nmin_uptime = \"1ms\"\nlog = {{ max_size = \"{size_max}B\", keep = 10000 }}\n{services}"
    )
}

fn wait_for(deadline: Instant, condition: impl Fn() -> bool) {
    while !condition() {
        assert!(Instant::now() < deadline, "too slow");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// How many bytes are in all files of standard output.
fn written(fleet: &Path) -> u64 {
    let entries = std::fs::read_dir(fleet.join("logs")).into_iter().flatten().flatten();
    let of_output = entries.filter(|entry| entry.file_name().to_string_lossy().contains(".out.log"));
    of_output.filter_map(|entry| Some(entry.metadata().ok()?.len())).sum()
}

/// Each line, once and in order, and no file ends within one.
fn check(log: &Path, lines: u64) {
    let (mut expected, mut count) = (Numbered::from(0), 0);
    let mut line = [0; Numbered::BYTES];
    for path in files::all(log) {
        let size = path.metadata().unwrap().len();
        assert_eq!(size % Numbered::BYTES as u64, 0, "{} ends within a line", path.display());
        let mut file = BufReader::with_capacity(1 << 20, File::open(&path).unwrap());
        for _ in 0..size / Numbered::BYTES as u64 {
            file.read_exact(&mut line).unwrap();
            assert_eq!(&line[..], expected.next_line(), "{}: line {count}", path.display());
            count += 1;
        }
    }
    assert_eq!(count, lines, "{}", log.display());
}
