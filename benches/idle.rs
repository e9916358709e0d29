//! Eight services that do nothing and declare no probe: how often the supervisor wakes up, and how much memory all of its
//! processes take. The services' own memory is not counted.

#![expect(clippy::unwrap_used, reason = "a bench that cannot measure fails")]

#[expect(dead_code, reason = "each bench uses its part")]
mod support;

use std::path::Path;
use std::thread;
use std::time::Duration;

use support::figures;
use support::place::{self, Place};
use support::proc;
use support::procman::{self, Procman};
use support::service::Service;
use support::supervisord::{self, Supervisord};

const SERVICES: usize = 8;

/// What start-up still has to do is done by then: services without ports count as running after `min_uptime`.
const SETTLED: Duration = Duration::from_secs(7);
const OBSERVED: Duration = Duration::from_secs(10);

fn main() {
    println!("idle with {SERVICES} services, over {OBSERVED:?}");
    let without: Vec<Option<u16>> = vec![None; SERVICES];
    figures::line("procman", &of_procman(&without));
    let with = place::free_ports(SERVICES).into_iter().map(Some).collect::<Vec<_>>();
    figures::line("procman, each service with a port", &of_procman(&with));
    if let Some(bin) = supervisord::installed() {
        let place = Place::new();
        let mut service = Service::compile(&place);
        let supervisord = Supervisord::new(bin, &place, &vec![service.command(None); SERVICES]);
        supervisord.start();
        for _ in 0..SERVICES {
            service.next();
        }
        figures::line("supervisord", &observe(&place, &supervisord.program()));
    }
}

fn of_procman(ports: &[Option<u16>]) -> String {
    let place = Place::new();
    let service = Service::compile(&place);
    let services: Vec<_> = ports.iter().map(|port| (service.command(*port), *port)).collect();
    let procman = Procman::new(&place, &procman::config(&services));
    procman.run("up");
    let figures = observe(&place, procman::binary());
    procman.run("down");
    figures
}

/// Looks at every process of a place that runs this program.
fn observe(place: &Place, program: &Path) -> String {
    thread::sleep(SETTLED);
    let pids: Vec<i32> =
        proc::of_directory(&place.path()).into_iter().filter(|pid| proc::runs(*pid, program)).collect();
    assert!(!pids.is_empty(), "no process runs {}", program.display());
    let wake_ups = || pids.iter().map(|pid| proc::wake_ups(*pid)).sum::<u64>();
    let before = wake_ups();
    thread::sleep(OBSERVED);
    let woken = wake_ups() - before;
    let pss_kib: u64 = pids.iter().map(|pid| proc::pss_kib(*pid)).sum();
    let pss_mb = pss_kib as f64 / 1024.0;
    format!("{woken:5} wake-ups   {pss_mb:6.2} MiB PSS   {} processes", pids.len())
}
