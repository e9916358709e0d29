use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use nix::errno::Errno;

use super::envelope::{Origin, Piece};
use super::loss::{Copies, Loss, Place, Tally};
use super::own_output::OwnOutput;
use super::pump::Destination;
use crate::spec::log::{OnFull, Target};
use crate::vocab::stream::Stream;

/// Where lines go beside a file: to a daemon of the system, or to where the supervisor's own output goes.
#[derive(Debug)]
pub(super) struct Sink {
    way: Way,
    loss: Loss,
    on_full: OnFull,
    state: State,
    /// Lines that it did not take since the last one that it took.
    missing: u64,
}

#[derive(Debug)]
enum Way {
    Inherit(OwnOutput),
    Daemon { protocol: Protocol, path: PathBuf, socket: Option<UnixDatagram> },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Protocol {
    /// RFC 3164, as syslog(3) sends it.
    Syslog,
    /// The native protocol of systemd's journal.
    Journald,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Well,
    /// It has taken nothing since then.
    Full(Instant),
    /// What comes is dropped. It is tried with each line, or again from then on.
    Lost(Option<Instant>),
}

/// What came of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sent {
    /// It is there, or lost and counted.
    Done,
    /// There is no room; it is to be sent again.
    Later,
}

/// One that takes nothing for so long loses lines, so that nobody waits for ever.
const PATIENCE: Duration = Duration::from_secs(5);

/// A daemon that is not there is looked for at most so often.
const AGAIN: Duration = Duration::from_secs(1);

impl Sink {
    /// None for a file, which is written otherwise.
    pub(super) fn new(target: Target, origin: &Origin, to: &Destination, tally: &Tally) -> Option<Self> {
        let daemon = |protocol, path: &Path| Way::Daemon { protocol, path: path.to_owned(), socket: None };
        let place = Place::of(target, &to.sockets);
        let way = match &place {
            Place::File => return None,
            Place::Inherit => Way::Inherit(OwnOutput::new(origin.stream)),
            Place::Syslog(socket) => daemon(Protocol::Syslog, socket),
            Place::Journald(socket) => daemon(Protocol::Journald, socket),
        };
        let copies = if to.targets.contains(&Target::File) { Copies::InFile } else { Copies::Nowhere };
        let loss = Loss::new(tally, &origin.service, place, copies);
        Some(Self { way, loss, on_full: to.delivery.on_full, state: State::Well, missing: 0 })
    }

    /// Sends a line, without ever waiting.
    pub(super) fn send(&mut self, origin: &Origin, piece: Piece<'_>, unix_ms: u64) -> Sent {
        if let State::Lost(Some(again_at)) = self.state {
            if Instant::now() < again_at {
                return self.lose(piece);
            }
        }
        if self.missing > 0 {
            let words = format!("procman: {} lines are missing here: nobody took them", self.missing);
            let sent = self.way.send(origin, words.as_bytes(), unix_ms);
            if let Err(error) = sent {
                return self.fail(piece, &error);
            }
            tracing::info!(service = %origin.service, to = %self.loss.place(), lines = self.missing, "its lines are taken again; some are lost");
            self.missing = 0;
        }
        match self.way.send(origin, piece.bytes, unix_ms) {
            Ok(()) => {
                self.state = State::Well;
                Sent::Done
            }
            Err(error) => self.fail(piece, &error),
        }
    }

    fn fail(&mut self, piece: Piece<'_>, error: &io::Error) -> Sent {
        let now = Instant::now();
        let is_full =
            error.kind() == io::ErrorKind::WouldBlock || error.raw_os_error() == Some(Errno::ENOBUFS as i32);
        match (is_full, self.on_full, self.state) {
            (true, OnFull::Block, State::Well) => {
                self.state = State::Full(now);
                Sent::Later
            }
            (true, OnFull::Block, State::Full(since)) if now < since + PATIENCE => Sent::Later,
            (true, OnFull::Block | OnFull::Drop, State::Well | State::Full(_) | State::Lost(_)) => {
                self.state = State::Lost(None);
                self.loss.because("it had no room for them");
                self.lose(piece)
            }
            (false, OnFull::Block | OnFull::Drop, State::Well | State::Full(_) | State::Lost(_)) => {
                self.way.let_go();
                self.state = State::Lost(Some(now + AGAIN));
                self.loss.because(error);
                if self.missing == 0 {
                    tracing::warn!(to = %self.loss.place(), %error, "nobody takes the lines of a service; they are lost");
                }
                self.lose(piece)
            }
        }
    }

