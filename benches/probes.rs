//! A hundred services that are probed each second: how much of one core the supervisor takes for it, by kind of check. The
//! services' own work is not counted.

#![expect(clippy::unwrap_used, reason = "a bench that cannot measure fails")]

#[expect(dead_code, reason = "each bench uses its part")]
mod support;

use std::thread;
use std::time::Duration;

use support::figures;
use support::place::{self, Place};
use support::proc;
use support::procman::{self, Procman};
use support::service::Service;

const SERVICES: usize = 100;

/// The start is over by then, and so is what follows from it.
const SETTLED: Duration = Duration::from_secs(3);
const OBSERVED: Duration = Duration::from_secs(10);

fn main() {
    println!("{SERVICES} services probed each second, over {OBSERVED:?}");
    for check in ["", "tcp = true", "http = \"/\"", "http = \"/\", body = \"ok\"", "exec = \"true\""] {
        let what = if check.is_empty() { "none" } else { check };
        figures::line(what, &of(check));
    }
}

fn of(check: &str) -> String {
    let place = Place::new();
    let service = Service::compile(&place);
    let ports = place::free_ports(SERVICES).into_iter().map(Some);
    let services: Vec<_> = ports.map(|port| (service.command(port), port)).collect();
    let health =
        if check.is_empty() { String::new() } else { format!("health = {{ {check}, interval = \"1s\" }}\n") };
    let config = procman::config(&services).replace("command = ", &format!("{health}command = "));
    let procman = Procman::new(&place, &config);
    procman.run("up");
    thread::sleep(SETTLED);
    let pids: Vec<i32> = proc::of_directory(&place.path())
        .into_iter()
        .filter(|pid| proc::runs(*pid, procman::binary()))
        .collect();
    let used = || pids.iter().map(|pid| proc::cpu(*pid)).sum::<Duration>();
    let before = used();
    thread::sleep(OBSERVED);
    let used = used() - before;
    procman.run("down");
    format!("{:5.2} % of one core", used.as_secs_f64() / OBSERVED.as_secs_f64() * 100.0)
}
