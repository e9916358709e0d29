//! A child that does what its arguments say, in their order: the services of the integration tests and benches.
//!
//! ```text
//! listen PORT         listen on 127.0.0.1:PORT and accept connections
//! http PORT STATUS    listen and answer every request with that status
//! http-from PORT FILE   listen and answer every request with what the file says: a status, and a body behind it
//! beat FILE MS UNTIL  touch a file each so many ms from here on, until another file is there, which is taken away
//! notify TEXT         send that to NOTIFY_SOCKET; `+` stands for a new line, `@` for its pid
//! daemonize FILE      go on in a session of its own, through a double fork; who was started ends when a file is there
//! daemonize-and-tell  the same; who was started says that it is ready, and who its main process is, and ends at once
//! heir                go on in a child; who was started stays
//! notify-each MS TEXT UNTIL   send that each so many ms from here on, until a file is there, as above
//! listen-inherited PORT   listen, with a socket that children inherit
//! listen-at PLACE     listen on an address and port, such as 127.0.0.2:3000
//! listen-for PORT MS  listen for so long, and go on at once
//! udp PORT            wait for datagrams on 127.0.0.1:PORT
//! serve-fds           answer on every socket of LISTEN_FDS with this pid and the socket's name, over HTTP
//! serve-stdin         the same on standard input
//! after MS            wait so long
//! out TEXT, err TEXT  write a line
//! lines COUNT         write numbered lines to standard output
//! numbered FROM COUNT write numbered lines of 100 bytes to standard output, as fast as they go
//! count MS            write numbered lines from here on, one in so many ms, and keep in `counted/RUN-PID` how many
//! ignore-term         ignore SIGTERM from here on
//! child stubborn      fork a child that ignores SIGTERM, in the same group
//! child setsid        fork a child in a session of its own
//! child orphan        fork a child through a double fork, in a session of its own
//! child hidden        fork a child through a double fork, in a session of its own, with an empty environment
//! child family COUNT  fork that many descendants, through sessions of their own and double forks in turn
//! child flies MS      fork a child each so many ms that leaves an orphan and ends, as that does, and is never waited for
//! hold-mb COUNT       keep so many megabytes of memory
//! touch FILE          make a file
//! wait-for FILE       wait until a file is there
//! exit CODE           end with that code
//! exit-if FILE CODE   end with that code, and say so, if a file is there
//! beats               write pid and time to the file `beats`, each few ms from here on
//! abort               end by SIGABRT
//! stay                stay until a signal comes
//! ```

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::exit,
    reason = "a puppet that is told nonsense fails its test"
)]

mod numbered;

use std::fs::File;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, exit};
use std::thread;
use std::time::Duration;

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::signal::{SigHandler, Signal, signal};
use nix::sys::socket::accept;
use nix::unistd::{ForkResult, Pid, fork, setsid};

use numbered::Numbered;

fn main() {
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut next = || words.next().unwrap_or_else(|| panic!("`{word}` wants another word"));
        match word.as_str() {
            "listen" => serve(&next(), None, Inheritance::Closed),
            "listen-inherited" => serve(&next(), None, Inheritance::Kept),
            "http-from" => {
                let (port, file) = (next(), next());
                serve_file(&port, file);
            }
            "beat" => {
                let (file, pause, until) = (next(), next(), next());
                again_and_again(&pause, until, move || std::fs::write(&file, "beat").unwrap());
            }
            "notify" => notify(&next()),
            "daemonize" => {
                let file = next();
                let _ = std::fs::remove_file(&file);
                daemonize(|_| wait_for(&file));
            }
            "daemonize-and-tell" => daemonize(|pid| notify(&format!("MAINPID={pid}+READY=1"))),
            "heir" => go_on_in_child(|_| stay()),
            "notify-each" => {
                let (pause, text, until) = (next(), next(), next());
                again_and_again(&pause, until, move || notify(&text));
            }
            "listen-at" => serve_at(next().parse().unwrap(), None, Inheritance::Closed),
            "listen-for" => listen_for(next().parse().unwrap(), next().parse().unwrap()),
            "udp" => wait_for_datagrams(next().parse().unwrap()),
            "http" => {
                let port = next();
                serve(&port, Some(next()), Inheritance::Closed);
            }
            "serve-fds" => serve_fds(),
            "serve-stdin" => answer(0, "stdin"),
            "after" => thread::sleep(Duration::from_millis(next().parse().unwrap())),
            "out" => println!("{}", next()),
            "err" => eprintln!("{}", next()),
            "lines" => lines(next().parse().unwrap()),
            "numbered" => numbered(next().parse().unwrap(), next().parse().unwrap()),
            "count" => count(next().parse().unwrap()),
            "ignore-term" => ignore_term(),
            "child" => match next().as_str() {
                "family" => family(next().parse().unwrap()),
                "flies" => flies(next().parse().unwrap()),
                kind => child(kind),
            },
            "hold-mb" => drop(vec![1_u8; next().parse::<usize>().unwrap() * 1_000_000].leak()),
            "touch" => drop(File::create(next()).unwrap()),
            "wait-for" => wait_for(&next()),
            "exit-if" => {
                let (file, code) = (next(), next());
                if Path::new(&file).exists() {
                    eprintln!("cannot go on: {file}");
                    exit(code.parse().unwrap());
                }
            }
            "beats" => beat(),
            "exit" => exit(next().parse().unwrap()),
            "abort" => std::process::abort(),
            "stay" => stay(),
            _ => panic!("the puppet does not know `{word}`"),
        }
    }
}

