use std::fs::{self, Permissions};
use std::io;
use std::net::TcpListener;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, PermissionsExt, chown};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::socket::{Backlog, getsockopt, listen, sockopt};

use super::descriptor::out_of_the_way;
use super::os;
use crate::vocab::identity::Pid;
use crate::vocab::listen::{Access, ListenAddress};

/// Opens a socket that listens, blocking, and closed in what we execute. So many connections as `backlog` says may wait in
/// its queue; unless it says, or where that is more than the system's own longest (SOMAXCONN), as many as that. TCP
/// gets SO_REUSEADDR, so that connections of an earlier run that still linger (TIME_WAIT) are no obstacle. A file of a unix
/// socket on which nobody listens is replaced; the new one is for whom `access` says.
///
/// # Errors
/// `AddrInUse` when somebody listens there; whatever else the system refuses.
pub fn open(address: &ListenAddress, access: &Access, backlog: Option<u16>) -> io::Result<OwnedFd> {
    let socket = match address {
        ListenAddress::Tcp(address) => OwnedFd::from(TcpListener::bind(address)?),
        ListenAddress::Unix(path) => open_unix(path, access)?,
    };
    listen(&socket, queue(backlog))?;
    Ok(out_of_the_way(socket))
}

fn queue(backlog: Option<u16>) -> Backlog {
    backlog.and_then(|backlog| Backlog::new(i32::from(backlog)).ok()).unwrap_or(Backlog::MAXCONN)
}

fn open_unix(path: &Path, access: &Access) -> io::Result<OwnedFd> {
    if let Ok(found) = fs::symlink_metadata(path) {
        if !found.file_type().is_socket() {
            return Err(io::Error::other("a file that is no socket is there"));
        }
        match UnixStream::connect(path) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path)?,
            Ok(_) | Err(_) => return Err(io::ErrorKind::AddrInUse.into()),
        }
    }
    let socket = UnixListener::bind(path)?;
    fs::set_permissions(path, Permissions::from_mode(access.mode))?;
    if access.uid.is_some() || access.gid.is_some() {
        chown(path, access.uid, access.gid)?;
    }
    Ok(socket.into())
}

/// Makes a socket that another run had as a new run expects it: with its whole queue, as by [`open`], and blocking. Both
/// belong to the socket and not to a descriptor, so whoever still accepts on it would notice.
pub fn renew(socket: &OwnedFd, backlog: Option<u16>) -> io::Result<()> {
    listen(socket, queue(backlog))?;
    let flags = OFlag::from_bits_retain(fcntl(socket, FcntlArg::F_GETFL)?);
    fcntl(socket, FcntlArg::F_SETFL(flags - OFlag::O_NONBLOCK))?;
    Ok(())
}

/// Whether a descriptor is a socket that listens at this address; a unix socket whose file is gone does not.
pub fn listens_at(socket: &impl AsFd, address: &ListenAddress) -> bool {
    getsockopt(&socket, sockopt::AcceptConn).unwrap_or(false) && is_at(socket, address).unwrap_or(false)
}

fn is_at(socket: &impl AsFd, address: &ListenAddress) -> io::Result<bool> {
    let copy = socket.as_fd().try_clone_to_owned()?;
    Ok(match address {
        ListenAddress::Tcp(address) => TcpListener::from(copy).local_addr()? == *address,
        ListenAddress::Unix(path) => {
            let there = fs::symlink_metadata(path)?.file_type().is_socket();
            there && UnixListener::from(copy).local_addr()?.as_pathname() == Some(path)
        }
    })
}

/// Takes the file of a unix socket away that is closed.
pub fn remove_file(address: &ListenAddress) {
    if let ListenAddress::Unix(path) = address {
        let _ = fs::remove_file(path);
    }
}

/// A copy of the socket that listens at this address, out of the descriptors of another process (pidfd_getfd(2), Linux
/// 5.6); none if the process has none, or if this one may not (ptrace(2), PTRACE_MODE_ATTACH_REALCREDS), and on macOS.
pub fn copy_from(pid: Pid, address: &ListenAddress) -> Option<OwnedFd> {
    os::pidfd::sockets_of(pid).find(|socket| listens_at(socket, address)).map(out_of_the_way)
}

