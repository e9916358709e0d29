use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use super::load::{Load, request};
use super::{http_server, kill_9};
use crate::harness::{DEADLINE, Fleet, free_port, wait_until};

/// One that ends at its stop signal at once, as most do, and takes its time for each answer. `loop` is `threads`, each of
/// which waits in accept(), or `asyncio`, which waits in epoll.
const ABRUPT: &str = "
import asyncio, os, socket, sys, threading, time
ANSWER = b'HTTP/1.0 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nok'
def serve(listener):
    while True:
        connection, _ = listener.accept()
        connection.recv(4096)
        time.sleep(0.02)
        connection.sendall(ANSWER)
        connection.close()
async def answer(reader, writer):
    await reader.read(4096)
    await asyncio.sleep(0.02)
    writer.write(ANSWER)
    await writer.drain()
    writer.close()
async def loop(listener):
    async with await asyncio.start_server(answer, sock=listener) as server:
        await server.serve_forever()
listener = socket.socket()
listener.bind(('127.0.0.1', int(sys.argv[2])))
listener.listen()
if sys.argv[1] == 'asyncio':
    asyncio.run(loop(listener))
for _ in range(3):
    threading.Thread(target=serve, args=[listener], daemon=True).start()
serve(listener)
";

/// What a server does that ends well: it takes no more, and answers what it has taken.
const GRACEFUL: &str = "
import http.server, signal, sys, threading
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header('Content-Length', '2')
        self.end_headers()
        self.wfile.write(b'ok')
    def log_message(self, *words):
        pass
server = http.server.ThreadingHTTPServer(('127.0.0.1', int(sys.argv[1])), Handler)
server.daemon_threads = False
signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
server.serve_forever(poll_interval=0.05)
server.server_close()
";

#[test]
fn rolling_restarts_of_a_server_that_ends_well_fail_no_request() {
    let port = free_port();
    let fleet = Fleet::new(&format!(
        "[services.web]\ncommand = \"python3 -u server.py {port}\"\nport = {port}\nhold = \"python\"\n\
         min_uptime = \"1ms\"\nhealth = {{ http = \"/\", interval = \"100ms\" }}\n"
    ));
    fs::write(fleet.path().join("server.py"), GRACEFUL).unwrap();
    fleet.run("up -q").expect(0);
    let load = Load::on(port);
    for _ in 0..10 {
        let old = fleet.pid("web");
        fleet.run("restart web --rolling -q").expect(0);
        assert_ne!(fleet.pid("web"), old);
        load.wait_for_answers();
    }
    let counts = load.end();
    assert_eq!((counts.refused, counts.broken), (0, 0), "{counts:?}");
}

/// Rolls a service ten times under the load of several clients, none of which notices.
fn check_rolls(fleet: &Fleet, port: u16) {
    fleet.run("up -q").expect(0);
    let loads: Vec<Load> = (0..3).map(|_| Load::on(port)).collect();
    for _ in 0..10 {
        let old = fleet.pid("web");
        let start = Instant::now();
        fleet.run("restart web --rolling -q").expect(0);
        assert!(start.elapsed() < DEADLINE, "nobody had to wait for the end of `drain`");
        assert_ne!(fleet.pid("web"), old);
        loads.iter().for_each(Load::wait_for_answers);
    }
    for load in loads {
        let counts = load.end();
        assert_eq!((counts.refused, counts.broken), (0, 0), "{counts:?}");
    }
    let errors = fleet.read("logs/web.err.log");
    assert!(!errors.contains("Error"), "{errors}");
}

#[test]
fn rolling_restarts_of_a_server_that_ends_at_once_fail_no_request() {
    let port = free_port();
    check_rolls(&http_server(port, "hold = \"python\"\ndrain = \"10m\""), port);
}

