//! `supervisor.getAllProcessInfo` of eight services over the unix socket: how many calls a second one client gets answered,
//! by procman and by supervisord in turn, on a connection that stays and on a new one for each call.

#![expect(clippy::unwrap_used, reason = "a bench that cannot measure fails")]

#[expect(dead_code, reason = "each bench uses its part")]
mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ::procman::protocol::xmlrpc::message::{Call, decode_answer};
use ::procman::rundir::paths::Paths;
use support::figures;
use support::place::Place;
use support::procman::{self, Procman};
use support::service::Service;
use support::supervisord::{self, Supervisord};

const SERVICES: usize = 8;

/// How long each is asked in one turn, and how many turns there are.
const TURN: Duration = Duration::from_secs(2);
const TURNS: usize = 5;

fn main() {
    println!("supervisor.getAllProcessInfo of {SERVICES} services, one client");
    let place = Place::new();
    let mut service = Service::compile(&place);
    let services: Vec<(String, Option<u16>)> = (0..SERVICES).map(|_| (service.command(None), None)).collect();
    let own = Procman::new(&place, &procman::config(&services));
    own.run("up");
    for _ in 0..SERVICES {
        service.next();
    }
    let own_socket = Paths::new(&place.path().join("services.toml"), &place.path().join(".procman")).socket;
    let other = supervisord::installed().map(of_supervisord);
    for connection in [Connection::Stays, Connection::PerCall] {
        println!("{}", connection.words());
        let mut rates = [Vec::new(), Vec::new()];
        for _ in 0..TURNS {
            rates[0].push(rate(&own_socket, connection));
            rates[1].extend(other.as_ref().map(|(_, socket)| rate(socket, connection)));
        }
        let [own_rate, other_rate] = rates.map(median);
        figures::line("procman", &own_rate.map_or_else(String::new, |rate| format!("{rate:8.0} calls/s")));
        if let (Some(own), Some(other)) = (own_rate, other_rate) {
            figures::line("supervisord", &format!("{other:8.0} calls/s   ×{:.1}", own / other));
        }
    }
    own.run("down");
}

/// How long a connection lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Connection {
    /// For all calls.
    Stays,
    /// For one, as with supervisorctl's clients.
    PerCall,
}

impl Connection {
    fn words(self) -> &'static str {
        match self {
            Self::Stays => "on a connection that stays",
            Self::PerCall => "on a new connection for each call",
        }
    }
}

/// The same services under supervisord, and its socket.
fn of_supervisord(bin: PathBuf) -> (Place, PathBuf) {
    let place = Place::new();
    let mut service = Service::compile(&place);
    let commands: Vec<String> = (0..SERVICES).map(|_| service.command(None)).collect();
    Supervisord::new(bin, &place, &commands).start();
    for _ in 0..SERVICES {
        service.next();
    }
    let socket = place.path().join("supervisor.sock");
    (place, socket)
}

/// Calls a second, over one turn; each answer is read whole, and the first is proven to have all services.
fn rate(socket: &Path, connection: Connection) -> f64 {
    let call = Call { method: "supervisor.getAllProcessInfo".to_owned(), params: Vec::new() }.encode();
    let request = format!(
        "POST /RPC2 HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/xml\r\nContent-Length: {}\r\n\r\n{call}",
        call.len()
    );
    let connect = || BufReader::new(UnixStream::connect(socket).unwrap());
    let mut answers = connect();
    let start = Instant::now();
    let mut count = 0_u32;
    while start.elapsed() < TURN {
        if count > 0 && connection == Connection::PerCall {
            answers = connect();
        }
        answers.get_mut().write_all(request.as_bytes()).unwrap();
        let answer = answer(&mut answers);
        if count == 0 {
            let processes = decode_answer(&answer).unwrap().unwrap();
            assert_eq!(processes.as_array().unwrap().len(), SERVICES);
        }
        count += 1;
    }
    f64::from(count) / start.elapsed().as_secs_f64()
}

fn answer(answers: &mut BufReader<UnixStream>) -> Vec<u8> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        assert!(answers.read_line(&mut line).unwrap() > 0, "the connection has ended");
        if line == "\r\n" {
            break;
        }
        if let Some((_, value)) =
            line.split_once(':').filter(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    answers.read_exact(&mut body).unwrap();
    body
}

fn median(mut rates: Vec<f64>) -> Option<f64> {
    rates.sort_by(f64::total_cmp);
    rates.get(rates.len() / 2).copied()
}
