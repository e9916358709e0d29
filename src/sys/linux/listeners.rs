use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::AsRawFd;

use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, recv, sendto, socket,
};

use crate::sys::listeners::Listener;
use crate::vocab::port::{Endpoint, Port, Protocol};

/// TCP_ESTABLISHED, TCP_CLOSE_WAIT and TCP_LISTEN of tcp_states.h.
const ESTABLISHED: u32 = 1;
const CLOSE_WAIT: u32 = 8;
const LISTEN: u32 = 10;
/// TCP_CLOSE there: the state of a UDP socket that is not connected.
const CLOSE: u32 = 7;
/// SOCK_DIAG_BY_FAMILY of sock_diag(7).
const DIAG_BY_FAMILY: u16 = 20;
/// Sizes of the structures of netlink(7) and linux/inet_diag.h, in bytes.
const HEADER: usize = 16;
const REQUEST: usize = 56;
const ANSWER: usize = 72;

/// The sockets of a protocol that listen on these ports, and perhaps others; all when no port is named. By netlink, where
/// the kernel picks them out; else by proc(5), which lists them all.
pub(in crate::sys) fn among(protocol: Protocol, ports: &BTreeSet<Port>) -> io::Result<Vec<Listener>> {
    let states = match protocol {
        Protocol::Tcp => 1 << LISTEN,
        Protocol::Udp => 1 << CLOSE,
    };
    sockets(&Question { protocol, states, ports })
}

/// The TCP connections of these ports, and perhaps of others, on which this end may still answer.
pub(in crate::sys) fn connected(ports: &BTreeSet<Port>) -> io::Result<Vec<Listener>> {
    let states = 1 << ESTABLISHED | 1 << CLOSE_WAIT;
    sockets(&Question { protocol: Protocol::Tcp, states, ports })
}

/// Which sockets are looked for.
struct Question<'a> {
    protocol: Protocol,
    /// A bit for each state.
    states: u32,
    /// Their own ports; all if none is named.
    ports: &'a BTreeSet<Port>,
}

fn sockets(question: &Question<'_>) -> io::Result<Vec<Listener>> {
    by_netlink(question).or_else(|_| by_procfs(question))
}

fn by_netlink(question: &Question<'_>) -> io::Result<Vec<Listener>> {
    /// So many ports are asked for one by one. To ask for all is one question, with an answer for each of the machine.
    const FEW: usize = 4;
    let ports = question.ports;
    let parts: Vec<Option<Port>> =
        if (1..=FEW).contains(&ports.len()) { ports.iter().copied().map(Some).collect() } else { vec![None] };
    let flags = SockFlag::SOCK_CLOEXEC;
    let fd = socket(AddressFamily::Netlink, SockType::Datagram, flags, SockProtocol::NetlinkSockDiag)?;
    let mut found = Vec::new();
    let mut buffer = vec![0; 32 * 1024];
    let families = [libc::AF_INET, libc::AF_INET6];
    for (family, port) in
        families.into_iter().flat_map(|family| parts.iter().map(move |port| (family, *port)))
    {
        let request = request(family, question, port);
        sendto(fd.as_raw_fd(), &request, &NetlinkAddr::new(0, 0), MsgFlags::empty())?;
        loop {
            let length = recv(fd.as_raw_fd(), &mut buffer, MsgFlags::empty())?;
            if read_answers(&buffer[..length], question.protocol, &mut found)? == Rest::Nothing {
                break;
            }
        }
    }
    Ok(found)
}

/// `nlmsghdr` and `inet_diag_req_v2`: a dump of the sockets of a family, protocol and state, on this port if one is given.
fn request(family: libc::c_int, question: &Question<'_>, port: Option<Port>) -> Vec<u8> {
    let length = u32::try_from(HEADER + REQUEST).unwrap_or_default();
    let flags = u16::try_from(libc::NLM_F_REQUEST | libc::NLM_F_DUMP).unwrap_or_default();
    let mut bytes = Vec::with_capacity(HEADER + REQUEST);
    bytes.extend(length.to_ne_bytes());
    bytes.extend(DIAG_BY_FAMILY.to_ne_bytes());
    bytes.extend(flags.to_ne_bytes());
    bytes.extend([0; 8]);
    let number = match question.protocol {
        Protocol::Tcp => libc::IPPROTO_TCP,
        Protocol::Udp => libc::IPPROTO_UDP,
    };
    bytes.extend([u8::try_from(family).unwrap_or_default(), u8::try_from(number).unwrap_or_default(), 0, 0]);
    bytes.extend(question.states.to_ne_bytes());
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

fn read_answers(mut bytes: &[u8], protocol: Protocol, found: &mut Vec<Listener>) -> io::Result<Rest> {
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
            found.extend(listener(body, protocol));
        }
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(Rest::Follows)
}

