use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::access;
use super::load::{Machine, Places};
use super::policy::Ports;
use super::prove;
use super::scope::Knowledge;
use super::table::Section;
use super::value::Value;
use crate::spec::hold::{Hold, Way};
use crate::spec::service::{Command, User};
use crate::vocab::listen::{Access, ListenAddress};
use crate::vocab::name::ServiceName;
use crate::vocab::port::{Endpoint, Protocol};

/// What a service's held sockets are read with.
pub(super) struct Holder<'a> {
    /// The config file's directory.
    pub(super) base: &'a Path,
    pub(super) name: &'a ServiceName,
    pub(super) command: Option<&'a Command>,
    pub(super) user: Option<&'a User>,
    pub(super) ports: &'a Ports,
    pub(super) machine: Machine,
}

/// So long a run that was replaced may go on with its connections, unless its service says otherwise.
const DRAIN: Duration = Duration::from_secs(5);

/// Reads `hold`, `host`, `sockets` and `drain`.
pub(super) fn read(
    section: &Section<'_>,
    holder: &Holder<'_>,
    places: &mut Places,
) -> (Option<Hold>, Duration) {
    let hold = read_hold(section, holder, places);
    let drain = drain(section, hold.as_ref());
    (hold, drain)
}

/// None when nothing is held, or when a note says why that cannot be.
fn read_hold(section: &Section<'_>, holder: &Holder<'_>, places: &mut Places) -> Option<Hold> {
    let (hold, host) = (section.text("hold"), section.value("host"));
    let sockets = sockets(section, holder, places);
    let access = access::read(section);
    let backlog = backlog(section);
    let Some((text, value)) = hold else {
        return read_sockets_alone(section, holder, Sockets { paths: sockets, access, backlog });
    };
    let hosts = host.map_or_else(|| vec![IpAddr::V4(Ipv4Addr::LOCALHOST)], |value| hosts(&value));
    let ports = &holder.ports.list;
    let tcp = ports.iter().flat_map(|port| at(*port, &hosts));
    let addresses: Vec<ListenAddress> =
        tcp.chain(sockets.iter().map(|(path, _)| ListenAddress::Unix(path.clone()))).collect();
    if let Some(value) = section.own("host").filter(|_| is_pointless(holder.ports)) {
        value.add("`host` is for ports without an address, and each has one here", "remove it");
    }
    let way = way(&text, &value)?;
    if addresses.is_empty() {
        // Where something was declared, a note says why it is not there.
        let is_nothing = ports.is_empty() && holder.ports.knowledge == Knowledge::Whole;
        if is_nothing && section.own("sockets").is_none() {
            value.add("there is no socket to hold", "declare `port = N`, or `sockets = [\"run/app.sock\"]`");
        }
        return None;
    }
    let hold = Hold { way, addresses, access, backlog };
    refuse_ports(ports, &value);
    refuse_what_cannot_be(&hold, &value, holder, &sockets);
    Some(hold)
}

/// Unix sockets of a service, and how they are made.
struct Sockets<'v> {
    paths: Vec<(PathBuf, Value<'v>)>,
    access: Access,
    backlog: Option<u16>,
}

/// Without `hold`: nobody can use a socket that is declared but one who is given it, so `sockets` alone are given as from
/// systemd. Where ports are declared as well, nobody knows whether the service binds those itself.
fn read_sockets_alone(section: &Section<'_>, holder: &Holder<'_>, sockets: Sockets<'_>) -> Option<Hold> {
    let Sockets { paths: sockets, access, backlog } = sockets;
    let is_alone = holder.ports.list.is_empty() && section.own("host").is_none();
    if is_alone && !sockets.is_empty() {
        let addresses = sockets.into_iter().map(|(path, _)| ListenAddress::Unix(path)).collect();
        return Some(Hold { way: Way::ListenFds, addresses, access, backlog });
    }
    for key in ["host", "sockets"] {
        // An empty list of sockets declares nothing.
        let value = section.own(key).filter(|value| key == "host" || !value.members().is_empty());
        if let Some(value) = value.filter(|_| !is_alone) {
            let what = format!("`{key}` is about sockets that procman holds");
            value.add(what, "add `hold = \"listen-fds\"`, \"stdin\" or \"python\", or remove it");
        }
    }
    let (unix, any) = ("add `sockets`, or remove it", "add `hold` or `sockets`, or remove it");
    for (key, about, way_out) in [
        ("socket_mode", "unix sockets", unix),
        ("socket_owner", "unix sockets", unix),
        ("socket_backlog", "sockets", any),
    ] {
        if let Some(value) = section.own(key).filter(|_| sockets.is_empty()) {
            value.add(format!("`{key}` is about {about} that procman holds"), way_out);
        }
    }
    None
}

