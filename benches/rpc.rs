//! `supervisor.getAllProcessInfo` of eight services over the unix socket: how many calls a second get answered by procman, by
//! supervisord and by a thread that knows the answer already, in turn. One client that waits for each answer before it asks
//! again shows how long an answer takes, its own work included; four clients show how many a server can give.

#![expect(clippy::unwrap_used, reason = "a bench that cannot measure fails")]

#[expect(dead_code, reason = "each bench uses its part")]
mod support;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use ::procman::protocol::xmlrpc::message::{Call, decode_answer};
use ::procman::rundir::lock;
use ::procman::rundir::paths::Paths;
use support::place::Place;
use support::procman::{self, Procman};
use support::service::Service;
use support::supervisord::{self, Supervisord};
use support::{figures, proc};

const SERVICES: usize = 8;

/// How long each is asked in one turn, and how many turns there are.
const TURN: Duration = Duration::from_secs(1);
const TURNS: usize = 7;

fn main() {
    println!("supervisor.getAllProcessInfo of {SERVICES} services");
    let place = Place::new();
    let mut service = Service::compile(&place);
    let services: Vec<(String, Option<u16>)> = (0..SERVICES).map(|_| (service.command(None), None)).collect();
    let own = Procman::new(&place, &procman::config(&services));
    own.run("up");
    for _ in 0..SERVICES {
        service.next();
    }
    let other = supervisord::installed().map(of_supervisord);
    let mut servers = vec![of_procman(&place)];
    servers.extend(other.as_ref().map(|(_, server)| server.clone()));
    servers.push(bare(&place, &servers[0].socket));
    for clients in [Clients::One, Clients::OneAnew, Clients::Four] {
        println!("{}", clients.words());
        let mut turns: Vec<Vec<Turn>> = vec![Vec::new(); servers.len()];
        for _ in 0..TURNS {
            for (server, turns) in servers.iter().zip(&mut turns) {
                turns.push(Turn::take(server, clients));
            }
        }
        print(&servers, &turns);
    }
    own.run("down");
}

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Clients {
    /// One, on a connection that stays, as Python's `xmlrpc.client` does.
    One,
    /// One, on a new connection for each call.
    OneAnew,
    /// Four at once, each on a connection that stays.
    Four,
}

impl Clients {
    fn words(self) -> &'static str {
        match self {
            Self::One => "one client, on a connection that stays",
            Self::OneAnew => "one client, on a new connection for each call",
            Self::Four => "four clients at once, each on a connection that stays",
        }
    }

    fn count(self) -> usize {
        match self {
            Self::One | Self::OneAnew => 1,
            Self::Four => 4,
        }
    }
}

/// Who answers.
#[derive(Debug, Clone)]
struct Server {
    name: &'static str,
    socket: PathBuf,
    /// Its process; none if that is this one.
    pid: Option<i32>,
}

fn of_procman(place: &Place) -> Server {
    let paths = Paths::new(&place.path().join("services.toml"), &place.path().join(".procman"));
    let holder = match lock::supervisor(&paths).unwrap() {
        lock::Supervisor::Alive(holder) => holder.unwrap(),
        lock::Supervisor::Nobody => unreachable!("`up` has returned"),
    };
    Server { name: "procman", socket: paths.socket, pid: Some(holder.pid.as_raw()) }
}

/// The same services under supervisord.
fn of_supervisord(bin: PathBuf) -> (Place, Server) {
    let place = Place::new();
    let mut service = Service::compile(&place);
    let commands: Vec<String> = (0..SERVICES).map(|_| service.command(None)).collect();
    Supervisord::new(bin, &place, &commands).start();
    for _ in 0..SERVICES {
        service.next();
    }
    let pid = fs::read_to_string(place.path().join("supervisord.pid")).unwrap().trim().parse().unwrap();
    let server = Server { name: "supervisord", socket: place.path().join("supervisor.sock"), pid: Some(pid) };
    (place, server)
}

/// What the system itself takes: threads that give the answer of another, whatever they read.
fn bare(place: &Place, other: &Path) -> Server {
    let mut client = Client::connect(other);
    client.call(&request());
    let answer = client.answer;
    let socket = place.path().join("bare.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    for _ in 0..Clients::Four.count() {
        let (listener, answer) = (listener.try_clone().unwrap(), answer.clone());
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (mut stream, mut asked) = (stream.unwrap(), [0; 4096]);
                while stream.read(&mut asked).unwrap_or(0) > 0 && stream.write_all(&answer).is_ok() {}
            }
        });
    }
    Server { name: "threads that read and write as many bytes", socket, pid: None }
}

