use std::collections::BTreeSet;
use std::io;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use super::os;

/// Tells the thread that made it when bytes arrive in pipes, and wakes it for other reasons. On Linux by signals of fcntl(2),
/// O_ASYNC, and not by a poll: since Linux 5.5 each write into a pipe that anybody has ever polled wakes whoever reads it, also when it is
/// full of bytes that nobody waits for (`poll_usage` in fs/pipe.c), which costs who writes line by line an eighth of its
/// time. macOS has kqueue(2).
#[derive(Debug)]
pub struct Arrivals {
    inner: os::arrivals::Arrivals,
}

/// Wakes the thread from elsewhere. Clones wake the same one.
#[derive(Debug, Clone)]
pub struct Waker {
    inner: os::arrivals::Waker,
}

impl Arrivals {
    /// Those of this thread, and what wakes it.
    ///
    /// # Errors
    /// The system refuses.
    pub fn new() -> io::Result<(Self, Waker)> {
        let (inner, waker) = os::arrivals::Arrivals::new()?;
        Ok((Self { inner }, Waker { inner: waker }))
    }

    /// Tells once when something is in this pipe, also of what is in it already. Its reads never wait. Whoever closes the
    /// pipe has it ignored first.
    ///
    /// # Errors
    /// The system refuses, and nothing is told of it.
    pub fn listen(&mut self, pipe: BorrowedFd<'_>, token: usize) -> io::Result<()> {
        self.inner.listen(pipe, token)
    }

    /// Tells nothing of it.
    pub fn ignore(&mut self, pipe: BorrowedFd<'_>, token: usize) {
        self.inner.ignore(pipe, token);
    }

    /// Waits for bytes, for the waker, or for the end of a time; says in which pipes there may be something; nobody listens
    /// to those any more.
    ///
    /// # Errors
    /// The system refuses.
    pub fn wait(&mut self, timeout: Option<Duration>) -> io::Result<BTreeSet<usize>> {
        self.inner.wait(timeout)
    }
}

impl Waker {
    /// Ends the wait that is under way, or the next one. A thread that has ended needs none.
    pub fn wake(&self) {
        self.inner.wake();
    }
}

#[cfg(test)]
mod tests {
    use super::Arrivals;
    use crate::sys::pipe::{self, Waiting};
    use std::collections::BTreeSet;
    use std::fs::File;
    use std::io::{Read, Write};
    use std::os::fd::{AsFd, OwnedFd};
    use std::path::Path;
    use std::thread;
    use std::time::Duration;

    const LONG: Option<Duration> = Some(Duration::from_secs(20));
    const NONE: Option<Duration> = Some(Duration::ZERO);

    fn pipe(dir: &Path, name: &str) -> (OwnedFd, File) {
        let path = dir.join(name);
        pipe::make_fifo(&path).unwrap();
        let reader = pipe::open_for_reading(&path).unwrap();
        (reader, pipe::open_read_write(&path, Waiting::Never).unwrap().into())
    }

    #[test]
    fn what_comes_is_told_of_with_its_token_and_what_is_ignored_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let ((one, mut to_one), (two, mut to_two)) = (pipe(dir.path(), "one"), pipe(dir.path(), "two"));
        let (mut arrivals, _waker) = Arrivals::new().unwrap();
        to_one.write_all(b"before").unwrap();
        arrivals.listen(one.as_fd(), 7).unwrap();
        arrivals.listen(two.as_fd(), 8).unwrap();
        assert_eq!(arrivals.wait(LONG).unwrap(), BTreeSet::from([7]), "what was there already is told of");
        to_one.write_all(b"more").unwrap();
        assert_eq!(arrivals.wait(NONE).unwrap(), BTreeSet::new(), "and once");
        to_two.write_all(b"first").unwrap();
        to_two.write_all(b"second").unwrap();
        assert_eq!(arrivals.wait(LONG).unwrap(), BTreeSet::from([8]));
        assert_eq!(arrivals.wait(NONE).unwrap(), BTreeSet::new());
        arrivals.listen(two.as_fd(), 9).unwrap();
        arrivals.ignore(two.as_fd(), 9);
        to_two.write_all(b"third").unwrap();
        assert_eq!(arrivals.wait(NONE).unwrap(), BTreeSet::new());
        arrivals.listen(one.as_fd(), 7).unwrap();
        arrivals.listen(two.as_fd(), 9).unwrap();
        assert_eq!(arrivals.wait(LONG).unwrap(), BTreeSet::from([7, 9]));
    }

    #[test]
    fn a_thread_that_waits_is_woken_by_a_write_and_by_its_waker() {
        let dir = tempfile::tempdir().unwrap();
        let (reader, mut writer) = pipe(dir.path(), "pipe");
        let (mut arrivals, waker) = Arrivals::new().unwrap();
        arrivals.listen(reader.as_fd(), 1).unwrap();
        let write = thread::spawn(move || writer.write_all(b"a line\n").map(|()| writer).unwrap());
        assert_eq!(arrivals.wait(LONG).unwrap(), BTreeSet::from([1]));
        let _writer = write.join().unwrap();
        let wake = thread::spawn(move || waker.wake());
        assert_eq!(arrivals.wait(LONG).unwrap(), BTreeSet::new());
        wake.join().unwrap();
    }

    #[test]
    fn each_thread_hears_of_its_own_pipes() {
        let dir = tempfile::tempdir().unwrap();
        let hear = |name: &'static str| {
            let (reader, mut writer) = pipe(dir.path(), name);
            thread::spawn(move || {
                let (mut arrivals, _waker) = Arrivals::new().unwrap();
                let mut byte = [0];
                let mut reader = File::from(reader);
                for _ in 0..1000 {
                    arrivals.listen(reader.as_fd(), 3).unwrap();
                    writer.write_all(b"x").unwrap();
                    assert_eq!(arrivals.wait(LONG).unwrap(), BTreeSet::from([3]));
                    reader.read_exact(&mut byte).unwrap();
                }
                assert_eq!(arrivals.wait(NONE).unwrap(), BTreeSet::new());
            })
        };
        let threads = [hear("a"), hear("b"), hear("c")];
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    }
}
