use std::io::{self, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd};

use nix::errno::Errno;
use nix::sys::socket::sockopt::PassCred;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, UnixAddr, UnixCredentials, recvmsg, setsockopt};

use crate::sys::notify::Notice;
use crate::vocab::identity::Pid;

/// Longer than whatever is said in earnest: systemd takes one page.
const BYTES_MAX: usize = 4096;

/// SO_PASSCRED of unix(7): every datagram comes with its sender, whom the kernel proves.
pub(in crate::sys) fn ask_for_senders(socket: &impl AsFd) -> io::Result<()> {
    Ok(setsockopt(socket, PassCred, &true)?)
}

/// Takes one datagram; none if it is not to be used. Descriptors that come with one find no room and are closed by the
/// kernel, which is what `BARRIER=1` waits for.
pub(in crate::sys) fn receive(socket: &impl AsRawFd) -> io::Result<Option<Notice>> {
    let mut bytes = [0; BYTES_MAX];
    let mut control = nix::cmsg_space!(UnixCredentials);
    let mut parts = [IoSliceMut::new(&mut bytes)];
    let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_CMSG_CLOEXEC;
    let message = match recvmsg::<UnixAddr>(socket.as_raw_fd(), &mut parts, Some(&mut control), flags) {
        Err(Errno::EINTR) => return Ok(None),
        message => message?,
    };
    let is_cut = message.flags.intersects(MsgFlags::MSG_TRUNC | MsgFlags::MSG_CTRUNC);
    let sender = message.cmsgs().ok().and_then(|mut found| {
        found.find_map(|control| match control {
            ControlMessageOwned::ScmCredentials(credentials) => Pid::new(credentials.pid()),
            _ => None,
        })
    });
    let length = message.bytes;
    Ok(sender.filter(|_| !is_cut).map(|sender| Notice { sender, bytes: bytes[..length].to_vec() }))
}

#[cfg(test)]
mod tests {
    use crate::sys::notify::Ear;
    use crate::sys::process;
    use std::os::unix::net::UnixDatagram;

    #[test]
    fn a_datagram_comes_with_its_sender_and_a_path_taken_away_is_noticed() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        runtime.block_on(async {
            let ear = Ear::open(&path).unwrap();
            let sender = UnixDatagram::unbound().unwrap();
            sender.send_to(&vec![b'x'; 100_000], &path).unwrap();
            sender.send_to(b"READY=1\nSTATUS=up", &path).unwrap();
            let notice = ear.next().await.unwrap();
            assert_eq!(notice.bytes, b"READY=1\nSTATUS=up");
            assert_eq!(notice.sender, process::own().pid);
            assert!(ear.is_there());
            // Another process goes on where this one has ended.
            let (socket, inode) = ear.estate();
            let socket = socket.try_clone_to_owned().unwrap();
            drop(ear);
            sender.send_to(b"READY=1", &path).unwrap();
            assert!(Ear::inherited(socket.try_clone().unwrap(), &path, inode + 1).is_none());
            let ear = Ear::inherited(socket, &path, inode).unwrap();
            assert_eq!(ear.next().await.unwrap().bytes, b"READY=1");
            assert_eq!(ear.waiting().count(), 0);
            for said in [b"a", b"b"] {
                sender.send_to(said, &path).unwrap();
            }
            let waiting: Vec<_> = ear.waiting().map(|notice| notice.bytes).collect();
            assert_eq!(waiting, [b"a", b"b"]);
            let other = Ear::open(&path).unwrap();
            assert!(!ear.is_there() && other.is_there());
        });
    }
}
