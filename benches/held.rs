//! Connections a second to one C program, each for one request: with a socket that it opens itself, and with one that procman
//! holds for it. Both run at the same time and are asked in turn, so that whatever else the machine does is shared.

#![expect(clippy::unwrap_used, reason = "a bench that cannot measure fails")]

#[expect(dead_code, reason = "each bench uses its part")]
mod support;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::socket::{setsockopt, sockopt};

use support::figures;
use support::place::{self, Place};
use support::procman::{Procman, succeed};

/// How often each is asked, in turn with the other, and for how long.
const ROUNDS: usize = 200;
const ROUND: Duration = Duration::from_millis(100);

/// So many clients at once.
const CLIENTS: usize = 2;

fn main() {
    let place = Place::new();
    let program = place.path().join("server");
    let mut compiler = Command::new("cc");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/support/server.c");
    succeed({
        compiler.arg("-O2").arg("-o").arg(&program).arg(source);
        compiler
    });
    let ports = place::free_ports(2);
    let service = |name: &str, port: u16, keys: &str| {
        format!("[services.{name}]\ncommand = \"{} {port}\"\nport = {port}\n{keys}\n", program.display())
    };
    let plain = service("plain", ports[0], "");
    let held = service("held", ports[1], "hold = \"listen-fds\"");
    let procman = Procman::new(&place, &format!("{plain}{held}"));
    procman.run("up");
    for port in &ports {
        rate(*port);
    }
    // Who is asked first in a round changes from one to the next.
    let mut rates: [Vec<f64>; 2] = Default::default();
    let mut ratios = Vec::new();
    for round in 0..ROUNDS {
        let order = if round % 2 == 0 { [0, 1] } else { [1, 0] };
        order.into_iter().for_each(|which: usize| rates[which].push(rate(ports[which])));
        ratios.push(rates[1][round] / rates[0][round]);
    }
    procman.run("down");
    println!("connections a second to one C program, {ROUNDS} rounds of {ROUND:?} each, {CLIENTS} clients");
    for (what, rates) in ["its own socket", "a socket that procman holds"].into_iter().zip(&rates) {
        figures::line(what, &format!("median {:8.0} /s", median(rates)));
    }
    figures::line("held beside its own, round by round", &format!("median ×{:.3}", median(&ratios)));
}

/// Connections that are answered in a second.
fn rate(port: u16) -> f64 {
    let start = Instant::now();
    let client = move || {
        let mut count = 0;
        while start.elapsed() < ROUND {
            request(port);
            count += 1;
        }
        count
    };
    let clients: Vec<_> = (0..CLIENTS).map(|_| thread::spawn(client)).collect();
    let answered: u32 = clients.into_iter().map(|client| client.join().unwrap()).sum();
    f64::from(answered) / start.elapsed().as_secs_f64()
}

/// One request on a connection of its own. It ends by a reset, so that no port is kept back for a minute (TIME_WAIT).
fn request(port: u16) {
    let mut stream = TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], port))).unwrap();
    setsockopt(&stream, sockopt::Linger, &libc::linger { l_onoff: 1, l_linger: 0 }).unwrap();
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = Vec::with_capacity(64);
    stream.read_to_end(&mut answer).unwrap();
    assert!(answer.ends_with(b"ok"));
}

fn median(of: &[f64]) -> f64 {
    let mut sorted = of.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}