/// What came of one turn.
#[derive(Debug, Clone, Copy)]
struct Turn {
    calls_per_second: f64,
    /// The server's processor time for each call.
    cpu_us: Option<f64>,
}

impl Turn {
    fn take(server: &Server, clients: Clients) -> Self {
        let cpu = || server.pid.map(proc::cpu);
        let (start, before) = (Instant::now(), cpu());
        let calls: u32 = thread::scope(|scope| {
            let clients: Vec<_> =
                (0..clients.count()).map(|_| scope.spawn(|| ask(&server.socket, clients))).collect();
            clients.into_iter().map(|client| client.join().unwrap()).sum()
        });
        let calls_per_second = f64::from(calls) / start.elapsed().as_secs_f64();
        let taken = cpu().zip(before).map(|(after, before)| after.saturating_sub(before));
        Self { calls_per_second, cpu_us: taken.map(|taken| taken.as_secs_f64() * 1e6 / f64::from(calls)) }
    }
}

/// How many calls one client gets answered in a turn; each answer is read whole, and the first is parsed and proven to have all
/// services.
fn ask(socket: &Path, clients: Clients) -> u32 {
    let request = request();
    let mut client = Client::connect(socket);
    let start = Instant::now();
    let mut count = 0;
    while start.elapsed() < TURN {
        if count > 0 && clients == Clients::OneAnew {
            client = Client::connect(socket);
        }
        client.call(&request);
        if count == 0 {
            let processes = decode_answer(&client.answer[client.head..]).unwrap().unwrap();
            assert_eq!(processes.as_array().unwrap().len(), SERVICES);
        }
        count += 1;
    }
    count
}

fn request() -> String {
    let call = Call { method: "supervisor.getAllProcessInfo".to_owned(), params: Vec::new() }.encode();
    let length = call.len();
    format!(
        "POST /RPC2 HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/xml\r\nContent-Length: {length}\r\n\r\n{call}"
    )
}

/// A client that costs little beside what it measures.
struct Client {
    stream: BufReader<UnixStream>,
    /// The last answer, head and body.
    answer: Vec<u8>,
    /// So many bytes of it are the head.
    head: usize,
}

impl Client {
    fn connect(socket: &Path) -> Self {
        let stream = BufReader::with_capacity(32 * 1024, UnixStream::connect(socket).unwrap());
        Self { stream, answer: Vec::new(), head: 0 }
    }

    fn call(&mut self, request: &str) {
        const LENGTH: &[u8] = b"content-length:";
        self.stream.get_mut().write_all(request.as_bytes()).unwrap();
        self.answer.clear();
        let mut length = 0;
        loop {
            let begin = self.answer.len();
            assert!(self.stream.read_until(b'\n', &mut self.answer).unwrap() > 0, "the connection has ended");
            let line = &self.answer[begin..];
            if line == b"\r\n" {
                break;
            }
            if line.get(..LENGTH.len()).is_some_and(|name| name.eq_ignore_ascii_case(LENGTH)) {
                length = std::str::from_utf8(&line[LENGTH.len()..]).unwrap().trim().parse().unwrap();
            }
        }
        self.head = self.answer.len();
        self.answer.resize(self.head + length, 0);
        self.stream.read_exact(&mut self.answer[self.head..]).unwrap();
        assert!(self.answer.ends_with(b"</methodResponse>\n"), "the answer is not whole");
    }
}

/// A line for each server, compared with supervisord where that could be installed.
fn print(servers: &[Server], turns: &[Vec<Turn>]) {
    let rates = |turns: &[Turn]| turns.iter().map(|turn| turn.calls_per_second).collect::<Vec<_>>();
    let other = servers.iter().position(|server| server.name == "supervisord").map(|at| rates(&turns[at]));
    for (server, turns) in servers.iter().zip(turns) {
        let own = rates(turns);
        let mut words = format!("{:8.0} calls/s", median(own.clone()));
        if let Some(cpu_us) = turns.iter().map(|turn| turn.cpu_us).collect::<Option<Vec<_>>>() {
            words.push_str(&format!("   {:6.1} µs of its CPU a call", median(cpu_us)));
        }
        if let Some(other) = other.as_ref().filter(|_| server.name != "supervisord") {
            let by_turn: Vec<f64> = own.iter().zip(other).map(|(own, other)| own / other).collect();
            let least = by_turn.iter().copied().fold(f64::INFINITY, f64::min);
            let most = by_turn.iter().copied().fold(0.0, f64::max);
            words.push_str(&format!("   ×{:.1} (×{least:.1} to ×{most:.1})", median(by_turn)));
        }
        figures::line(server.name, &words);
    }
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}
