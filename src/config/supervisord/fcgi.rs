use super::ini::Section;
use super::model::{FastCgi, Group, GroupKind, Owner};
use super::python::{self, int, repr};
use super::reader::Reader;
use super::refusal::Refusal;
use super::user;
use super::value::{octal_type, port};
use crate::config::writer::{self, quoted};
use crate::spec::supervisor::Supervisor;

/// Reads the socket of `[fcgi-program:NAME]`.
pub(super) fn read(reader: &Reader<'_>, section: &Section) -> Result<FastCgi, Refusal> {
    let mut names = reader.with_here();
    let bare = section.bare_name();
    names.set("program_name", python::strip(bare));
    let here = reader.with_here();
    let options = reader.options(section, &here);
    options.optional("user", |text| user::prove(reader, text))?;
    let backlog = options.optional("socket_backlog", |text| match int(text)? {
        backlog if (1..=65_535).contains(&backlog) => Ok(backlog),
        backlog => Err(format!("Invalid socket_backlog value {backlog}")),
    })?;
    let owner = options.optional("socket_owner", |text| {
        user::owner(reader, text).ok_or_else(|| format!("Invalid socket_owner value {text}"))
    })?;
    let mode = options.optional("socket_mode", |text| {
        octal_type(text).map_err(|_| format!("Invalid socket_mode value {text}"))
    })?;
    let Some(socket) = reader.options(section, &names).text("socket")?.filter(|socket| !socket.is_empty())
    else {
        let what = format!("[{}] section requires a \"socket\" line", section.name);
        return Err(options.refusal("socket", what));
    };
    parse(reader, &socket, FastCgi { url: String::new(), backlog, mode, owner })
        .map_err(|what| options.refusal("socket", format!("{what} in [{}] socket", section.name)))
}

/// The socket in the words of a services.toml: it is held, and handed over as standard input.
pub(super) fn keys(socket: &FastCgi) -> Vec<(&'static str, String)> {
    let mut keys = vec![("hold", quoted("stdin"))];
    match (address(socket), socket.url.strip_prefix("unix://")) {
        (Some((host, port)), _) => keys.extend([("host", quoted(&host)), ("port", port)]),
        (None, Some(path)) => {
            keys.push(("sockets", writer::array(&[quoted(path)])));
            keys.extend(socket.mode.map(|mode| ("socket_mode", format!("\"{mode:03o}\""))));
            keys.extend(socket.owner.as_ref().map(|owner| ("socket_owner", quoted(&name(owner)))));
        }
        (None, None) => (),
    }
    keys.extend(socket.backlog.map(|backlog| ("socket_backlog", backlog.to_string())));
    keys
}

/// `user` or `user:group`.
fn name((user, group): &(Owner, Owner)) -> String {
    let text = |owner: &Owner| match owner {
        Owner::Unsaid(_) => String::new(),
        Owner::Named(name) => name.clone(),
    };
    match group {
        Owner::Unsaid(_) => text(user),
        Owner::Named(group) => format!("{}:{group}", text(user)),
    }
}

/// A port of a group that is protected unless it is allowed by name.
pub(super) fn protected_port(group: &Group) -> Option<String> {
    let GroupKind::FastCgi(socket) = &group.kind else { return None };
    let (_, port) = address(socket)?;
    let number: u16 = port.parse().ok()?;
    (number < 1024 || Supervisor::PROTECTED_PORTS.contains(&number)).then_some(port)
}

/// Where a TCP socket listens, as an address and a port; none of a unix socket.
fn address(socket: &FastCgi) -> Option<(String, String)> {
    let (host, port) = socket.url.strip_prefix("tcp://")?.rsplit_once(':')?;
    let host = if host == "localhost" { "127.0.0.1" } else { host };
    Some((host.to_owned(), port.to_owned()))
}

/// What keeps a socket of supervisord's from being held, with a way out.
pub(super) fn unkept(name: &str, socket: &FastCgi) -> Option<(String, &'static str)> {
    let (host, _) = address(socket).filter(|(host, _)| host.parse::<std::net::IpAddr>().is_err())?;
    let what = format!("[fcgi-program:{name}] cannot listen on `{host}`: a socket is held on an address");
    Some((what, "write the address, as in tcp://127.0.0.1:9002"))
}

fn parse(reader: &Reader<'_>, socket: &str, options: FastCgi) -> Result<FastCgi, String> {
    if let Some(path) = socket.strip_prefix("unix://") {
        if !path.starts_with('/') {
            let whole = "Unix socket path %s is not an absolute path";
            return Err(format!("({}, {})", repr(whole), repr(path)));
        }
        let url = format!("unix://{}", reader.normal(path));
        return Ok(FastCgi { url, mode: options.mode.or(Some(0o700)), ..options });
    }
    if options.owner.is_some() || options.mode.is_some() {
        return Err(
            "socket_owner and socket_mode params should only be used with a Unix domain socket".to_owned()
        );
    }
    let bad = || format!("({}, {})", repr("Bad socket format %s"), repr(socket));
    let (host, number) =
        socket.strip_prefix("tcp://").and_then(|rest| rest.split_once(':')).ok_or_else(bad)?;
    let is_number = !number.is_empty() && number.chars().all(|c| c.is_ascii_digit());
    if host.is_empty() || host.contains(char::is_whitespace) || !is_number {
        return Err(bad());
    }
    Ok(FastCgi { url: format!("tcp://{}:{}", host.to_lowercase(), port(number)?), ..options })
}
