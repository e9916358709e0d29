"""Answers bind() on the ports that procman holds for this service with the held sockets.

procman puts the directory of this file in front of PYTHONPATH, so that Python runs it at its start, and lists the
sockets in PROCMAN_HELD. A program then takes over a socket that is listening already, in which connections wait while
one run follows another. Ports that are not held, port 0, UDP and unix sockets are none of its business.

When a run was replaced, procman sends it SIGURG: it accepts no more, and answers what it has accepted. With PROCMAN_STACKS
the same signal has it write the stacks of its threads, before it is ended because it hangs.
"""

import os
import sys


def declared():
    """The descriptor, host and port of each socket that was handed down."""
    for word in os.environ.get("PROCMAN_HELD", "").split():
        number, _, address = word.partition("=")
        host, _, port = address.rpartition(":")
        yield int(number), host.strip("[]"), int(port)


class Held:
    """A held socket, and the descriptor by which this process has it."""

    def __init__(self, number, family, packed, shown, port):
        self.number, self.family, self.packed = number, family, packed
        self.shown, self.port = shown, port
        self.inode = os.fstat(number).st_ino

    def is_open(self):
        try:
            return os.fstat(self.number).st_ino == self.inode
        except OSError:
            return False


def install():
    import socket
    from _socket import socket as plain

    inet = (socket.AF_INET, socket.AF_INET6)
    wildcards = {family: bytes(4 if family == socket.AF_INET else 16) for family in inet}
    said = set()

    def packed(family, host):
        return socket.inet_pton(family, host.partition("%")[0])

    def address_of(sock):
        """Where a socket listens; None if it does not."""
        try:
            if sock.family not in inet or not sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                return None
            host, port = sock.getsockname()[:2]
            return sock.family, packed(sock.family, host), port
        except OSError:
            return None

    def inherited():
        """What was handed down and is there: a child may have closed it, and have something else in its place."""
        for number, host, port in declared():
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            try:
                sock = socket.socket(family, socket.SOCK_STREAM, 0, number)
            except OSError:
                continue
            address = family, packed(family, host), port
            is_it = address_of(sock) == address
            sock.detach()
            if is_it:
                yield Held(number, address[0], address[1], host, port)

    held = list(inherited())
    addresses = {(one.family, one.packed, one.port) for one in held}
    if not held:
        return

    def say(asked, text):
        if (asked, text) not in said:
            said.add((asked, text))
            sys.stderr.write("procman: %s\n" % text)
            sys.stderr.flush()

    def resolved(sock, address):
        """The host that bind() would take, in the family of the socket."""
        host = address[0]
        if host == "":
            return wildcards[sock.family]
        try:
            return packed(sock.family, host)
        except (OSError, TypeError, AttributeError):
            found = socket.getaddrinfo(host, None, sock.family, socket.SOCK_STREAM)
            return packed(sock.family, found[0][4][0])

    def covers(one, family, asked):
        if one.family == family and one.packed in (asked, wildcards[family]):
            return True
        # Held without a restriction to IPv6, which is the system's usual way.
        return one.family == socket.AF_INET6 and one.packed == wildcards[one.family]

    def choose(sock, address):
        """The held socket that answers a bind() to this address; None if none does."""
        if sock.family not in inet or sock.type & 15 != socket.SOCK_STREAM or len(address) < 2:
            return None
        on_port = [one for one in held if one.port == address[1] and one.is_open()]
        if not on_port:
            return None
        asked = resolved(sock, address)
        on_port.sort(key=lambda one: (one.packed != asked, one.family != sock.family))
        for one in on_port:
            if covers(one, sock.family, asked):
                return one
        shown = socket.inet_ntop(sock.family, asked)
        if asked == wildcards[sock.family]:
            text = 'the program asks for %s and gets %s, where port %d is held; `host = "%s"` would hold that'
            say(asked, text % (shown, on_port[0].shown, address[1], shown))
            return on_port[0]
        text = 'port %d is not held at %s; `host = ["%s", "%s"]` would hold it there, too'
        say(asked, text % (address[1], shown, on_port[0].shown, shown))
        return None

    def bind(self, address):
        one = choose(self, address) if isinstance(address, tuple) else None
        if one is None:
            return plain.bind(self, address)
        number, timeout = self.fileno(), self.gettimeout()
        os.dup2(one.number, number, os.get_inheritable(number))
        if self.family != one.family:
            plain.__init__(self, one.family, socket.SOCK_STREAM, self.proto, number)
        # Whether it waits belongs to the socket: a run beside this one may have it that way, and accept() can do both.
        if timeout is not None:
            self.settimeout(timeout)

    def listen(self, *backlog):
        # It listens already, with the longest queue that the system gives.
        if address_of(self) not in addresses:
            return plain.listen(self, *backlog)

    def shutdown(self, how):
        # This would end the listening of all who have the socket, and of the next run.
        if address_of(self) not in addresses:
            return plain.shutdown(self, how)

    socket.socket.bind, socket.socket.listen, socket.socket.shutdown = bind, listen, shutdown
    keep_in_children(held)
    drain_when_told(held)


