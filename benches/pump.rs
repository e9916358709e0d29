//! Services that write as fast as they can, and who carries their lines into files: `cat > file` for each of them, procman,
//! and supervisord; the last two rotate at 50 MB. The same writers, in turn, all in files of one file system.

#![expect(clippy::unwrap_used, reason = "a bench that cannot measure fails")]

#[expect(dead_code, reason = "each bench uses its part")]
mod support;

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use support::figures::{self, Samples};
use support::place::Place;
use support::proc;
use support::procman::{self, Procman};
use support::supervisord::{self, Supervisord};
use support::writers::{Load, Round, Writers};

const ROUNDS: usize = 5;
const MIB: u64 = 1 << 20;
const GIB: f64 = (1_u64 << 30) as f64;

const LOADS: [(&str, Load); 3] = [
    ("one writer, blocks of 64 KiB", Load { writers: 1, block_bytes: 64 << 10, bytes: 512 * MIB }),
    ("one writer, line by line", Load { writers: 1, block_bytes: 100, bytes: 128 * MIB }),
    ("eight writers, blocks of 64 KiB", Load { writers: 8, block_bytes: 64 << 10, bytes: 128 * MIB }),
];

/// The median of each over all rounds.
struct Medians {
    gib_per_s: f64,
    busy_s_per_gib: f64,
}

fn main() {
    println!("lines of 100 bytes into files, median of {ROUNDS} rounds in turn");
    let installed = supervisord::installed();
    for (name, load) in LOADS {
        println!("{name}");
        let (mut of_cat, mut of_procman, mut of_supervisord) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            of_cat.push(through_cat(load));
            of_procman.push(through_procman(load));
            of_supervisord.extend(installed.clone().map(|bin| through_supervisord(bin, load)));
        }
        let procman = medians(load, &of_procman);
        say("procman", &procman);
        compare("cat > file", &procman, &medians(load, &of_cat));
        if !of_supervisord.is_empty() {
            compare("supervisord", &procman, &medians(load, &of_supervisord));
        }
    }
}

fn medians(load: Load, rounds: &[Round]) -> Medians {
    let gib = (load.bytes * load.writers as u64) as f64 / GIB;
    let median =
        |of: fn(&Round) -> std::time::Duration| Samples::new(rounds.iter().map(of).collect()).median();
    Medians {
        gib_per_s: gib / median(|round| round.lasted).as_secs_f64(),
        busy_s_per_gib: median(|round| round.busy).as_secs_f64() / gib,
    }
}

fn say(name: &str, medians: &Medians) {
    let Medians { gib_per_s, busy_s_per_gib } = medians;
    figures::line(name, &format!("{gib_per_s:5.2} GiB/s   {busy_s_per_gib:5.3} CPU s/GiB"));
}

fn compare(name: &str, procman: &Medians, other: &Medians) {
    say(name, other);
    let (speed, cost) = (procman.gib_per_s / other.gib_per_s, procman.busy_s_per_gib / other.busy_s_per_gib);
    figures::line(&format!("procman beside {name}"), &format!("speed x{speed:.2}   CPU x{cost:.2}"));
}

/// A shell's `writer | cat > file`, for each writer. Each pipe has the size that pipes have.
fn through_cat(load: Load) -> Round {
    let place = Place::new();
    let writers = Writers::compile(&place, load);
    let mut children = Vec::new();
    let mut cats = Vec::new();
    for number in 0..load.writers {
        let (read, write) = std::io::pipe().unwrap();
        let command = writers.command();
        let mut words = command.split(' ');
        let mut writer = Command::new(words.next().unwrap());
        children.push(writer.args(words).stdin(Stdio::null()).stdout(write).spawn().unwrap());
        let file = File::create(place.path().join(format!("{number}.log"))).unwrap();
        cats.push(Command::new("cat").stdin(read).stdout(file).spawn().unwrap());
    }
    let pids = || cats.iter().map(pid).collect();
    let round = writers.race(pids, &place.path(), |name| name.ends_with(".log"));
    for mut child in children {
        child.kill().unwrap();
        child.wait().unwrap();
    }
    for mut cat in cats {
        assert!(cat.wait().unwrap().success(), "cat did not succeed");
    }
    round
}

fn pid(child: &Child) -> i32 {
    child.id().try_into().unwrap()
}

fn through_procman(load: Load) -> Round {
    let place = Place::new();
    let writers = Writers::compile(&place, load);
    let services = vec![(writers.command(), None); load.writers];
    let procman = Procman::new(&place, &procman::config(&services));
    procman.run("up");
    let logs = place.path().join("logs");
    let round = writers.race(
        || running(&place, procman::binary()),
        &logs,
        |name| name.contains(".out.log") && !name.starts_with('.'),
    );
    procman.run("down");
    round
}

fn through_supervisord(bin: PathBuf, load: Load) -> Round {
    let place = Place::new();
    let writers = Writers::compile(&place, load);
    let supervisord = Supervisord::new(bin, &place, &vec![writers.command(); load.writers]);
    supervisord.start();
    writers.race(|| running(&place, &supervisord.program()), &place.path(), |name| name.contains("-stdout-"))
}

/// Every process of a place that runs this program.
fn running(place: &Place, program: &std::path::Path) -> Vec<i32> {
    proc::of_directory(&place.path()).into_iter().filter(|pid| proc::runs(*pid, program)).collect()
}
