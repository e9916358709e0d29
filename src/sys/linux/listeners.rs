use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::AsRawFd;

use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, recv, sendto, socket,
};

use crate::sys::listeners::Listener;
use crate::vocab::identity::Pid;
use crate::vocab::port::Port;

/// TCP_LISTEN of tcp_states.h.
const LISTEN: u32 = 10;
/// SOCK_DIAG_BY_FAMILY of sock_diag(7).
const DIAG_BY_FAMILY: u16 = 20;
/// Sizes of the structures of netlink(7) and linux/inet_diag.h, in bytes.
const HEADER: usize = 16;
const REQUEST: usize = 56;
const ANSWER: usize = 72;

/// The TCP sockets that listen on these ports, and perhaps others: by netlink, where the kernel picks them out; else by
/// proc(5), which lists them all.
pub(in crate::sys) fn among(ports: &BTreeSet<Port>) -> io::Result<Vec<Listener>> {
    by_netlink(ports).or_else(|_| by_procfs())
}

fn by_netlink(ports: &BTreeSet<Port>) -> io::Result<Vec<Listener>> {
    /// So many ports are asked for one by one. To ask for all is one question, with an answer for each of the machine.
    const FEW: usize = 4;
    let questions: Vec<Option<Port>> =
        if ports.len() <= FEW { ports.iter().copied().map(Some).collect() } else { vec![None] };
    let flags = SockFlag::SOCK_CLOEXEC;
    let fd = socket(AddressFamily::Netlink, SockType::Datagram, flags, SockProtocol::NetlinkSockDiag)?;
    let mut found = Vec::new();
    let mut buffer = vec![0; 32 * 1024];
    let families = [libc::AF_INET, libc::AF_INET6];
    for (family, port) in
        families.into_iter().flat_map(|family| questions.iter().map(move |it| (family, *it)))
    {
        sendto(fd.as_raw_fd(), &request(family, port), &NetlinkAddr::new(0, 0), MsgFlags::empty())?;
        loop {
            let length = recv(fd.as_raw_fd(), &mut buffer, MsgFlags::empty())?;
            if read_answers(&buffer[..length], &mut found)? == Rest::Nothing {
                break;
            }
        }
    }
    Ok(found)
}

/// `nlmsghdr` and `inet_diag_req_v2`: a dump of the TCP sockets of a family that listen, on this port if one is given.
fn request(family: libc::c_int, port: Option<Port>) -> Vec<u8> {
    let length = u32::try_from(HEADER + REQUEST).unwrap_or_default();
    let flags = u16::try_from(libc::NLM_F_REQUEST | libc::NLM_F_DUMP).unwrap_or_default();
    let mut bytes = Vec::with_capacity(HEADER + REQUEST);
    bytes.extend(length.to_ne_bytes());
    bytes.extend(DIAG_BY_FAMILY.to_ne_bytes());
    bytes.extend(flags.to_ne_bytes());
    bytes.extend([0; 8]);
    let protocol = u8::try_from(libc::IPPROTO_TCP).unwrap_or_default();
    bytes.extend([u8::try_from(family).unwrap_or_default(), protocol, 0, 0]);
    bytes.extend((1_u32 << LISTEN).to_ne_bytes());
    // The source port of `inet_diag_sockid`; 0 is any.
    bytes.extend(port.map_or(0, Port::number).to_be_bytes());
    bytes.resize(HEADER + REQUEST, 0);
    bytes
}

#[derive(PartialEq)]
enum Rest {
    Follows,
    Nothing,
}

fn read_answers(mut bytes: &[u8], found: &mut Vec<Listener>) -> io::Result<Rest> {
    while bytes.len() >= HEADER {
        let length = usize::try_from(u32_at(bytes, 0)).unwrap_or(usize::MAX);
        let kind = i32::from(u16_at(bytes, 4));
        if kind == libc::NLMSG_DONE {
            return Ok(Rest::Nothing);
        }
        if kind == libc::NLMSG_ERROR || length < HEADER || length > bytes.len() {
            return Err(io::Error::other("the kernel refuses to list sockets"));
        }
        let body = &bytes[HEADER..length];
        if body.len() >= ANSWER {
            found.extend(listener(body));
        }
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(Rest::Follows)
}

/// `inet_diag_msg`: family at 0, source port at 4 and source address at 8 in network order, inode at 68.
fn listener(body: &[u8]) -> Option<Listener> {
    let port = Port::new(u16::from_be_bytes([body[4], body[5]]))?;
    let address = if i32::from(body[0]) == libc::AF_INET {
        IpAddr::V4(Ipv4Addr::from(<[u8; 4]>::try_from(&body[8..12]).ok()?))
    } else {
        IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(&body[8..24]).ok()?))
    };
    Some(Listener { port, address, key: u64::from(u32_at(body, 68)) })
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_ne_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_ne_bytes([bytes[at], bytes[at + 1]])
}

/// /proc/net/tcp and tcp6 of proc_pid_net(5).
fn by_procfs() -> io::Result<Vec<Listener>> {
    let four = fs::read_to_string("/proc/net/tcp")?;
    let six = fs::read_to_string("/proc/net/tcp6").unwrap_or_default();
    Ok(four.lines().chain(six.lines()).filter_map(listener_of_line).collect())
}

fn listener_of_line(line: &str) -> Option<Listener> {
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    let (address, port) = words.get(1)?.split_once(':')?;
    if *words.get(3)? != "0A" {
        return None;
    }
    Some(Listener {
        port: Port::new(u16::from_str_radix(port, 16).ok()?)?,
        address: address_of_hex(address)?,
        key: words.get(9)?.parse().ok()?,
    })
}

/// Addresses stand there as groups of four bytes in host order.
fn address_of_hex(hex: &str) -> Option<IpAddr> {
    let mut bytes = Vec::new();
    for at in (0..hex.len()).step_by(8) {
        bytes.extend(u32::from_str_radix(hex.get(at..at + 8)?, 16).ok()?.to_ne_bytes());
    }
    match bytes.len() {
        4 => Some(IpAddr::V4(Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?))),
        16 => Some(IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?))),
        _ => None,
    }
}

/// Those of the listeners that this process holds: its descriptors are links that name the inode.
pub(in crate::sys) fn held_by(pid: Pid, listening: &[Listener]) -> impl Iterator<Item = &Listener> {
    let links = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten();
    let inodes: Vec<u64> = links
        .filter_map(|link| {
            let target = fs::read_link(link.ok()?.path()).ok()?;
            target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
        })
        .collect();
    listening.iter().filter(move |listener| inodes.contains(&listener.key))
}

#[cfg(test)]
mod tests {
    use super::{by_netlink, by_procfs};
    use crate::vocab::port::Port;
    use std::collections::BTreeSet;
    use std::net::TcpListener;

    #[test]
    fn netlink_and_procfs_tell_the_same() {
        let sockets = ["127.0.0.1:0", "[::1]:0"].map(|address| TcpListener::bind(address).ok());
        for socket in sockets.iter().flatten() {
            let address = socket.local_addr().unwrap();
            let port = Port::new(address.port()).unwrap();
            let many: BTreeSet<Port> = (1..10).filter_map(Port::new).collect();
            let few = by_netlink(&[port].into()).unwrap();
            assert!(few.iter().all(|it| it.port == port), "others are not asked for");
            for list in [few, by_netlink(&many).unwrap(), by_procfs().unwrap()] {
                let found =
                    list.iter().find(|it| it.port.number() == address.port() && it.address == address.ip());
                assert!(found.is_some_and(|it| it.key > 0), "{address}");
            }
        }
    }
}
