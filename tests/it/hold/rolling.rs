use std::fs;

use super::http_server;
use super::load::Load;
use crate::harness::{Fleet, free_port};

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