#[test]
fn rolling_restarts_fail_no_request_wherever_a_program_waits_for_connections() {
    for way in ["threads", "asyncio"] {
        let port = free_port();
        let fleet = Fleet::new(&format!(
            "[services.web]\ncommand = \"python3 -u server.py {way} {port}\"\nport = {port}\nhold = \"python\"\n\
             drain = \"10m\"\nmin_uptime = \"1ms\"\n"
        ));
        fs::write(fleet.path().join("server.py"), ABRUPT).unwrap();
        check_rolls(&fleet, port);
    }
}

#[test]
fn a_replaced_run_finishes_within_its_drain_whoever_dies_meanwhile() {
    let port = free_port();
    let fleet =
        http_server(port, "hold = \"python\"\ndrain = \"6s\"\nhealth = { http = \"/\", interval = \"1h\" }");
    fleet.run("up -q").expect(0);
    // One connection that nothing is said on.
    let mut idle = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let old = fleet.pid("web");
    let taken = || request(port).is_ok();
    wait_until("it was accepted before this one", || taken().then_some(()));
    let start = Instant::now();
    thread::scope(|scope| {
        let roll = scope.spawn(|| fleet.run("restart web --rolling -q"));
        wait_until("the old run drains", || {
            (fleet.pid("web") != old && fleet.service("web").second.is_some()).then_some(())
        });
        kill_9(fleet.supervisor_pid());
        roll.join().unwrap();
    });
    wait_until("the next supervisor is in charge", || fleet.supervisor_pid_if_any());
    idle.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
    let heard = idle.read(&mut [0]);
    assert!(
        heard.as_ref().is_err_and(|error| error.kind() == ErrorKind::WouldBlock),
        "{heard:?} after {:?}",
        start.elapsed()
    );
    wait_until("the old run has ended", || fleet.service("web").second.is_none().then_some(()));
    let took = start.elapsed();
    assert!(took >= Duration::from_secs(6) && took < DEADLINE, "{took:?}");
    let _ = idle.write_all(b"GET / HTTP/1.0\r\n\r\n");
    assert!(taken());
}

#[test]
fn a_replica_that_starts_leaves_a_shared_socket_as_the_others_have_it() {
    let port = free_port();
    let server = "
import os, socket, sys, time
listener = socket.socket()
listener.bind(('127.0.0.1', int(sys.argv[1])))
listener.listen()
if os.environ['PROCMAN_REPLICA'] == '1':
    listener.setblocking(False)
while not os.path.exists('look'):
    time.sleep(0.005)
with open('seen-' + os.environ['PROCMAN_REPLICA'], 'w') as file:
    print(os.get_blocking(listener.fileno()), file=file)
time.sleep(1000)
";
    let fleet = Fleet::new(&format!(
        "[services.web]\ncommand = \"python3 -u server.py {port}\"\nport = {port}\nhold = \"python\"\n"
    ));
    fs::write(fleet.path().join("server.py"), server).unwrap();
    fleet.run("up -q").expect(0);
    fleet.run("scale web=2 -q").expect(0);
    fs::write(fleet.path().join("look"), "").unwrap();
    let seen = |number| fs::read_to_string(fleet.path().join(format!("seen-{number}"))).ok();
    let seen = |number| wait_until("it has looked", || seen(number).filter(|seen| seen.ends_with('\n')));
    assert_eq!((seen(1), seen(2)), ("False\n".to_owned(), "False\n".to_owned()));
}

#[test]
fn replicas_share_a_held_port_and_are_exchanged_in_turn() {
    let port = free_port();
    let fleet = http_server(port, "hold = \"python\"\nreplicas = 2");
    fleet.run("up -q").expect(0);
    let load = Load::on(port);
    fleet.run("scale web=3 -q").expect(0);
    let pids = || ["web", "web-2", "web-3"].map(|name| fleet.pid(name));
    let before = pids();
    fleet.run("restart web --rolling -q").expect(0);
    assert!(pids().iter().all(|pid| !before.contains(pid)));
    fleet.run("scale web=1 -q").expect(0);
    load.wait_for_answers();
    let counts = load.end();
    assert_eq!(counts.refused, 0, "{counts:?}");
    // A program that ends at its stop signal at once takes along the one connection that it may have had.
    assert!(counts.broken <= 5, "{counts:?}");
}