    fn lose(&mut self, piece: Piece<'_>) -> Sent {
        self.way.give_up();
        self.missing += 1;
        self.loss.note(1, piece.raw_bytes());
        Sent::Done
    }
}

impl Way {
    /// The next line finds it afresh.
    fn let_go(&mut self) {
        match self {
            Self::Inherit(own) => own.let_go(),
            Self::Daemon { socket, .. } => *socket = None,
        }
    }

    /// The rest of the line that it has taken a part of does not come.
    fn give_up(&mut self) {
        match self {
            Self::Inherit(own) => own.give_up(),
            Self::Daemon { .. } => (),
        }
    }

    fn send(&mut self, origin: &Origin, line: &[u8], unix_ms: u64) -> io::Result<()> {
        match self {
            Self::Inherit(own) => own.send(line),
            Self::Daemon { protocol, path, socket } => {
                let socket = match socket {
                    Some(socket) => socket,
                    None => socket.insert(connect(path)?),
                };
                let message = match protocol {
                    Protocol::Syslog => syslog(origin, line, unix_ms),
                    Protocol::Journald => journald(origin, line),
                };
                socket.send(&message).map(drop)
            }
        }
    }
}

fn connect(path: &Path) -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    socket.connect(path)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// The facility `daemon`, and the severity `info` for standard output, `err` for standard error.
fn priority(stream: Stream) -> u8 {
    match stream {
        Stream::Stdout => 6,
        Stream::Stderr => 3,
    }
}

fn syslog(origin: &Origin, line: &[u8], unix_ms: u64) -> Vec<u8> {
    const DAEMON: u8 = 3;
    let time = Timestamp::from_millisecond(i64::try_from(unix_ms).unwrap_or(i64::MAX)).unwrap_or_default();
    let time = time.to_zoned(TimeZone::system()).strftime("%b %e %H:%M:%S").to_string();
    let priority = DAEMON * 8 + priority(origin.stream);
    let mut message = format!("<{priority}>{time} {}: ", origin.service).into_bytes();
    message.extend_from_slice(line);
    message
}

/// Fields by their names, one a line: none of them holds a newline.
fn journald(origin: &Origin, line: &[u8]) -> Vec<u8> {
    let Origin { service, stream } = origin;
    let stream_name = match stream {
        Stream::Stdout => "stdout",
        Stream::Stderr => "stderr",
    };
    let mut message = format!(
        "PRIORITY={}\nSYSLOG_IDENTIFIER={service}\nPROCMAN_SERVICE={service}\nPROCMAN_STREAM={stream_name}\nMESSAGE=",
        priority(*stream)
    )
    .into_bytes();
    message.extend_from_slice(line);
    message.push(b'\n');
    message
}

#[cfg(test)]
mod tests {
    use super::{Sent, Sink, journald, syslog};
    use crate::logs::envelope::{Origin, Piece};
    use crate::logs::loss::{Copies, Missing, Place, Tally};
    use crate::logs::piece::PieceEnd;
    use crate::logs::pump::Destination;
    use crate::spec::log::{OnFull, Rotation, Sockets, Target};
    use crate::vocab::name::ServiceName;
    use crate::vocab::stream::Stream;
    use std::os::unix::net::UnixDatagram;
    use std::path::Path;
    use std::time::{Duration, Instant};

    fn origin() -> Origin {
        Origin { service: ServiceName::parse("api").unwrap(), stream: Stream::Stderr }
    }

