use super::ini::Section;
use super::model::FastCgi;
use super::python::{self, int, repr};
use super::reader::Reader;
use super::refusal::Refusal;
use super::user;
use super::value::{octal_type, port};

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
