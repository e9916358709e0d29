use std::net::Ipv4Addr;

use super::format::Names;
use super::ini::Section;
use super::model::{Family, Owner, RpcInterface, Server};
use super::reader::{Options, Reader};
use super::refusal::Refusal;
use super::value::{inet_address, octal_type};
use super::{python, user};

/// Reads the servers: those on TCP ports first, as supervisord has them.
pub(super) fn read(reader: &Reader<'_>) -> Result<Vec<Server>, Refusal> {
    let of_kind =
        |kind: &'static str| reader.ini.sections().filter(move |section| section.name.starts_with(kind));
    let inet = of_kind("inet_http_server").map(|section| read_inet(reader, section));
    let unix = of_kind("unix_http_server").map(|section| read_unix(reader, section));
    inet.chain(unix).collect()
}

fn read_inet(reader: &Reader<'_>, section: &Section) -> Result<Server, Refusal> {
    let names = Names::default();
    let options = reader.options(section, &names);
    let (username, password) = login(options)?;
    let port = options.optional("port", inet_address)?;
    let (host, port) =
        port.ok_or_else(|| options.refusal("port", format!("section [{}] has no port value", section.name)))?;
    Ok(Server {
        section: section.name.clone(),
        family: Family::Inet,
        file: None,
        host: Some(host),
        port: Some(port),
        username,
        password,
        chmod: None,
        chown: None,
        place: section.place.clone(),
    })
}

fn read_unix(reader: &Reader<'_>, section: &Section) -> Result<Server, Refusal> {
    let (names, here) = (Names::default(), reader.with_here());
    let options = reader.options(section, &names);
    let Some(file) = reader.options(section, &here).text("file")? else {
        let what = format!("section [{}] has no file value", section.name);
        return Err(Refusal::at(section.place.clone(), what).hint("add `file=/path/to/the.sock`"));
    };
    let (username, password) = login(options)?;
    let chown = options.optional("chown", |text| {
        user::owner(reader, text).ok_or_else(|| format!("Invalid sockchown value {text}"))
    })?;
    let chmod = options
        .value("chmod", "0700", |text| octal_type(text).map_err(|_| format!("Invalid chmod value {text}")))?;
    Ok(Server {
        section: section.name.clone(),
        family: Family::Unix,
        file: Some(reader.normal(python::strip(&file))),
        host: None,
        port: None,
        username,
        password,
        chmod: Some(chmod),
        chown: Some(chown.unwrap_or((Owner::Unsaid(-1), Owner::Unsaid(-1)))),
        place: section.place.clone(),
    })
}

impl Server {
    /// Where a server on a TCP port is bound; none where it is not served. Without a password it is served to this machine
    /// alone, whatever the file says: whoever reaches it may do everything.
    pub fn bound_host(&self) -> Option<&str> {
        let host = self.host.as_deref()?;
        match (&self.password, host) {
            (Some(_), "") => Some("0.0.0.0"),
            (None, "") => Some("127.0.0.1"),
            (Some(_), host) => Some(host),
            (None, host) => is_loopback(host).then_some(host),
        }
    }
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse().is_ok_and(|address: Ipv4Addr| address.is_loopback())
}

fn login(options: Options<'_>) -> Result<(Option<String>, Option<String>), Refusal> {
    let (username, password) = (options.text("username")?, options.text("password")?);
    if username.is_some() == password.is_some() {
        return Ok((username, password));
    }
    let what = format!(
        "Section [{}] contains incomplete authentication: If a username or a password is specified, both the \
         username and password must be specified",
        options.section.name
    );
    Err(Refusal::at(options.section.place.clone(), what)
        .hint("write both `username` and `password`, or neither"))
}

/// The option that names a plugin's Python callable.
pub(super) const FACTORY: &str = "supervisor.rpcinterface_factory";

/// Reads the plugins that add methods for clients.
pub(super) fn read_interfaces(reader: &Reader<'_>) -> Result<Vec<RpcInterface>, Refusal> {
    let named = |section: &'_ Section| section.name.strip_prefix("rpcinterface:").map(str::to_owned);
    let sections = reader.ini.sections().filter_map(|section| Some((named(section)?, section)));
    sections.map(|(name, section)| read_interface(reader, name, section)).collect()
}

fn read_interface(reader: &Reader<'_>, name: String, section: &Section) -> Result<RpcInterface, Refusal> {
    let names = Names::default();
    let read = reader.options(section, &names);
    let Some(factory) = read.text(FACTORY)? else {
        let what = format!("section [{}] does not specify a {FACTORY}", section.name);
        let hint = "add `supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface`";
        return Err(Refusal::at(section.place.clone(), what).hint(hint));
    };
    let others = reader.ini.all_options(section).filter(|(option, _)| *option != FACTORY);
    let options = others.filter_map(|(option, _)| {
        let text = read.text(option).transpose()?;
        Some(text.map(|text| (option.to_owned(), text)))
    });
    let options = options.collect::<Result<_, _>>()?;
    Ok(RpcInterface { name, factory, options, place: section.place.clone() })
}