fn serve_fds() {
    let variable = |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"));
    assert_eq!(variable("LISTEN_PID"), std::process::id().to_string());
    let names = variable("LISTEN_FDNAMES");
    assert_eq!(names.split(':').count().to_string(), variable("LISTEN_FDS"));
    for (fd, name) in (3..).zip(names.split(':')) {
        answer(fd, name);
    }
}

/// Answers on a socket that somebody else made, one connection after the other.
fn answer(fd: i32, name: &str) {
    // SAFETY: whoever started the puppet says that this descriptor is its own.
    let socket = unsafe { OwnedFd::from_raw_fd(fd) };
    let name = name.to_owned();
    thread::spawn(move || {
        loop {
            let Ok(accepted) = accept(socket.as_raw_fd()) else { continue };
            // SAFETY: the kernel just gave this descriptor to us.
            let mut stream = File::from(unsafe { OwnedFd::from_raw_fd(accepted) });
            let _ = stream.read(&mut [0; 1024]);
            let body = format!("{} {name}", std::process::id());
            let length = body.len();
            let _ = write!(stream, "HTTP/1.0 200 OK\r\ncontent-length: {length}\r\n\r\n{body}");
        }
    });
}

enum Inheritance {
    Closed,
    Kept,
}

fn wait_for_datagrams(port: u16) {
    std::mem::forget(UdpSocket::bind(("127.0.0.1", port)).unwrap());
}

fn listen_for(port: u16, millis: u64) {
    let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    thread::spawn(move || {
        thread::sleep(Duration::from_millis(millis));
        drop(listener);
    });
}

fn serve(port: &str, status: Option<String>, inheritance: Inheritance) {
    serve_at(SocketAddr::from(([127, 0, 0, 1], port.parse().unwrap())), status, inheritance);
}

fn serve_at(place: SocketAddr, status: Option<String>, inheritance: Inheritance) {
    let listener = TcpListener::bind(place).unwrap_or_else(|error| {
        eprintln!("OSError: cannot listen on {place}: {error}");
        exit(1);
    });
    if matches!(inheritance, Inheritance::Kept) {
        fcntl(&listener, FcntlArg::F_SETFD(FdFlag::empty())).unwrap();
    }
    thread::spawn(move || {
        let mut open = Vec::new();
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { continue };
            if let Some(status) = &status {
                let _ = stream.read(&mut [0; 1024]);
                let _ = write!(stream, "HTTP/1.1 {status} Puppet\r\ncontent-length: 0\r\n\r\n");
            } else {
                open.push(stream);
            }
        }
    });
}

fn serve_file(port: &str, file: String) {
    let listener = TcpListener::bind(("127.0.0.1", port.parse().unwrap())).unwrap();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read(&mut [0; 1024]);
            let said = std::fs::read_to_string(&file).unwrap_or_default();
            let (status, body) = said.trim().split_once(' ').unwrap_or((said.trim(), ""));
            let length = body.len();
            let _ = write!(stream, "HTTP/1.1 {status} Puppet\r\ncontent-length: {length}\r\n\r\n{body}");
        }
    });
}

fn again_and_again(pause: &str, until: String, act: impl Fn() + Send + 'static) {
    let pause = Duration::from_millis(pause.parse().unwrap());
    thread::spawn(move || {
        while std::fs::remove_file(&until).is_err() {
            act();
            thread::sleep(pause);
        }
    });
}

fn notify(text: &str) {
    let path = std::env::var("NOTIFY_SOCKET").unwrap();
    let socket = std::os::unix::net::UnixDatagram::unbound().unwrap();
    // Nobody listens while there is no supervisor.
    let _ = socket
        .send_to(text.replace('+', "\n").replace('@', &std::process::id().to_string()).as_bytes(), path);
}

fn lines(count: u64) {
    let mut out = std::io::stdout().lock();
    for number in 0..count {
        writeln!(out, "line {number:012}").unwrap();
    }
}

