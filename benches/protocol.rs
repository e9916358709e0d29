//! `procman status` as a whole process, from its launch to its end, with eight services that hold a port each.

#![expect(clippy::unwrap_used, reason = "a bench that cannot measure fails")]

#[expect(dead_code, reason = "each bench uses its part")]
mod support;

use std::process::Command;
use std::time::Instant;

use support::figures::{self, Samples};
use support::place::{self, Place};
use support::procman::{self, Procman};
use support::service::Service;
use support::supervisord::{self, Supervisord};

const SERVICES: usize = 8;
const RUNS: usize = 100;
const RUNS_OF_SUPERVISORD: usize = 30;

fn main() {
    println!("the status of {SERVICES} services, as a whole process");
    let place = Place::new();
    let service = Service::compile(&place);
    let services: Vec<(String, Option<u16>)> = place::free_ports(SERVICES)
        .into_iter()
        .map(|port| (service.command(Some(port)), Some(port)))
        .collect();
    let procman = Procman::new(&place, &procman::config(&services));
    procman.run("up");
    figures::line("procman status", &times(RUNS, || procman.command("status")).words());
    figures::line("procman status --json", &times(RUNS, || procman.command("status --json")).words());
    figures::line("procman --version (a start and nothing else)", &times(RUNS, version).words());
    procman.run("down");
    if let Some(bin) = supervisord::installed() {
        of_supervisord(bin);
    }
}

fn of_supervisord(bin: std::path::PathBuf) {
    let place = Place::new();
    let mut service = Service::compile(&place);
    let commands: Vec<String> =
        place::free_ports(SERVICES).into_iter().map(|port| service.command(Some(port))).collect();
    let supervisord = Supervisord::new(bin, &place, &commands);
    supervisord.start();
    for _ in 0..SERVICES {
        service.next();
    }
    // Until then its programs are STARTING, and supervisorctl says so with exit code 3.
    std::thread::sleep(std::time::Duration::from_millis(2500));
    figures::line("supervisorctl status", &times(RUNS_OF_SUPERVISORD, || supervisord.status()).words());
}

fn version() -> Command {
    let mut command = Command::new(procman::binary());
    command.arg("--version").stdout(std::process::Stdio::null());
    command
}

fn times(runs: usize, command: impl Fn() -> Command) -> Samples {
    Samples::take(runs, |_| {
        let mut command = command();
        let start = Instant::now();
        let ended = command.status().unwrap();
        let lasted = start.elapsed();
        assert!(ended.success(), "{command:?} ended with {ended}");
        lasted
    })
}