/// `inet_diag_msg`: family at 0, source port at 4 and source address at 8 in network order, inode at 68.
fn listener(body: &[u8], protocol: Protocol) -> Option<Listener> {
    let port = Port::new(u16::from_be_bytes([body[4], body[5]]))?;
    let address = if i32::from(body[0]) == libc::AF_INET {
        IpAddr::V4(Ipv4Addr::from(<[u8; 4]>::try_from(&body[8..12]).ok()?))
    } else {
        IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(&body[8..24]).ok()?))
    };
    let endpoint = Endpoint { port, protocol, address: Some(address) };
    Some(Listener { endpoint, key: u64::from(u32_at(body, 68)) })
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_ne_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_ne_bytes([bytes[at], bytes[at + 1]])
}

/// /proc/net/tcp, tcp6, udp and udp6 of proc_pid_net(5).
fn by_procfs(question: &Question<'_>) -> io::Result<Vec<Listener>> {
    let name = match question.protocol {
        Protocol::Tcp => "tcp",
        Protocol::Udp => "udp",
    };
    let four = fs::read_to_string(format!("/proc/net/{name}"))?;
    let six = fs::read_to_string(format!("/proc/net/{name}6")).unwrap_or_default();
    Ok(four.lines().chain(six.lines()).filter_map(|line| socket_of_line(line, question)).collect())
}

fn socket_of_line(line: &str, question: &Question<'_>) -> Option<Listener> {
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    let (address, port) = words.get(1)?.split_once(':')?;
    let state = u32::from_str_radix(words.get(3)?, 16).ok()?;
    if question.states & 1_u32.checked_shl(state)? == 0 {
        return None;
    }
    let port = Port::new(u16::from_str_radix(port, 16).ok()?)?;
    let endpoint = Endpoint { port, protocol: question.protocol, address: Some(address_of_hex(address)?) };
    Some(Listener { endpoint, key: words.get(9)?.parse().ok()? })
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

#[cfg(test)]
mod tests {
    use super::{CLOSE, ESTABLISHED, LISTEN, Question, by_netlink, by_procfs};
    use crate::vocab::port::{Endpoint, Port, Protocol};
    use std::collections::BTreeSet;
    use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};

    #[test]
    fn netlink_and_procfs_tell_the_same() {
        let check = |address: SocketAddr, protocol: Protocol, state: u32| {
            let port = Port::new(address.port()).unwrap();
            let endpoint = Endpoint { port, protocol, address: Some(address.ip()) };
            let many: BTreeSet<Port> = (1..10).filter_map(Port::new).collect();
            let one: BTreeSet<Port> = [port].into();
            let question = |ports| Question { protocol, states: 1 << state, ports };
            let few = by_netlink(&question(&one)).unwrap();
            assert!(few.iter().all(|it| it.endpoint.port == port), "others are not asked for");
            let all = question(&many);
            for list in [few, by_netlink(&all).unwrap(), by_procfs(&all).unwrap()] {
                let found = list.iter().find(|it| it.endpoint == endpoint);
                assert!(found.is_some_and(|it| it.key > 0), "{address}");
            }
        };
        for address in ["127.0.0.1:0", "[::1]:0"] {
            if let Ok(listener) = TcpListener::bind(address) {
                let address = listener.local_addr().unwrap();
                check(address, Protocol::Tcp, LISTEN);
                let client = TcpStream::connect(address).unwrap();
                let _accepted = listener.accept().unwrap();
                check(client.local_addr().unwrap(), Protocol::Tcp, ESTABLISHED);
            }
            if let Ok(socket) = UdpSocket::bind(address) {
                check(socket.local_addr().unwrap(), Protocol::Udp, CLOSE);
            }
        }
    }
}
