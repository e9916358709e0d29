//! A thousand services that do nothing, and the same started by a bare loop beside them: how long until all run, what
//! `status` and `down` take then, and how much memory the supervisor and its guardian use. And three hundred that crash as
//! soon as they start: how long `status` takes meanwhile.

#![expect(clippy::unwrap_used, reason = "a bench that cannot measure fails")]

#[expect(dead_code, reason = "each bench uses its part")]
mod support;

use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use support::figures::{self, Samples};
use support::place::{self, Place};
use support::proc;
use support::procman::{self, Procman};
use support::service::Service;

const SERVICES: usize = 1000;
const CRASHING: usize = 300;
const RUNS: usize = 5;
const LOOKS: usize = 20;

/// Services without ports count as running after `min_uptime`; what start-up still has to do is done by then.
const SETTLED: Duration = Duration::from_secs(2);

fn main() {
    println!("{SERVICES} services");
    let bare = Samples::take(RUNS, |_| bare_loop());
    figures::line("a bare loop: all started", &bare.words());
    of_procman("", &vec![None; SERVICES], &bare);
    let ports = place::free_ports(SERVICES).into_iter().map(Some).collect::<Vec<_>>();
    of_procman(", each with a port", &ports, &bare);
    println!("{CRASHING} crash loops");
    figures::line("status meanwhile", &status_among_crashes().words());
}

/// Makes the processes one after another and does nothing else; from the first to the last one's announcement.
fn bare_loop() -> Duration {
    let place = Place::new();
    let mut service = Service::compile(&place);
    let line = service.command(None);
    let mut words = line.split(' ');
    let mut command = Command::new(words.next().unwrap());
    command.args(words).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let start = Instant::now();
    let mut children: Vec<_> = (0..SERVICES).map(|_| command.spawn().unwrap()).collect();
    await_all(&mut service);
    let taken = start.elapsed();
    for child in &mut children {
        child.kill().unwrap();
        child.wait().unwrap();
    }
    taken
}

fn await_all(service: &mut Service) {
    for _ in 0..SERVICES {
        service.next();
    }
}

fn of_procman(kind: &str, ports: &[Option<u16>], bare: &Samples) {
    let place = Place::new();
    let mut service = Service::compile(&place);
    let services: Vec<_> = ports.iter().map(|port| (service.command(*port), *port)).collect();
    let procman = Procman::new(&place, &procman::config(&services));
    let (mut started, mut status, mut down) = (Vec::new(), Vec::new(), Vec::new());
    let mut pss_kib = 0;
    for _ in 0..RUNS {
        let start = Instant::now();
        let mut up = procman.command("up").spawn().unwrap();
        await_all(&mut service);
        started.push(start.elapsed());
        assert!(up.wait().unwrap().success(), "procman up did not succeed");
        status.extend((0..LOOKS).map(|_| timed(|| procman.run("status"))));
        thread::sleep(SETTLED);
        pss_kib = pss_kib_of(&place);
        down.push(timed(|| procman.run("down")));
    }
    let (started, status, down) = (Samples::new(started), Samples::new(status), Samples::new(down));
    let ratio = started.median().as_secs_f64() / bare.median().as_secs_f64();
    figures::line(&format!("procman up: all started{kind}"), &format!("{}   x{ratio:.2}", started.words()));
    figures::line(&format!("procman status{kind}"), &status.words());
    figures::line(&format!("procman down{kind}"), &down.words());
    let pss_mib = f64::from(u32::try_from(pss_kib).unwrap()) / 1024.0;
    figures::line(&format!("PSS of supervisor and guardian{kind}"), &format!("{pss_mib:.1} MiB"));
}

fn timed<T>(act: impl FnOnce() -> T) -> Duration {
    let start = Instant::now();
    act();
    start.elapsed()
}

fn pss_kib_of(place: &Place) -> u64 {
    let pids = proc::of_directory(&place.path());
    let own = pids.into_iter().filter(|pid| proc::runs(*pid, procman::binary()));
    own.map(proc::pss_kib).sum()
}

/// Crash loops never become ready, so nobody waits for them; the looks are spread over the time in which they are most
/// often started again.
fn status_among_crashes() -> Samples {
    const PAUSE: Duration = Duration::from_millis(100);
    let place = Place::new();
    let crashing = vec![("false".to_owned(), None); CRASHING];
    let procman = Procman::new(&place, &procman::config(&crashing));
    procman.run("up --no-wait");
    let looks = Samples::take(LOOKS, |_| {
        thread::sleep(PAUSE);
        // Its exit code says that not all is well.
        timed(|| procman.command("status").status().unwrap())
    });
    procman.run("down");
    looks
}