/// Reads `socket_backlog`, which listen(2) is given; as many connections as the system lets may wait unless it is said.
fn backlog(section: &Section<'_>) -> Option<u16> {
    section.integer("socket_backlog", 1..65_536).and_then(|backlog| u16::try_from(backlog).ok())
}

/// Only the Python shim can take a socket away from a program that goes on.
fn drain(section: &Section<'_>, hold: Option<&Hold>) -> Duration {
    let drain = section.duration("drain");
    if hold.is_some_and(|hold| hold.way == Way::Python) {
        return drain.unwrap_or(DRAIN);
    }
    // Where a note says why nothing is held, this follows from it.
    let is_plain = hold.is_some() || section.own("hold").is_none();
    if let Some(value) = section.own("drain").filter(|_| is_plain) {
        value.add(
            "`drain` is about sockets that the Python shim can take away from a run",
            "remove it, or use `hold = \"python\"`; other programs have `stop_timeout` to finish in",
        );
    }
    Duration::ZERO
}

fn is_pointless(ports: &Ports) -> bool {
    let is_whole = ports.knowledge == Knowledge::Whole && !ports.list.is_empty();
    is_whole && ports.list.iter().all(|port| port.address.is_some())
}

/// Where a port is held: at its own address, or at the hosts.
fn at(port: Endpoint, hosts: &[IpAddr]) -> impl Iterator<Item = ListenAddress> {
    let hosts = port.address.map_or_else(|| hosts.to_vec(), |address| vec![address]);
    hosts.into_iter().map(move |host| ListenAddress::tcp(host, port.port))
}

/// Ports that cannot be held, alone or beside each other.
fn refuse_ports(ports: &[Endpoint], value: &Value<'_>) {
    for (at, port) in ports.iter().enumerate() {
        if port.protocol == Protocol::Udp {
            value.add(
                format!("port {port} cannot be held: its datagrams are not queued as connections are"),
                "leave that port to a service without `hold`, or remove `hold`",
            );
        }
        if let Some(other) = ports[..at].iter().find(|other| other.overlaps(port)) {
            value.add(
                format!("{other} and {port} cannot both be held: one includes the other"),
                "keep the one that includes the other",
            );
        }
    }
}

fn way(text: &str, value: &Value<'_>) -> Option<Way> {
    match text {
        "listen-fds" => Some(Way::ListenFds),
        "stdin" => Some(Way::Stdin),
        "python" => Some(Way::Python),
        other => {
            value.add(
                format!("`{other}` is not a way to hand sockets over"),
                "use \"listen-fds\", \"stdin\" or \"python\"",
            );
            None
        }
    }
}

