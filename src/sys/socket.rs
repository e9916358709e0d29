use std::io;
use std::os::fd::{AsFd, OwnedFd};

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::os;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// Whether the peer of a stream socket has closed it for reading as well as for writing (POLLHUP, poll(2)): nobody will
/// read what is sent. One that has only ended its own sending still listens.
pub fn has_hung_up(socket: &impl AsFd) -> bool {
    let mut fds = [PollFd::new(socket.as_fd(), PollFlags::empty())];
    poll(&mut fds, PollTimeout::ZERO).is_ok()
        && fds[0].revents().is_some_and(|events| events.intersects(PollFlags::POLLHUP | PollFlags::POLLERR))
}

/// Takes over a second descriptor of a socket, to be awaited in a tokio runtime beside whoever reads and writes the first. It becomes
/// readable when the peer hangs up; on Linux nothing else makes it so, elsewhere data does as well, and an end of sending.
pub fn watch_for_hang_up(copy: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    register(copy, os::rest::HANG_UP)
}

/// A second descriptor of a timer, to be awaited in a tokio runtime beside whoever sets the first.
pub fn second(timer: &impl AsFd) -> io::Result<AsyncFd<OwnedFd>> {
    register(timer.as_fd().try_clone_to_owned()?, Interest::READABLE)
}

fn register(fd: OwnedFd, interest: Interest) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: the descriptor is owned by the AsyncFd from here on, and `as_raw_fd` of an OwnedFd always gives that one.
    unsafe { AsyncFd::register_with_interest(fd, interest) }.map_err(io::Error::from)
}

#[cfg(test)]
mod tests {
    use super::has_hung_up;
    use std::net::Shutdown;
    use std::os::unix::net::UnixStream;
    use std::time::{Duration, Instant};

    #[test]
    fn a_peer_that_only_stops_sending_has_not_hung_up() {
        let (own, peer) = UnixStream::pair().unwrap();
        assert!(!has_hung_up(&own));
        peer.shutdown(Shutdown::Write).unwrap();
        assert!(!has_hung_up(&own));
        drop(peer);
        // A child that another test is making has a copy until it is its program.
        let deadline = Instant::now() + Duration::from_secs(10);
        while !has_hung_up(&own) {
            assert!(Instant::now() < deadline, "nobody has the peer, and it has not hung up");
            std::thread::yield_now();
        }
    }
}
