//! A client that never stops asking, and what it was answered.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How many requests came to what.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) answered: u64,
    /// Nobody listened.
    pub(crate) refused: u64,
    /// Whoever had taken the connection ended before the answer was whole.
    pub(crate) broken: u64,
    /// The longest that an answer took.
    pub(crate) longest: Duration,
}

/// One connection after the other, each for one request, until it is told to stop.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
    client: JoinHandle<Counts>,
}

/// So long after each answer comes the next request.
const PAUSE: Duration = Duration::from_millis(1);

/// What counts as some answers.
const ANSWERS: u64 = 20;

/// An answer that takes longer does not come any more.
const PATIENCE: Duration = Duration::from_secs(20);

impl Load {
    pub(crate) fn on(port: u16) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let answered = Arc::new(AtomicU64::new(0));
        let answers = Arc::clone(&answered);
        let client = thread::spawn(move || {
            let mut counts = Counts::default();
            while !told.load(Ordering::Relaxed) {
                let start = Instant::now();
                match request(port) {
                    Ok(text) if text.starts_with("HTTP/1.") && text.contains(" 200 ") => counts.answered += 1,
                    Err(error) if error.kind() == ErrorKind::ConnectionRefused => counts.refused += 1,
                    Ok(_) | Err(_) => counts.broken += 1,
                }
                answers.store(counts.answered, Ordering::Relaxed);
                counts.longest = counts.longest.max(start.elapsed());
                thread::sleep(PAUSE);
            }
            counts
        });
        Self { stop, answered, client }
    }

    /// Waits until some more requests were answered: a run that has bound its port is not one that answers yet.
    pub(crate) fn wait_for_answers(&self) {
        let answered = || self.answered.load(Ordering::Relaxed);
        let before = answered();
        let deadline = Instant::now() + PATIENCE;
        while answered() < before + ANSWERS {
            assert!(Instant::now() < deadline, "no answers within {PATIENCE:?}");
            thread::sleep(PAUSE);
        }
    }

    pub(crate) fn end(self) -> Counts {
        self.stop.store(true, Ordering::Relaxed);
        self.client.join().unwrap()
    }
}

/// One request on a connection of its own; the whole answer.
pub(crate) fn request(port: u16) -> std::io::Result<String> {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
    let mut text = Vec::new();
    stream.read_to_end(&mut text)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}
