use mio::unix::SourceFd;
use mio::{Interest, Poll, Token};

use super::stream::Stream;

/// Makes events of what comes into its pipe.
pub(super) fn register(poll: &Poll, stream: &Stream, token: usize) {
    let Some(fd) = stream.fd() else { return };
    if let Err(error) = poll.registry().register(&mut SourceFd(&fd), Token(token), Interest::READABLE) {
        tracing::error!(token, %error, "cannot wait for the output of a service");
    }
}

/// Makes none of it.
pub(super) fn deregister(poll: &Poll, stream: &Stream) {
    if let Some(fd) = stream.fd() {
        let _ = poll.registry().deregister(&mut SourceFd(&fd));
    }
}