    fn sink(dir: &Path, on_full: OnFull) -> (Sink, Tally) {
        let tally = Tally::default();
        let sockets = Sockets { syslog: dir.join("log"), journald: dir.join("journal") }.into();
        let mut to = Destination::file(dir.join("a"), Rotation::default());
        (to.sockets, to.delivery.on_full) = (sockets, on_full);
        (Sink::new(Target::Journald, &origin(), &to, &tally).unwrap(), tally)
    }

    fn send(sink: &mut Sink, line: &str) -> Sent {
        sink.send(&origin(), Piece { bytes: line.as_bytes(), end: PieceEnd::Line }, 1)
    }

    fn lines_lost(tally: &Tally) -> u64 {
        tally.missing_of(&origin().service).iter().map(|(_, missing)| missing.lost.lines).sum()
    }

    fn received(daemon: &UnixDatagram) -> Option<String> {
        let mut message = [0; 4096];
        let length = daemon.recv(&mut message).ok()?;
        Some(String::from_utf8_lossy(&message[..length]).lines().last()?.to_owned())
    }

    #[test]
    fn messages_have_the_forms_that_the_daemons_read() {
        let message = String::from_utf8(syslog(&origin(), b"oh no", 1_764_118_731_042)).unwrap();
        let (head, rest) = message.split_at("<27>Nov 26 ".len());
        assert!(head == "<27>Nov 26 " || head == "<27>Nov 25 ", "{message}");
        assert_eq!(&rest[8..], " api: oh no");
        assert_eq!(
            String::from_utf8(journald(&origin(), b"oh no")).unwrap(),
            "PRIORITY=3\nSYSLOG_IDENTIFIER=api\nPROCMAN_SERVICE=api\nPROCMAN_STREAM=stderr\nMESSAGE=oh no\n"
        );
    }

    #[test]
    fn lines_for_a_daemon_that_is_not_there_are_counted_and_told_of_when_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let (mut sink, tally) = sink(dir.path(), OnFull::Block);
        assert_eq!((send(&mut sink, "one"), send(&mut sink, "two")), (Sent::Done, Sent::Done));
        assert_eq!(lines_lost(&tally), 2);
        let [(place, Missing { why, copies, .. })] = &tally.missing_of(&origin().service)[..] else {
            panic!("one target lost something")
        };
        assert_eq!((place, *copies), (&Place::Journald(dir.path().join("journal")), Copies::InFile));
        assert!(why.contains("No such file or directory"), "{why}");
        let daemon = UnixDatagram::bind(dir.path().join("journal")).unwrap();
        daemon.set_nonblocking(true).unwrap();
        // It is looked for again after a while.
        let deadline = Instant::now() + Duration::from_secs(20);
        let first = loop {
            assert!(Instant::now() < deadline);
            send(&mut sink, "more");
            if let Some(first) = received(&daemon) {
                break first;
            }
            std::thread::sleep(Duration::from_millis(20));
        };
        let missing = lines_lost(&tally);
        assert_eq!(first, format!("MESSAGE=procman: {missing} lines are missing here: nobody took them"));
        assert_eq!(received(&daemon).unwrap(), "MESSAGE=more");
    }

    #[test]
    fn a_daemon_that_reads_nothing_is_waited_for_or_loses_lines_as_on_full_says() {
        for on_full in [OnFull::Block, OnFull::Drop] {
            let dir = tempfile::tempdir().unwrap();
            let daemon = UnixDatagram::bind(dir.path().join("journal")).unwrap();
            let (mut sink, tally) = sink(dir.path(), on_full);
            let line = "x".repeat(4000);
            let first_that_waits =
                (0..100_000).find(|_| send(&mut sink, &line) == Sent::Later || lines_lost(&tally) > 0);
            assert!(first_that_waits.is_some());
            let lost = lines_lost(&tally);
            assert_eq!(lost, if on_full == OnFull::Drop { 1 } else { 0 });
            received(&daemon).unwrap();
            received(&daemon).unwrap();
            assert_eq!(send(&mut sink, "after"), Sent::Done);
            assert_eq!(lines_lost(&tally), lost);
        }
    }
}
