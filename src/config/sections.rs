use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use globset::Glob;
use toml::de::DeTable;

use super::scope::Scope;
use super::table::{Notes, Section, known_instead};
use super::value::{Expected, Value};
use crate::spec::log::Sockets;
use crate::spec::supervisor::{ExitOn, LogFormat, OwnLog, StopOrder, Supervisor};
use crate::spec::target::Targets;
use crate::vocab::log_level::LogLevel;
use crate::vocab::name::ServiceName;
use crate::vocab::port::{Endpoint, Port};
use crate::vocab::rlimits::Least;

/// A directory that is not there is made, so it must be one that can be.
fn refuse_what_is_no_directory(value: &Value<'_>, path: &Path) {
    match path.metadata() {
        Ok(found) if found.is_dir() => (),
        Ok(_) => value.add(
            format!("{} is a file", path.display()),
            "name a directory; it is made when it is not there",
        ),
        Err(error) if error.kind() == io::ErrorKind::InvalidFilename => {
            value.add("no directory can be made of this name", "write a shorter path");
        }
        Err(_) => (),
    }
}

/// Reads `[supervisor]`.
pub(super) fn supervisor<'a>(
    config: &Path,
    table: Option<&'a DeTable<'a>>,
    notes: &'a Notes,
    scope: &'a Scope,
) -> Supervisor {
    let section = Section::new(table, notes, scope);
    let base = config.parent().unwrap_or(Path::new("/"));
    let directory = |key, usual: &str| {
        let text = section.text(key);
        let path = base.join(text.as_ref().map_or(usual, |(text, _)| text.as_str()));
        if let Some((_, value)) = &text {
            refuse_what_is_no_directory(value, &path);
        }
        path
    };
    let usual_ports = || Supervisor::PROTECTED_PORTS.into_iter().filter_map(Port::new).collect();
    let supervisor = Supervisor {
        config: config.to_owned(),
        state_dir: directory("state_dir", Supervisor::STATE_DIR),
        log_dir: directory("log_dir", Supervisor::LOG_DIR),
        protected_ports: section.value("protected_ports").map_or_else(usual_ports, |value| ports(&value)),
        allowed_ports: section.value("allowed_ports").map(|value| ports(&value)).unwrap_or_default(),
        also_kill: Vec::new(),
        notify: Targets::new(),
        exit_on: section.text("exit_on").map_or(ExitOn::Never, |(text, value)| exit_on(&text, &value)),
        pid_file: None,
        log: OwnLog {
            level: section
                .text("log_level")
                .and_then(|(text, value)| value.note(text.parse()))
                .unwrap_or(LogLevel::Info),
            format: section.text("log_format").map_or(LogFormat::Human, |it| log_format(&it.0, &it.1)),
            ..OwnLog::default()
        },
        least: Least::default(),
        log_sockets: sockets(base, &section).into(),
        stops: StopOrder::ByNeeds,
    };
    section.refuse_others("[supervisor]");
    supervisor
}

fn log_format(text: &str, value: &Value<'_>) -> LogFormat {
    match text {
        "human" => LogFormat::Human,
        "json" => LogFormat::Json,
        other => {
            value.add(format!("`{other}` is no form of a log"), "write \"human\" or \"json\"");
            LogFormat::Human
        }
    }
}

fn sockets(base: &Path, section: &Section<'_>) -> Sockets {
    let usual = Sockets::default();
    let socket = |key, usual| section.text(key).map_or(usual, |(text, _)| base.join(text));
    Sockets {
        syslog: socket("syslog_socket", usual.syslog),
        journald: socket("journald_socket", usual.journald),
    }
}

fn exit_on(text: &str, value: &Value<'_>) -> ExitOn {
    match text {
        "never" => ExitOn::Never,
        "fatal" => ExitOn::Fatal,
        name => value.note(ServiceName::parse(name)).map_or(ExitOn::Never, ExitOn::Service),
    }
}

/// Notes a service that ends the whole and is none.
pub(super) fn refuse_unknown_exit(
    supervisor: &Supervisor,
    section: &Section<'_>,
    services: &BTreeSet<ServiceName>,
) {
    let (ExitOn::Service(name), Some(value)) = (&supervisor.exit_on, section.value("exit_on")) else {
        return;
    };
    if !services.contains(name) {
        let names: Vec<&str> = services.iter().map(ServiceName::as_str).chain(["fatal", "never"]).collect();
        value.add(format!("`{name}` is not a service"), known_instead(name.as_str(), &names));
    }
}

fn ports(value: &Value<'_>) -> BTreeSet<Port> {
    value.members().iter().filter_map(port).collect()
}

/// A port, or a note of why it is none.
pub(super) fn port(value: &Value<'_>) -> Option<Port> {
    value.integer(1..65_536).and_then(|number| Port::new(u16::try_from(number).ok()?))
}

/// Where a service listens, or a note of why that is no place: a bare port in any notation of integers, or one with an
/// address or a protocol.
pub(super) fn endpoint(value: &Value<'_>) -> Option<Endpoint> {
    let text = value.scalar(Expected::Integer)?;
    if text.contains([':', '/']) {
        return value.note(Endpoint::parse(&text));
    }
    port(value).map(Endpoint::tcp)
}

/// What came of a glob, or a note of why nothing did.
pub(super) fn note_glob<T>(value: &Value<'_>, glob: Result<T, globset::Error>) -> Option<T> {
    let words =
        "`*` stands for any text, `[ab]` for a or b, `{a,b}` for either; `\\` before one takes it as it is";
    glob.map_err(|error| value.add(format!("this is not a glob: {}", error.kind()), words)).ok()
}

/// Reads `[emergency]`: the globs of `also_kill`.
pub(super) fn emergency<'a>(
    table: Option<&'a DeTable<'a>>,
    notes: &'a Notes,
    scope: &'a Scope,
) -> Vec<String> {
    let section = Section::new(table, notes, scope);
    let values = section.value("also_kill").map(|value| value.members()).unwrap_or_default();
    let globs = values.iter().filter_map(|value| {
        let text = value.text()?;
        note_glob(value, Glob::new(&text)).map(|_| text)
    });
    let globs = globs.collect();
    section.refuse_others("[emergency]");
    globs
}
