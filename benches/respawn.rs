//! A service is killed: how long until the next one runs. Measured from just before the kill to the new process's own word
//! that it is in `main`, so a program's start is part of it.

#![expect(clippy::unwrap_used, reason = "a bench that cannot measure fails")]

#[expect(dead_code, reason = "each bench uses its part")]
mod support;

use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use support::figures::{self, Samples};
use support::place::Place;
use support::procman::{self, Procman};
use support::service::Service;
use support::supervisord::{self, Supervisord};

const KILLS: usize = 50;
const KILLS_OF_SUPERVISORD: usize = 15;

/// Each run outlives `min_uptime`: what is measured is the answer to a crash, not the wait after a series of quick ones.
const MIN_UPTIME: &str = "min_uptime = \"50ms\"\n";
const UPTIME: Duration = Duration::from_millis(120);

/// supervisord's `startsecs` is 1 unless its config says otherwise.
const UPTIME_UNDER_SUPERVISORD: Duration = Duration::from_millis(1300);

fn main() {
    println!("kill -9 of a service, until the next one runs");
    figures::line("procman", &of_procman().words());
    if let Some(bin) = supervisord::installed() {
        let place = Place::new();
        let mut service = Service::compile(&place);
        Supervisord::new(bin, &place, &[service.command(None)]).start();
        let samples = kill_again_and_again(&mut service, KILLS_OF_SUPERVISORD, UPTIME_UNDER_SUPERVISORD);
        figures::line("supervisord", &samples.words());
    }
}

fn of_procman() -> Samples {
    let place = Place::new();
    let mut service = Service::compile(&place);
    let config = procman::config(&[(service.command(None), None)]);
    let procman = Procman::new(&place, &(config + MIN_UPTIME));
    procman.run("up");
    let samples = kill_again_and_again(&mut service, KILLS, UPTIME);
    procman.run("down");
    samples
}

fn kill_again_and_again(service: &mut Service, kills: usize, uptime: Duration) -> Samples {
    let mut pid = service.next().pid;
    Samples::take(kills, |_| {
        thread::sleep(uptime);
        let start = Instant::now();
        kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
        pid = service.next().pid;
        start.elapsed()
    })
}
