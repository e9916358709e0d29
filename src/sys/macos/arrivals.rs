use std::collections::BTreeSet;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::Arc;
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};

/// kqueue(2).
#[derive(Debug)]
pub(in crate::sys) struct Arrivals {
    poll: Poll,
    events: Events,
}

#[derive(Debug, Clone)]
pub(in crate::sys) struct Waker {
    inner: Arc<mio::Waker>,
}

const CALL: Token = Token(usize::MAX);

/// So many events are taken before those pipes are looked at.
const EVENTS_MAX: usize = 256;

impl Arrivals {
    pub(in crate::sys) fn new() -> io::Result<(Self, Waker)> {
        let poll = Poll::new()?;
        let waker = Waker { inner: Arc::new(mio::Waker::new(poll.registry(), CALL)?) };
        Ok((Self { poll, events: Events::with_capacity(EVENTS_MAX) }, waker))
    }

    /// What is in it already makes an event as well.
    pub(in crate::sys) fn listen(&mut self, pipe: BorrowedFd<'_>, token: usize) -> io::Result<()> {
        self.poll.registry().register(&mut SourceFd(&pipe.as_raw_fd()), Token(token), Interest::READABLE)
    }

    pub(in crate::sys) fn ignore(&mut self, pipe: BorrowedFd<'_>) {
        let _ = self.poll.registry().deregister(&mut SourceFd(&pipe.as_raw_fd()));
    }

    pub(in crate::sys) fn wait(&mut self, timeout: Option<Duration>) -> io::Result<BTreeSet<usize>> {
        match self.poll.poll(&mut self.events, timeout) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
            Ok(()) | Err(_) => (),
        }
        Ok(self.events.iter().map(|event| event.token()).filter(|it| *it != CALL).map(|it| it.0).collect())
    }
}

impl Waker {
    pub(in crate::sys) fn wake(&self) {
        let _ = self.inner.wake();
    }
}