def keep_in_children(held):
    """Lets Python children have the sockets, too: subprocess and multiprocessing close what they are not told to keep."""
    try:
        import _posixsubprocess
    except ImportError:
        return
    plain = _posixsubprocess.fork_exec

    def fork_exec(*words):
        keep = set(words[3]).union(one.number for one in held if one.is_open())
        return plain(*(words[:3] + (tuple(sorted(keep)),) + words[4:]))

    _posixsubprocess.fork_exec = fork_exec


def descriptors():
    """The numbers of all that are open."""
    return [int(name) for name in os.listdir("/dev/fd")]


def drain_when_told(held):
    """Takes the held sockets away from the program at SIGURG, and leaves it deaf ones in their place."""
    import select
    import signal
    import socket
    from _socket import socket as plain
    from _thread import get_ident

    accept_of_socket = socket.socket.accept
    inodes = {one.inode for one in held}
    waiting = set()
    deaf = []

    def is_held(number, inherited):
        try:
            return number not in inherited and os.fstat(number).st_ino in inodes
        except OSError:
            return False

    def epolls_with(number):
        """Copies of all epoll sets that had the socket: they know it by itself, not by its number, and forget it here."""
        for one in descriptors() if hasattr(select, "epoll") else ():
            try:
                if os.readlink("/proc/self/fd/%d" % one) != "anon_inode:[eventpoll]":
                    continue
                copy = select.epoll.fromfd(os.dup(one))
            except OSError:
                continue
            try:
                copy.unregister(number)
            except OSError:
                copy.close()
            else:
                yield copy

    def deafen(number):
        if not deaf:
            # It listens where nobody connects, so that it never has anything to accept, and never waits for it.
            sock = plain(socket.AF_INET, socket.SOCK_STREAM)
            sock.bind(("127.0.0.1", 0))
            sock.listen(1)
            sock.setblocking(False)
            deaf.append(sock)
        sets = list(epolls_with(number))
        os.dup2(deaf[0].fileno(), number, os.get_inheritable(number))
        for one in sets:
            one.register(number, select.EPOLLIN)
            one.close()

    def drain(*_):
        inherited = {one.number for one in held if one.is_open()}
        try:
            taken = [number for number in descriptors() if is_held(number, inherited)]
            for number in taken:
                deafen(number)
        except OSError:
            # The program is none the wiser, and goes on as it would without this.
            return
        # Those who wait in accept() do so for the socket that they had found; they look again.
        for thread in list(waiting) if taken else ():
            signal.pthread_kill(thread, signal.SIGURG)

    def accept(self):
        if self.gettimeout() is not None:
            return accept_of_socket(self)
        thread = get_ident()
        while True:
            waiting.add(thread)
            try:
                return accept_of_socket(self)
            except BlockingIOError:
                # The standard library's servers have looked before, and take this for nothing.
                if sys._getframe(1).f_globals.get("__name__") == "socketserver":
                    raise
            finally:
                waiting.discard(thread)
            poll = select.poll()
            poll.register(self.fileno(), select.POLLIN)
            poll.poll()

    try:
        signal.signal(signal.SIGURG, drain)
    except ValueError:
        # Python was started in a thread that gets no signals.
        return
    socket.socket.accept = accept


def chain():
    """Runs the sitecustomize that Python would have found without this one."""
    from importlib.machinery import PathFinder
    from importlib.util import module_from_spec

    here = os.path.dirname(os.path.abspath(__file__))
    spec = PathFinder.find_spec("sitecustomize", [it for it in sys.path if os.path.abspath(it) != here])
    if spec is not None and spec.loader is not None:
        module = module_from_spec(spec)
        sys.modules["sitecustomize"] = module
        spec.loader.exec_module(module)


def show_stacks():
    """Writes the stacks of all threads into the file of PROCMAN_STACKS at SIGURG, whatever the threads are doing.

    That the file is there tells procman that somebody listens. The signal does what it did besides.
    """
    place = os.environ.get("PROCMAN_STACKS")
    if not place:
        return
    import faulthandler
    import fcntl
    import signal

    number = os.open(place, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        # Far from the numbers that programs get, close and count on.
        number, low = fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, 200), number
        os.close(low)
    except OSError:
        # The program may not have that many.
        pass
    before = signal.getsignal(signal.SIGURG)
    goes_on = before not in (signal.SIG_DFL, signal.SIG_IGN, None)
    faulthandler.register(signal.SIGURG, file=number, all_threads=True, chain=goes_on)


try:
    if os.environ.get("PROCMAN_HELD"):
        install()
finally:
    try:
        show_stacks()
    except (ImportError, OSError) as error:
        sys.stderr.write("procman: stacks cannot be shown: %s\n" % error)
    finally:
        chain()
