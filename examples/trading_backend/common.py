"""What the eight stand-ins share: log lines, a small HTTP server, calls to neighbours, and a clean end.

Whoever starts a service waits for its port, so this file imports little: http.server, http.client and logging
would take longer to import than everything here takes together.
"""

import json
import os
import selectors
import signal
import socket
import socketserver
import threading
import time

PORTS = {
    "main_app": 3000,
    "trade_manager": 4000,
    "active_trade_supervisor": 6000,
    "trade_executor": 8001,
    "btc_price_watchdog": 8002,
    "db_poller": 8003,
    "kalshi_account_sync": 8004,
    "kalshi_api_watchdog": 8005,
}
BODY_BYTES_MAX = 1_000_000
HEADERS_MAX = 100
CLIENT_TIMEOUT_S = 5
WARN_AGAIN_S = 60
END_S = 0.05


class Unavailable(Exception):
    """A neighbour did not answer, or not with success. It may yet, so this is never a reason to end."""


class Refused(Exception):
    """A request that cannot be served, with the HTTP status that says why."""

    def __init__(self, status, reason):
        super().__init__(reason)
        self.status = status


def port_of(name):
    """The port of a service; TRADE_MANAGER_PORT and its like move one elsewhere."""
    return int(os.environ.get(name.upper() + "_PORT") or PORTS[name])


def data_file(name):
    """The path of a file in the data directory, which is created when missing."""
    beside_the_scripts = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data")
    directory = os.environ.get("TRADING_DATA_DIR") or beside_the_scripts
    os.makedirs(directory, exist_ok=True)
    return os.path.join(directory, name)


def write_json(name, value):
    """Replaces a file of the data directory in one step, so that no reader ever sees half of it."""
    path = data_file(name)
    with open(path + ".new", "w", encoding="utf-8") as file:
        json.dump(value, file)
    os.replace(path + ".new", path)


def call(neighbour, path, payload=None, timeout_s=1.0):
    """Asks a neighbour over loopback: GET, or POST if there is a payload. Returns its JSON or raises Unavailable."""
    method = "GET" if payload is None else "POST"
    body = b"" if payload is None else json.dumps(payload).encode()
    head = (
        f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    port = port_of(neighbour)
    try:
        with socket.create_connection(("127.0.0.1", port), timeout_s) as connection:
            connection.sendall(head.encode() + body)
            with connection.makefile("rb") as answer:
                status_line, body = read_message(answer)
        status = int(status_line.split()[1])
        value = json_object(body)
    except (OSError, ValueError, IndexError) as error:
        raise Unavailable(f"cannot ask {neighbour} on port {port} for {path}: {error}") from error
    if status >= 400:
        raise Unavailable(f"{neighbour} answered {status} to {method} {path}: {value.get('error')}")
    return value


def read_message(file):
    """The first line and the body of one HTTP request or answer; both empty when the other side only connected."""
    first_line = file.readline(8192).decode("latin-1").strip()
    length = 0
    for _ in range(HEADERS_MAX):
        line = file.readline(8192)
        if not line.strip():
            break
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length":
            length = int(value)
    if not 0 <= length <= BODY_BYTES_MAX:
        raise ValueError(f"a body of {length} bytes")
    return first_line, file.read(length)


def json_object(body):
    value = json.loads(body) if body else {}
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")
    return value


class Log:
    """Lines such as `2026-11-24 09:49:33,123 INFO main_app: ...`; warnings and errors go to stderr."""

    def __init__(self, name):
        self.name = name

    def info(self, text):
        self._write(1, "INFO", text)

    def warning(self, text):
        self._write(2, "WARNING", text)

    def error(self, text):
        self._write(2, "ERROR", text)

    def _write(self, descriptor, level, text):
        now = time.time()
        stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(now))
        line = f"{stamp},{int(now * 1000) % 1000:03d} {level} {self.name}: {text}\n"
        # One write per line keeps the lines of two threads apart, and leaves no buffer to flush or to lose at the end.
        os.write(descriptor, line.encode())


class Connection(socketserver.StreamRequestHandler):
    """One request of one client."""

    timeout = CLIENT_TIMEOUT_S

    def handle(self):
        try:
            request_line, body = read_message(self.rfile)
            if request_line:
                self.server.service.serve(request_line, body, self.wfile)
        except (OSError, ValueError):
            # The client went away, fell silent, or does not speak HTTP: a port probe does no more than this.
            pass


class Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128
    # Service.run waits by itself, so handle_request must never wait.
    timeout = 0