/// What one way cannot do.
fn refuse_what_cannot_be(
    hold: &Hold,
    value: &Value<'_>,
    holder: &Holder<'_>,
    sockets: &[(PathBuf, Value<'_>)],
) {
    match hold.way {
        Way::ListenFds => (),
        Way::Stdin if hold.addresses.len() == 1 => (),
        Way::Stdin => value.add(
            format!("standard input is one socket, and here are {}", hold.addresses.len()),
            "keep one port with one host, or one socket; or use \"listen-fds\"",
        ),
        Way::Python => {
            for (_, socket) in sockets {
                socket.add(
                    "the Python shim answers for TCP ports, not for unix sockets",
                    "use `hold = \"listen-fds\"` for this one, or let the program make it",
                );
            }
            if let Some(user) = holder.user.filter(|user| prove::is_other(user)) {
                value.add(
                    format!(
                        "`{}` may not read the Python shim, which lies in the state directory",
                        user.name
                    ),
                    "use \"listen-fds\", or run procman as that user",
                );
            }
            if let Some(flag) = holder.command.and_then(flag_past_shim) {
                value.add(
                    format!("`{flag}` makes Python ignore the shim, and the port would be taken for it"),
                    "remove that flag from the command, or use \"listen-fds\"",
                );
            }
        }
    }
}

/// The flag of a Python command line that keeps `PYTHONPATH` or `sitecustomize` from being looked at (`-I`, `-E`, `-S`).
fn flag_past_shim(command: &Command) -> Option<&str> {
    let words = std::iter::once(command.program()).chain(command.arguments().iter().map(String::as_str));
    let is_python = |word: &&str| {
        let name = word.rsplit('/').next().unwrap_or_default();
        name.starts_with("python") || name.starts_with("pypy")
    };
    let mut words = words.skip_while(|word| !is_python(word)).skip(1);
    while let Some(word) = words.next() {
        let letters = word.strip_prefix('-').filter(|letters| !letters.starts_with('-'))?;
        for (at, letter) in letters.char_indices() {
            match letter {
                'I' | 'E' | 'S' => return Some(word),
                // The rest is the program.
                'c' | 'm' => return None,
                // The rest of the word, or the next one, belongs to this letter.
                'W' | 'X' | 'Q' => {
                    if at + 1 == letters.len() {
                        words.next();
                    }
                    break;
                }
                _ => (),
            }
        }
    }
    None
}

/// `host`, one address or several. Nothing else is looked up: what a name means may differ at the next start.
fn hosts(value: &Value<'_>) -> Vec<IpAddr> {
    let mut hosts: Vec<IpAddr> = Vec::new();
    for value in value.members() {
        let Some(text) = value.text() else { continue };
        match text.parse() {
            Ok(host) if hosts.contains(&host) => {
                value.add(format!("{host} stands here twice"), "remove one");
            }
            Ok(host) => hosts.push(host),
            Err(_) => value.add(
                format!("`{text}` is not an address"),
                "write one, as in \"127.0.0.1\", \"0.0.0.0\" or \"::\"",
            ),
        }
    }
    let has = |host: IpAddr| hosts.contains(&host);
    let (four, six) = (IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::UNSPECIFIED));
    if hosts.len() > 1 && (has(four) || has(six)) {
        value.add(
            "an address that stands for all of a machine's is alone",
            "keep \"::\", which takes IPv4 as well, or \"0.0.0.0\"",
        );
    }
    hosts
}

/// `sockets`: paths of unix sockets, relative to the file.
fn sockets<'v>(section: &Section<'v>, holder: &Holder<'_>, places: &mut Places) -> Vec<(PathBuf, Value<'v>)> {
    let mut found = Vec::new();
    for value in section.value("sockets").map(|value| value.members()).unwrap_or_default() {
        let Some(text) = value.text() else { continue };
        let path = holder.base.join(&text);
        let directory = path.parent().unwrap_or(holder.base);
        if path.as_os_str().len() > ListenAddress::PATH_LEN_MAX {
            value.add(
                format!("{} is too long for a socket", path.display()),
                format!("use one of at most {} bytes", ListenAddress::PATH_LEN_MAX),
            );
        } else if text.is_empty() || text.ends_with('/') || path.is_dir() {
            value.add(format!("`{text}` is not the path of a socket"), "write it as in \"run/app.sock\"");
        } else if holder.machine == Machine::Proven && !directory.is_dir() {
            value.add(
                format!("the directory {} does not exist", directory.display()),
                "make it; the path is taken from the config file's directory",
            );
        } else {
            let group = section.own("group").and_then(|group| group.text());
            let before = places.sockets.insert(path.clone(), (holder.name.clone(), group.clone()));
            match before {
                Some((first, of)) if of.is_none() || of != group => {
                    let hint = "give each a path of its own; services of one `group` may share one";
                    value.add(format!("`{first}` declares this socket already"), hint);
                }
                Some(_) | None => found.push((path, value)),
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::flag_past_shim;
    use crate::spec::service::Command;

    #[test]
    fn a_flag_that_makes_python_ignore_the_shim_is_seen() {
        let flag = |line: &str| {
            let command = Command::new(line.split(' ').map(str::to_owned).collect()).unwrap();
            flag_past_shim(&command).map(str::to_owned)
        };
        for (line, expected) in [
            ("python3 -I main.py", Some("-I")),
            ("python3 -u -S main.py", Some("-S")),
            ("/venv/bin/python3.12 -uE -m http.server", Some("-uE")),
            ("env python3 -Werror -X dev -I main.py", Some("-I")),
            ("python3 -W -I main.py", None),
            ("python3 -u main.py -I", None),
            ("python3 -m http.server -S", None),
            ("python3 -mhttp.server", None),
            ("python3 -c pass -E", None),
            ("python3 -Xdev main.py", None),
            ("gunicorn -S app", None),
        ] {
            assert_eq!(flag(line).as_deref(), expected, "{line}");
        }
    }
}