#[cfg(test)]
mod tests {
    use super::{listens_at, open, renew};
    use crate::vocab::listen::{Access, ListenAddress};
    use std::fs;
    use std::io;
    use std::net::{Ipv4Addr, TcpListener, TcpStream};
    use std::os::unix::fs::MetadataExt;
    use std::os::unix::net::{UnixListener, UnixStream};
    use std::time::{Duration, Instant};

    fn free() -> ListenAddress {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
        ListenAddress::Tcp(port)
    }

    #[test]
    fn an_opened_socket_listens_where_it_should_and_nobody_else_can() {
        let address = free();
        let socket = open(&address, &Access::default(), None).unwrap();
        assert!(listens_at(&socket, &address) && !listens_at(&socket, &free()));
        assert_eq!(open(&address, &Access::default(), None).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        let ListenAddress::Tcp(tcp) = address else { panic!() };
        let client = TcpStream::connect(tcp).unwrap();
        assert!(!listens_at(&client, &ListenAddress::Tcp(tcp)));
        // Connections wait in the socket, whoever holds it.
        let copy = socket.try_clone().unwrap();
        drop(socket);
        renew(&copy, None).unwrap();
        let (_, peer) = TcpListener::from(copy).accept().unwrap();
        assert_eq!(peer, client.local_addr().unwrap());
        // A child that another test is making has a copy until it is its program.
        let deadline = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect(tcp).is_ok() {
            assert!(Instant::now() < deadline, "somebody listens still");
        }
    }

    #[test]
    fn as_many_connections_wait_as_the_queue_has_room_for() {
        let dir = tempfile::tempdir().unwrap();
        let address = ListenAddress::Unix(dir.path().canonicalize().unwrap().join("app.sock"));
        let socket = open(&address, &Access::default(), Some(1)).unwrap();
        // Linux lets one more wait than the queue is long, macOS half as many more.
        assert!((1..4).contains(&waiting(&address)));
        renew(&socket, Some(20)).unwrap();
        assert!((18..40).contains(&waiting(&address)));
    }

    /// How many more connections there is room for. They are not closed, and wait.
    fn waiting(address: &ListenAddress) -> usize {
        use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket};
        let ListenAddress::Unix(path) = address else { panic!() };
        let address = UnixAddr::new(path).unwrap();
        let connect = |_| {
            let client = socket(AddressFamily::Unix, SockType::Stream, SockFlag::empty(), None).unwrap();
            nix::fcntl::fcntl(&client, nix::fcntl::FcntlArg::F_SETFL(nix::fcntl::OFlag::O_NONBLOCK)).unwrap();
            connect(std::os::fd::AsRawFd::as_raw_fd(&client), &address).ok().map(|()| client)
        };
        let clients: Vec<_> = (0..100).map_while(connect).collect();
        let count = clients.len();
        std::mem::forget(clients);
        count
    }

    #[test]
    fn a_stale_unix_socket_is_replaced_and_a_live_one_or_another_file_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().canonicalize().unwrap().join("app.sock");
        let address = ListenAddress::Unix(path.clone());
        drop(UnixListener::bind(&path).unwrap());
        // A child that another test is making has a copy of the first one until it is its program.
        let deadline = Instant::now() + Duration::from_secs(10);
        let socket = loop {
            match open(&address, &Access::default(), None) {
                Err(error) if error.kind() == io::ErrorKind::AddrInUse && Instant::now() < deadline => (),
                opened => break opened.unwrap(),
            }
        };
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o660);
        assert!(listens_at(&socket, &address));
        UnixStream::connect(&path).unwrap();
        assert_eq!(open(&address, &Access::default(), None).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        fs::remove_file(&path).unwrap();
        assert!(!listens_at(&socket, &address), "nobody can reach it any more");
        fs::write(&path, "data").unwrap();
        assert!(open(&address, &Access::default(), None).unwrap_err().to_string().contains("no socket"));
        assert_eq!(fs::read(&path).unwrap(), b"data");
    }
}