class Service:
    """A service that holds its port from the moment it is made, and serves from `run` until SIGTERM or SIGINT.

    `routes` maps "GET /path" to a function of the request's JSON that returns a dict (sent as JSON) or a str (HTML).
    """

    def __init__(self, name, routes=None):
        self.name = name
        self.log = Log(name)
        self.started = time.monotonic()
        self.facts = {}
        self.requests = 0
        self.requests_open = 0
        self.request_ended = threading.Condition()
        self.stopping = threading.Event()
        self.threads = []
        self.routes = {"GET /health": self._health, "GET /status": self._status, **(routes or {})}
        self.host = os.environ.get("BIND_HOST") or "127.0.0.1"
        self.port = int(os.environ.get("PORT") or port_of(name))
        # Signals come first: whoever sees the port open may send one at once, and it must end the service cleanly.
        self.signals = self._catch_signals()
        self.server = Server((self.host, self.port), Connection)
        self.server.socket.setblocking(False)
        self.server.service = self

    def every(self, interval_s, work):
        """Does `work` on a thread of its own, first when `run` begins, then again after each interval."""
        self.threads.append(threading.Thread(target=self._repeat, args=(interval_s, work), daemon=True))

    def run(self):
        self.log.info(f"listening on {self.host}:{self.port}, pid {os.getpid()}")
        for thread in self.threads:
            thread.start()
        with selectors.DefaultSelector() as selector:
            selector.register(self.server, selectors.EVENT_READ)
            selector.register(self.signals, selectors.EVENT_READ)
            while self.signals not in [key.fileobj for key, _ in selector.select()]:
                self.server.handle_request()
        self.log.info(f"stopping on {signal.Signals(self.signals.recv(1)[0]).name}")
        self.server.server_close()
        self._finish(time.monotonic() + END_S)
        self.log.info(f"stopped after {self.requests} requests, port {self.port} is closed")

    def serve(self, request_line, body, client):
        """Answers one request; none that comes after the end has begun, so that the last log line is the last."""
        with self.request_ended:
            if self.stopping.is_set():
                return
            self.requests += 1
            self.requests_open += 1
        try:
            client.write(self._answer(request_line, body))
        finally:
            with self.request_ended:
                self.requests_open -= 1
                self.request_ended.notify()

    def _finish(self, deadline):
        """Lets open requests and threads come to their end, until the deadline: a hung neighbour may hold one."""
        with self.request_ended:
            self.stopping.set()
            self.request_ended.wait_for(lambda: self.requests_open == 0, deadline - time.monotonic())
        for thread in self.threads:
            thread.join(max(0, deadline - time.monotonic()))

    def _answer(self, request_line, body):
        began = time.perf_counter()
        status, content = self._dispatch(request_line, body)
        kind = "text/html; charset=utf-8" if isinstance(content, str) else "application/json"
        sent = (content if isinstance(content, str) else json.dumps(content)).encode()
        # Checks come every few seconds for ever, and a line for each would drown the rest.
        method, path = (request_line.split() + ["", ""])[:2]
        if status != 200 or path not in ("/health", "/status"):
            took_ms = (time.perf_counter() - began) * 1000
            self.log.info(f"{method} {path} {status} {took_ms:.1f}ms")
        head = f"HTTP/1.1 {status} {'OK' if status == 200 else 'Error'}\r\nContent-Type: {kind}\r\n"
        return f"{head}Content-Length: {len(sent)}\r\nConnection: close\r\n\r\n".encode() + sent

    def _dispatch(self, request_line, body):
        words = request_line.split()
        if len(words) != 3:
            return 400, {"error": "not an HTTP request"}
        path = words[1].partition("?")[0]
        route = self.routes.get(f"{words[0]} {path}")
        if route is None:
            return 404, {"error": f"no route {words[0]} {path}"}
        try:
            return 200, route(json_object(body))
        except Refused as refused:
            return refused.status, {"error": str(refused)}
        except Unavailable as unavailable:
            self.log.warning(unavailable)
            return 503, {"error": str(unavailable)}
        except (ValueError, KeyError, TypeError) as error:
            return 400, {"error": f"bad request: {error!r}"}
        except Exception as error:  # One broken request must not cost the others their service.
            self.log.error(f"{request_line}: {error!r}")
            return 500, {"error": repr(error)}

    def _health(self, _request):
        return {"status": "ok", "service": self.name}

    def _status(self, _request):
        uptime_s = round(time.monotonic() - self.started, 1)
        own = {"service": self.name, "pid": os.getpid(), "port": self.port, "uptime_s": uptime_s}
        return {**own, "requests": self.requests, **self.facts}

    def _repeat(self, interval_s, work):
        failures = 0
        failures_per_warning = max(1, round(WARN_AGAIN_S / interval_s))
        while not self.stopping.is_set():
            try:
                work()
                if failures:
                    self.log.info(f"{work.__name__} works again, failures before: {failures}")
                failures = 0
            except Exception as error:  # The next round may well succeed, so no failure ends the thread.
                if failures % failures_per_warning == 0 and isinstance(error, Unavailable):
                    self.log.warning(error)
                elif failures % failures_per_warning == 0:
                    self.log.error(f"{work.__name__}: {error!r}")
                failures += 1
            self.stopping.wait(interval_s)

    @staticmethod
    def _catch_signals():
        """A socket that becomes readable with the number of each signal.

        The main thread waits on it and on the port at once, so a signal ends the wait without delay, and no code runs
        in the middle of something else as it would in a signal handler.
        """
        reader, writer = socket.socketpair()
        writer.setblocking(False)
        # Python keeps only the descriptor's number, so the writer must not be closed when this function returns.
        signal.set_wakeup_fd(writer.detach())
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: None)
        return reader
