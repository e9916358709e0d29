//! `procman restart` of the eight Python services of examples/trading_backend, on ports and in a directory of their own; then
//! the same with one service that ignores SIGTERM, which must not hold up the seven others.

#![expect(clippy::unwrap_used, reason = "a bench that cannot measure fails")]

#[expect(dead_code, reason = "each bench uses its part")]
mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use support::figures::{self, Samples, millis};
use support::place::{self, Place};
use support::proc;
use support::procman::Procman;

const RUNS: usize = 5;
const RUNS_WITH_A_STUBBORN_ONE: usize = 3;
const BACK_MAX: Duration = Duration::from_secs(60);

/// Who ignores SIGTERM in the second part; nobody depends on it.
const STUBBORN: &str = "db_poller";
const NEED_OF_STUBBORN: &str =
    "# The executor creates the file that it polls.\ndepends_on = [\"trade_executor\"]\n";
const STUBBORN_SCRIPT: &str = "import os, signal, socket\n\
    signal.signal(signal.SIGTERM, signal.SIG_IGN)\n\
    listener = socket.create_server(('127.0.0.1', int(os.environ['PORT'])))\n\
    while True:\n    listener.accept()\n";

fn main() {
    println!("procman restart of the eight Python services");
    let usual = Backend::new().restart(RUNS);
    usual.print("seven ports are open again (all but db_poller's)");
    for bond in [Bond::AsDeclared, Bond::None] {
        println!("the same; {STUBBORN} ignores SIGTERM (stop_timeout 2s) {}", bond.words());
        let mut backend = Backend::new();
        backend.make_one_stubborn(bond);
        let stubborn = backend.restart(RUNS_WITH_A_STUBBORN_ONE);
        stubborn.print("the seven others' ports are open again");
        let ratio = millis(stubborn.others.median()) / millis(usual.others.median());
        figures::line("the seven others, beside their usual time", &format!("ratio {ratio:.2}"));
    }
}

/// Whether the stubborn service needs another one, which then waits for its end.
#[derive(Clone, Copy, PartialEq)]
enum Bond {
    AsDeclared,
    None,
}

impl Bond {
    fn words(self) -> &'static str {
        match self {
            Self::AsDeclared => "and needs trade_executor, as services.toml says",
            Self::None => "and needs nobody",
        }
    }
}

/// A copy of the example, with ports of its own.
struct Backend {
    config: String,
    ports: BTreeMap<String, u16>,
    place: Place,
}

/// How long a restart took, from its launch on.
struct Restarts {
    others: Samples,
    returned: Samples,
}

impl Restarts {
    fn print(&self, others: &str) {
        figures::line(others, &self.others.words());
        figures::line("all eight verified, the command has returned", &self.returned.words());
    }
}

impl Backend {
    fn new() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let place = Place::new();
        for entry in fs::read_dir(root.join("examples/trading_backend")).unwrap().flatten() {
            if entry.path().is_file() {
                fs::copy(entry.path(), place.path().join(entry.file_name())).unwrap();
            }
        }
        let (config, ports) = with_other_ports(&fs::read_to_string(root.join("services.toml")).unwrap());
        Self { config, ports, place }
    }

    fn make_one_stubborn(&mut self, bond: Bond) {
        fs::write(self.place.path().join("stubborn.py"), STUBBORN_SCRIPT).unwrap();
        let stubborn = "command = \"python3 -u stubborn.py\"\nstop_timeout = \"2s\"";
        self.reword(&format!("command = \"python3 -u {STUBBORN}.py\""), stubborn);
        if bond == Bond::None {
            self.reword(NEED_OF_STUBBORN, "");
        }
    }

    fn reword(&mut self, from: &str, to: &str) {
        assert_eq!(self.config.matches(from).count(), 1, "services.toml does not say `{from}` once");
        self.config = self.config.replace(from, to);
    }

    fn restart(&self, runs: usize) -> Restarts {
        let procman = Procman::new(&self.place, &self.config);
        self.run(&mut procman.command("up"));
        let (mut others, mut returned) = (Vec::new(), Vec::new());
        for _ in 0..runs {
            let (back, end) = self.restart_once(procman.command("restart"));
            others.push(back);
            returned.push(end);
        }
        self.run(&mut procman.command("down"));
        Restarts { others: Samples::new(others), returned: Samples::new(returned) }
    }

    fn restart_once(&self, mut restart: Command) -> (Duration, Duration) {
        let before = proc::listeners();
        let start = Instant::now();
        let mut child = self.surround(&mut restart).spawn().unwrap();
        let others = self.ports.iter().filter(|(name, _)| *name != STUBBORN).map(|(_, port)| *port);
        let mut away: Vec<u16> = others.collect();
        while !away.is_empty() {
            assert!(start.elapsed() < BACK_MAX, "ports {away:?} are not open again");
            thread::sleep(Duration::from_millis(3));
            let listening = proc::listeners();
            away.retain(|port| listening.get(port).is_none_or(|inode| before.get(port) == Some(inode)));
        }
        let back = start.elapsed();
        assert!(child.wait().unwrap().success(), "procman restart did not succeed");
        (back, start.elapsed())
    }

    fn run(&self, command: &mut Command) {
        let ended = self.surround(command).status().unwrap();
        assert!(ended.success(), "{command:?} ended with {ended}");
    }

    /// Tells the services where they lie, and each where its neighbours listen.
    fn surround<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        let ports =
            self.ports.iter().map(|(name, port)| (format!("{}_PORT", name.to_uppercase()), port.to_string()));
        command
            .env("PROJECT_ROOT", self.place.path())
            .env("TRADING_DATA_DIR", self.place.path().join("data"))
            .envs(ports)
    }
}

/// The config with each `port` and `PORT` moved to a free one, and the ports by service.
fn with_other_ports(config: &str) -> (String, BTreeMap<String, u16>) {
    let old: Vec<(String, String)> = config
        .split("[services.")
        .skip(1)
        .map(|section| {
            let name = section.split_once(']').unwrap().0.to_owned();
            let port = section.lines().find_map(|line| line.strip_prefix("port = ")).unwrap();
            (name, port.to_owned())
        })
        .collect();
    let mut moved = config.to_owned();
    let mut ports = BTreeMap::new();
    for ((name, from), to) in old.into_iter().zip(place::free_ports(8)) {
        moved = moved.replace(&format!("port = {from}\n"), &format!("port = {to}\n"));
        moved = moved.replace(&format!("PORT = \"{from}\""), &format!("PORT = \"{to}\""));
        ports.insert(name, to);
    }
    (moved, ports)
}
