//! Services that write as fast as they can, and who carries their lines into files: `cat > file` for each of them, procman,
//! and supervisord; the last two rotate at 50 MB. The same writers, in turn, all in files of one file system. Of one writer
//! also with `procman logs -f` beside it. Medians, and the fastest round: on a machine that does other work as well, that is
//! the one that was least disturbed. `cargo bench --bench pump -- "line by line"` takes one of the loads.

#![expect(clippy::unwrap_used, reason = "a bench that cannot measure fails")]

#[expect(dead_code, reason = "each bench uses its part")]
mod support;

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

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

/// The median of each over all rounds, and the fastest.
struct Figures {
    gib_per_s: f64,
    gib_per_s_best: f64,
    busy_s_per_gib: f64,
}

/// Who reads what is written while it is written.
#[derive(Clone, Copy)]
enum Reader {
    Nobody,
    Follower,
}

fn main() {
    println!("lines of 100 bytes into files, median of {ROUNDS} rounds in turn");
    let installed = supervisord::installed();
    let asked = std::env::args().skip(1).find(|word| !word.starts_with('-')).unwrap_or_default();
    for (name, load) in LOADS.into_iter().filter(|(name, _)| name.contains(&asked)) {
        println!("{name}");
        let (mut of_cat, mut of_procman, mut of_followed, mut of_supervisord) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            of_cat.push(through_cat(load));
            of_procman.push(through_procman(load, Reader::Nobody));
            if load.writers == 1 {
                of_followed.push(through_procman(load, Reader::Follower));
            }
            of_supervisord.extend(installed.clone().map(|bin| through_supervisord(bin, load)));
        }
        let procman = Figures::of(load, &of_procman);
        procman.say("procman");
        procman.beside("cat > file", load, &of_cat);
        procman.beside("supervisord", load, &of_supervisord);
        if !of_followed.is_empty() {
            let followed = Figures::of(load, &of_followed);
            followed.say("procman with a follower");
            followed.compare("with a follower beside none", &procman);
        }
    }
}

impl Figures {
    fn of(load: Load, rounds: &[Round]) -> Self {
        let gib = (load.bytes * load.writers as u64) as f64 / GIB;
        let samples = |of: fn(&Round) -> Duration| Samples::new(rounds.iter().map(of).collect());
        let lasted = samples(|round| round.lasted);
        Self {
            gib_per_s: gib / lasted.median().as_secs_f64(),
            gib_per_s_best: gib / lasted.percentile(0).as_secs_f64(),
            busy_s_per_gib: samples(|round| round.busy).median().as_secs_f64() / gib,
        }
    }

    fn say(&self, name: &str) {
        let Self { gib_per_s, gib_per_s_best, busy_s_per_gib } = self;
        let speed = format!("{gib_per_s:5.2} GiB/s (best {gib_per_s_best:5.2})");
        figures::line(name, &format!("{speed}   {busy_s_per_gib:5.3} CPU s/GiB"));
    }

    /// Nothing where there were no rounds.
    fn beside(&self, name: &str, load: Load, rounds: &[Round]) {
        if rounds.is_empty() {
            return;
        }
        let other = Self::of(load, rounds);
        other.say(name);
        self.compare(&format!("procman beside {name}"), &other);
    }

    fn compare(&self, name: &str, other: &Self) {
        let speed = self.gib_per_s / other.gib_per_s;
        let best = self.gib_per_s_best / other.gib_per_s_best;
        let cost = self.busy_s_per_gib / other.busy_s_per_gib;
        figures::line(name, &format!("speed x{speed:.2} (best x{best:.2})   CPU x{cost:.2}"));
    }
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

fn through_procman(load: Load, reader: Reader) -> Round {
    let place = Place::new();
    let writers = Writers::compile(&place, load);
    let services = vec![(writers.command(), None); load.writers];
    let procman = Procman::new(&place, &procman::config(&services));
    procman.run("up");
    let follower = match reader {
        Reader::Nobody => None,
        Reader::Follower => Some(procman.command("logs --follow s0").spawn().unwrap()),
    };
    let reads = follower.as_ref().map(pid);
    let logs = place.path().join("logs");
    let round = writers.race(
        || running(&place, procman::binary()).into_iter().filter(|it| Some(*it) != reads).collect(),
        &logs,
        |name| name.contains(".out.log") && !name.starts_with('.'),
    );
    if let Some(mut follower) = follower {
        follower.kill().unwrap();
        follower.wait().unwrap();
    }
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
