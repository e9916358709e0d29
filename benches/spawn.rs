//! Eight small C services, from the launch of `procman up` with no supervisor running to the moment when all eight ports are
//! open; and until `up` has verified them, printed the table and returned.

#![expect(clippy::unwrap_used, reason = "a bench that cannot measure fails")]

#[expect(dead_code, reason = "each bench uses its part")]
mod support;

use std::time::{Duration, Instant};

use support::figures::{self, Samples};
use support::place::{self, Place};
use support::procman::{self, Procman};
use support::service::Service;
use support::supervisord::{self, Supervisord};

const SERVICES: usize = 8;
const RUNS: usize = 10;

fn main() {
    println!("{SERVICES} C services, from nothing to all ports open");
    let (open, returned, down) = of_procman();
    figures::line("procman up: all ports open", &open.words());
    figures::line("procman up: verified and returned", &returned.words());
    figures::line("procman down: all ended and returned", &down.words());
    if let Some(bin) = supervisord::installed() {
        let place = Place::new();
        let mut service = Service::compile(&place);
        let commands: Vec<String> =
            place::free_ports(SERVICES).into_iter().map(|port| service.command(Some(port))).collect();
        let supervisord = Supervisord::new(bin, &place, &commands);
        let open = Samples::take(RUNS, |_| {
            let start = Instant::now();
            supervisord.start();
            let open = all_open(&mut service, start);
            place.end_all();
            open
        });
        figures::line("supervisord: all ports open", &open.words());
    }
}

fn of_procman() -> (Samples, Samples, Samples) {
    let place = Place::new();
    let mut service = Service::compile(&place);
    let services: Vec<(String, Option<u16>)> = place::free_ports(SERVICES)
        .into_iter()
        .map(|port| (service.command(Some(port)), Some(port)))
        .collect();
    let procman = Procman::new(&place, &procman::config(&services));
    let (mut open, mut returned, mut down) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..RUNS {
        let start = Instant::now();
        let mut up = procman.command("up").spawn().unwrap();
        open.push(all_open(&mut service, start));
        assert!(up.wait().unwrap().success(), "procman up did not succeed");
        returned.push(start.elapsed());
        let start = Instant::now();
        procman.run("down");
        down.push(start.elapsed());
    }
    (Samples::new(open), Samples::new(returned), Samples::new(down))
}

fn all_open(service: &mut Service, start: Instant) -> Duration {
    for _ in 0..SERVICES {
        service.next();
    }
    start.elapsed()
}
