use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::sync::Arc;
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};

/// kqueue(2).
#[derive(Debug)]
pub(in crate::sys) struct Arrivals {
    poll: Poll,
    events: Events,
    /// What is listened to.
    descriptors: BTreeMap<usize, RawFd>,
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
        Ok((Self { poll, events: Events::with_capacity(EVENTS_MAX), descriptors: BTreeMap::new() }, waker))
    }

    /// What is in it already makes an event as well.
    pub(in crate::sys) fn listen(&mut self, pipe: BorrowedFd<'_>, token: usize) -> io::Result<()> {
        let mut source = SourceFd(&pipe.as_raw_fd());
        self.poll.registry().register(&mut source, Token(token), Interest::READABLE)?;
        self.descriptors.insert(token, pipe.as_raw_fd());
        Ok(())
    }

    pub(in crate::sys) fn ignore(&mut self, pipe: BorrowedFd<'_>, token: usize) {
        if self.descriptors.remove(&token).is_some() {
            self.deregister(pipe.as_raw_fd());
        }
    }

    pub(in crate::sys) fn wait(&mut self, timeout: Option<Duration>) -> io::Result<BTreeSet<usize>> {
        match self.poll.poll(&mut self.events, timeout) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
            Ok(()) | Err(_) => (),
        }
        let told: BTreeSet<usize> =
            self.events.iter().map(|event| event.token()).filter(|it| *it != CALL).map(|it| it.0).collect();
        for token in &told {
            if let Some(descriptor) = self.descriptors.remove(token) {
                self.deregister(descriptor);
            }
        }
        Ok(told)
    }

    fn deregister(&self, descriptor: RawFd) {
        let _ = self.poll.registry().deregister(&mut SourceFd(&descriptor));
    }
}

impl Waker {
    pub(in crate::sys) fn wake(&self) {
        let _ = self.inner.wake();
    }
}