/// In blocks, which end anywhere in a line.
fn numbered(from: u64, count: u64) {
    const BLOCK_BYTES: usize = 64 * 1024;
    let mut out = std::io::BufWriter::with_capacity(
        BLOCK_BYTES,
        File::from(std::io::stdout().as_fd().try_clone_to_owned().unwrap()),
    );
    let mut lines = Numbered::from(from);
    for _ in 0..count {
        out.write_all(lines.next_line()).unwrap();
    }
    out.flush().unwrap();
}

fn count(pause: u64) {
    let tag = std::env::var("PROCMAN_RUN").unwrap();
    let run = format!("{}-{}", tag.rsplit('/').next().unwrap(), std::process::id());
    std::fs::create_dir_all("counted").unwrap();
    let counted = File::create(Path::new("counted").join(&run)).unwrap();
    thread::spawn(move || {
        for number in 0_u64.. {
            // One write(2) a line: a signal that ends this process leaves no half of one.
            let _ = std::io::stdout().write_all(format!("line {number} of {run}\n").as_bytes());
            counted.write_all_at(format!("{:012}", number + 1).as_bytes(), 0).unwrap();
            thread::sleep(Duration::from_millis(pause));
        }
    });
}

/// Signs of life of all runs, in one file and by one clock.
fn beat() {
    let mut beats = File::options().append(true).create(true).open("beats").unwrap();
    thread::spawn(move || {
        loop {
            let now = nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC).unwrap();
            let micros = now.tv_sec() * 1_000_000 + now.tv_nsec() / 1000;
            // One write(2) a line: a signal that ends this process leaves no half of one.
            beats.write_all(format!("{} {micros}\n", std::process::id()).as_bytes()).unwrap();
            thread::sleep(Duration::from_millis(3));
        }
    });
}

/// Children that each live on: every other one in a session of its own, the rest orphans of a second fork.
fn family(count: u64) {
    for number in 0..count {
        child(if number % 2 == 0 { "setsid" } else { "orphan" });
    }
}

/// A zombie factory.
fn flies(pause: u64) -> ! {
    loop {
        // SAFETY: there is no other thread.
        if let Ok(ForkResult::Child) = unsafe { fork() } {
            // SAFETY: as above.
            let _ = unsafe { fork() };
            exit(0);
        }
        thread::sleep(Duration::from_millis(pause));
    }
}

fn ignore_term() {
    // SAFETY: SIG_IGN runs no code of ours in a signal handler.
    unsafe { signal(Signal::SIGTERM, SigHandler::SigIgn) }.unwrap();
}

fn child(kind: &str) {
    // SAFETY: the puppet forks before it starts threads, or its child only sleeps.
    match unsafe { fork() }.unwrap() {
        ForkResult::Parent { .. } => (),
        ForkResult::Child => match kind {
            "stubborn" => {
                ignore_term();
                stay();
            }
            "setsid" => {
                setsid().unwrap();
                stay();
            }
            "orphan" => {
                setsid().unwrap();
                // SAFETY: as above.
                match unsafe { fork() }.unwrap() {
                    ForkResult::Parent { .. } => exit(0),
                    ForkResult::Child => stay(),
                }
            }
            "hidden" => {
                setsid().unwrap();
                // SAFETY: as above.
                match unsafe { fork() }.unwrap() {
                    ForkResult::Parent { .. } => exit(0),
                    ForkResult::Child => panic!("{}", hide()),
                }
            }
            _ => panic!("the puppet has no child of the kind `{kind}`"),
        },
    }
}

/// Returns in a child; in this process, its pid is made use of.
fn go_on_in_child(parent: impl FnOnce(Pid)) {
    // SAFETY: the puppet forks before it starts threads.
    if let ForkResult::Parent { child } = unsafe { fork() }.unwrap() {
        parent(child);
        exit(0);
    }
}

/// Returns in an orphan in a session of its own; in this process, its pid is made use of.
fn daemonize(parent: impl FnOnce(Pid)) {
    let (reader, mut writer) = std::io::pipe().unwrap();
    go_on_in_child(|_| {
        let mut pid = [0; 4];
        (&reader).read_exact(&mut pid).unwrap();
        parent(Pid::from_raw(i32::from_ne_bytes(pid)));
    });
    setsid().unwrap();
    go_on_in_child(|pid| writer.write_all(&pid.as_raw().to_ne_bytes()).unwrap());
}

/// Becomes a puppet that nothing ties to where it comes from; returns if that fails.
fn hide() -> std::io::Error {
    let mut session_of_its_own = Command::new("setsid");
    session_of_its_own.arg(std::env::current_exe().unwrap()).args(["ignore-term", "stay", "hidden"]);
    session_of_its_own.env_clear().exec()
}

fn wait_for(file: &str) {
    while !Path::new(file).exists() {
        thread::sleep(Duration::from_millis(2));
    }
}

fn stay() -> ! {
    let _keep = std::io::stdin().as_raw_fd();
    loop {
        thread::park();
    }
}
