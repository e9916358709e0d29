use std::collections::BTreeMap;
use std::path::PathBuf;

use super::ini::Section;
use super::model::{Family, Server, Settings};
use super::reader::Reader;
use super::refusal::{Place, Refusal};
use super::value::{boolean, byte_size, log_level, octal_type};
use super::{overrides, python, user, words};
use crate::spec::supervisor::{Copies, Echo, LogFormat, OwnLog};
use crate::vocab::log_level::LogLevel;
use crate::vocab::rlimits::Least;

/// Reads `[supervisord]`; its variables are known to all programs from here on.
pub(super) fn read(reader: &mut Reader<'_>, section: &Section) -> Result<Settings, Refusal> {
    let settings = read_options(reader, section)?;
    reader.environment.set_variables(&settings.environment);
    Ok(settings)
}

fn read_options(reader: &Reader<'_>, section: &Section) -> Result<Settings, Refusal> {
    let names = reader.with_here();
    let options = reader.options(section, &names);
    let number = |option, usual| options.value(option, usual, python::int);
    let flag = |option| options.value(option, "false", boolean);
    let file = |option, usual| options.value(option, usual, |path| reader.in_existing_directory(path));
    let minfds = number("minfds", "1024")?;
    let minprocs = number("minprocs", "200")?;
    let directory = options.optional("directory", |path| reader.existing_directory(path))?;
    let user = options.text("user")?;
    let umask = options.value("umask", "022", octal_type)?;
    let logfile = file("logfile", "supervisord.log")?;
    let logfile_maxbytes = options.value("logfile_maxbytes", "50MB", byte_size)?;
    let logfile_backups = number("logfile_backups", "10")?;
    let loglevel = options.value("loglevel", "info", log_level)?;
    let pidfile = file("pidfile", "supervisord.pid")?;
    let identifier = options.value("identifier", "supervisor", |text| Ok(text.to_owned()))?;
    let (nodaemon, silent) = (flag("nodaemon")?, flag("silent")?);
    let childlogdir = options.value("childlogdir", "/tmp", |path| reader.existing_directory(path))?;
    let (nocleanup, strip_ansi) = (flag("nocleanup")?, flag("strip_ansi")?);
    let environment = options.value("environment", "", |text| {
        let mut names = reader.environment.overlaid(&names);
        names.set("host_node_name", reader.ground.host);
        // Expanded already, and once more: a percent sign of the text itself is written `%%%%` here.
        words::variables(&super::format::expand(text, &names, "environment")?)
    })?;
    if let Some(name) = &user {
        user::prove(reader, name).map_err(|what| options.refusal("user", what))?;
    }
    let logfile = if logfile == "syslog" { logfile } else { reader.normal(&logfile) };
    let pidfile = reader.normal(&pidfile);
    // A device is no file that could be read again.
    let is_file = |path: &&String| *path != "syslog" && !is_device(path);
    let named_log = options.raw("logfile").and(Some(&logfile)).filter(is_file).cloned();
    let named_pidfile = options.raw("pidfile").and(Some(&pidfile)).cloned();
    Ok(Settings {
        started_in: reader.ground.environment.value(overrides::STARTED_IN).map(str::to_owned),
        logfile,
        logfile_maxbytes,
        logfile_backups,
        loglevel,
        pidfile,
        umask,
        nodaemon,
        silent,
        minfds,
        minprocs,
        nocleanup,
        strip_ansi,
        childlogdir,
        user,
        directory,
        identifier,
        environment,
        serverurl: None,
        places: places(reader, section),
        named_log,
        named_pidfile,
    })
}

/// Where the section and each of its options stand; the section has no name here.
fn places(reader: &Reader<'_>, section: &Section) -> BTreeMap<String, Place> {
    let options = reader.ini.own_options(section).map(|(name, entry)| (name.to_owned(), entry.place.clone()));
    options.chain([(String::new(), section.place.clone())]).collect()
}

impl Settings {
    /// Where an option stands; the whole file if it is not said.
    pub(super) fn place(&self, option: &str) -> Place {
        self.places.get(option).cloned().unwrap_or(Place { file: 0, span: 0..0 })
    }

    /// The supervisor's own log, as procman keeps it.
    pub(super) fn own_log(&self) -> OwnLog {
        OwnLog {
            file: self.named_log.as_ref().map(PathBuf::from),
            level: self.loglevel.level(),
            format: LogFormat::Supervisord,
            size_max: u64::try_from(self.logfile_maxbytes).unwrap_or(0),
            keep: u32::try_from(self.logfile_backups).unwrap_or(0),
            echo: match (self.silent, self.logfile.as_str()) {
                (false, _) | (true, "/dev/stdout" | "/dev/fd/1" | "/proc/self/fd/1") => Echo::Stdout,
                (true, "/dev/stderr" | "/dev/fd/2" | "/proc/self/fd/2") => Echo::Stderr,
                (true, _) => Echo::Nowhere,
            },
            copies: if self.loglevel.level() >= LogLevel::Debug { Copies::All } else { Copies::Nothing },
        }
    }

    /// Where programs run that have no directory of their own: supervisord goes to its `directory` when it is a daemon.
    pub(super) fn usual_directory(&self) -> Option<&String> {
        self.directory.as_ref().filter(|_| !self.nodaemon).or(self.started_in.as_ref())
    }

    /// What processes may have at least.
    pub(super) fn least(&self) -> Least {
        let count = |number: i64| u64::try_from(number).unwrap_or(0);
        Least { open_files: count(self.minfds), processes: count(self.minprocs) }
    }
}

/// Whether a path is of a device, or of what some process has open.
pub(super) fn is_device(path: &str) -> bool {
    path.starts_with("/dev/") || path.starts_with("/proc/")
}

/// The address that programs are told: the first unix socket, else the last TCP port.
pub(super) fn server_url(servers: &[Server]) -> Option<String> {
    let unix = servers.iter().find(|server| server.family == Family::Unix);
    let inet = servers.iter().rev().find(|server| server.family == Family::Inet);
    match (unix, inet) {
        (Some(server), _) => server.file.as_ref().map(|file| format!("unix://{file}")),
        (None, Some(server)) => {
            let host = server.host.as_deref().filter(|host| !host.is_empty()).unwrap_or("localhost");
            Some(format!("http://{host}:{}", server.port?))
        }
        (None, None) => None,
    }
}
