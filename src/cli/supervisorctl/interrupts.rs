use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream as StdStream;
use std::rc::Rc;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use signal_hook::consts::SIGINT;
use signal_hook::low_level::pipe;
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;

/// Ctrl-C, as something that can be waited for beside something else. Made once: each handler stays for good.
#[derive(Clone)]
pub(super) struct Interrupts {
    read: Rc<StdStream>,
}

impl Interrupts {
    /// Catches SIGINT from here on.
    pub(super) fn catch() -> io::Result<Self> {
        let (read, write) = StdStream::pair()?;
        read.set_nonblocking(true)?;
        pipe::register(SIGINT, write)?;
        Ok(Self { read: Rc::new(read) })
    }

    /// Forgets those that came before.
    pub(super) fn forget(&self) {
        let mut bytes = [0; 64];
        while (&*self.read).read(&mut bytes).is_ok_and(|count| count > 0) {}
    }

    /// Resolves at the next one; never where it cannot be waited for.
    pub(super) async fn next(&self) {
        let stream = self.read.try_clone().and_then(UnixStream::from_std);
        match stream {
            Ok(mut stream) => drop(stream.read_u8().await),
            Err(_) => std::future::pending().await,
        }
    }

    /// Waits until a descriptor has something to read, or says that an interrupt came first.
    pub(super) fn come_before(&self, descriptor: &impl AsFd) -> bool {
        let wanted = |descriptor| PollFd::new(descriptor, PollFlags::POLLIN);
        let mut both = [wanted(descriptor.as_fd()), wanted(self.read.as_fd())];
        loop {
            match poll(&mut both, PollTimeout::NONE) {
                Err(nix::errno::Errno::EINTR) => (),
                // What cannot be waited for is read at once, and says itself what is wrong.
                Err(_) => return false,
                Ok(_) if both[1].any() == Some(true) => {
                    self.forget();
                    return true;
                }
                Ok(_) => return false,
            }
        }
    }
}
