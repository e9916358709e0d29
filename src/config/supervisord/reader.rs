use std::path::Path;

use super::format::{Names, expand};
use super::ini::{Ini, Section};
use super::python::{directory_of, join, normal};
use super::refusal::Refusal;
use crate::config::environment::Environment;

/// What a file is read on: everything that it may refer to outside itself.
#[derive(Debug, Clone, Copy)]
pub struct Ground<'a> {
    /// The main file, absolute.
    pub config: &'a Path,
    /// What relative paths are taken from.
    pub working_directory: &'a Path,
    /// What `%(ENV_…)s` and `~` mean.
    pub environment: &'a Environment,
    /// What `%(host_node_name)s` means.
    pub host: &'a str,
    /// Whether users and directories have to be there.
    pub trust: Trust,
}

/// Whether the machine is asked about what a file names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// Users and directories are taken as they stand.
    AsItStands,
    /// They have to be there.
    Looked,
}

/// Reads options of sections, with the place of each for what is wrong with it.
pub(super) struct Reader<'a> {
    pub(super) ini: &'a Ini,
    pub(super) ground: Ground<'a>,
    /// The directory of the main file.
    pub(super) here: String,
    /// `ENV_…` of the environment and, once it is read, of `[supervisord] environment`.
    pub(super) environment: Names,
}

impl<'a> Reader<'a> {
    pub(super) fn new(ini: &'a Ini, ground: Ground<'a>) -> Self {
        let mut environment = Names::default();
        environment.set_variables(ground.environment.variables());
        Self { ini, ground, here: here(ground.config), environment }
    }

    /// The names that every section of programs and `[supervisord]` may use.
    pub(super) fn with_here(&self) -> Names {
        let mut names = Names::default();
        names.set("here", &self.here);
        names
    }

    /// The options of a section, whose values may use `names`.
    pub(super) fn options<'r>(&'r self, section: &'r Section, names: &'r Names) -> Options<'r> {
        Options { reader: self, section, names }
    }

    /// `os.path.expanduser` for one's own home directory.
    pub(super) fn at_home(&self, path: &str) -> String {
        let rest = path.strip_prefix('~').filter(|rest| rest.is_empty() || rest.starts_with('/'));
        match (rest, self.ground.environment.value("HOME")) {
            (Some(rest), Some(home)) => {
                let whole = format!("{}{rest}", home.trim_end_matches('/'));
                if whole.is_empty() { "/".to_owned() } else { whole }
            }
            (Some(_) | None, _) => path.to_owned(),
        }
    }

    /// A path made absolute and normal.
    pub(super) fn normal(&self, path: &str) -> String {
        normal(&join(&self.ground.working_directory.to_string_lossy(), &self.at_home(path)))
    }

    /// A directory that has to be there.
    pub(super) fn existing_directory(&self, path: &str) -> Result<String, String> {
        let path = self.at_home(path);
        if self.has_directory(&path) { Ok(path) } else { Err(format!("{path} is not an existing directory")) }
    }

    /// A file whose directory has to be there.
    pub(super) fn in_existing_directory(&self, path: &str) -> Result<String, String> {
        let expanded = self.at_home(path);
        let directory = directory_of(&expanded);
        if directory.is_empty() || self.has_directory(directory) {
            Ok(expanded)
        } else {
            Err(format!("The directory named as part of the path {path} does not exist"))
        }
    }

    fn has_directory(&self, path: &str) -> bool {
        match self.ground.trust {
            Trust::AsItStands => true,
            Trust::Looked => self.ground.working_directory.join(path).is_dir(),
        }
    }
}

/// The options of one section, with what their values may use.
#[derive(Clone, Copy)]
pub(super) struct Options<'a> {
    pub(super) reader: &'a Reader<'a>,
    pub(super) section: &'a Section,
    pub(super) names: &'a Names,
}

impl<'a> Options<'a> {
    /// What an option says, expanded; none if it is not there.
    pub(super) fn text(&self, option: &str) -> Result<Option<String>, Refusal> {
        let Some(entry) = self.reader.ini.entry(self.section, option) else { return Ok(None) };
        let what = format!("{}.{option}", self.section.name);
        let text = expand(&entry.value, &self.reader.environment.overlaid(self.names), &what);
        text.map(Some)
            .map_err(|what| Refusal::at(entry.place.clone(), what).hint(way_out_of_format(&entry.value)))
    }

    /// What an option says, as it stands.
    pub(super) fn raw(&self, option: &str) -> Option<&'a str> {
        self.reader.ini.entry(self.section, option).map(|entry| entry.value.as_str())
    }

    /// What an option comes to, or its usual text.
    pub(super) fn value<T>(
        &self,
        option: &str,
        usual: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<T, Refusal> {
        let text = self.text(option)?;
        parse(text.as_deref().unwrap_or(usual)).map_err(|what| self.refusal(option, what))
    }

    /// What an option comes to if it is there.
    pub(super) fn optional<T>(
        &self,
        option: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Option<T>, Refusal> {
        let text = self.text(option)?;
        text.map(|text| parse(&text)).transpose().map_err(|what| self.refusal(option, what))
    }

    /// A refusal with the place of an option, or of its section if it is not there.
    pub(super) fn refusal(&self, option: &str, what: impl Into<String>) -> Refusal {
        let entry = self.reader.ini.entry(self.section, option);
        let place = entry.map_or(&self.section.place, |entry| &entry.place);
        Refusal::at(place.clone(), what).hint(way_out(option))
    }
}

/// The directory of a file, absolute.
pub(super) fn here(config: &Path) -> String {
    normal(directory_of(&config.to_string_lossy()))
}

fn way_out_of_format(value: &str) -> String {
    if value.contains("%(ENV_") {
        "set the variable before procman starts; a percent sign of the text itself is written `%%`".to_owned()
    } else {
        "use one of the names that are there; a percent sign of the text itself is written `%%`".to_owned()
    }
}

fn way_out(option: &str) -> &'static str {
    match option {
        "command" => "add `command=/path/to/program its arguments`",
        "environment" => {
            "write KEY=\"value\",OTHER=\"value\", with quotes around what is more than letters and digits"
        }
        "process_name" => "write `process_name=%(program_name)s_%(process_num)02d`, say",
        "user" | "chown" | "socket_owner" => "name a user, or user:group, of this machine",
        "umask" | "chmod" | "socket_mode" => "write octal digits, such as 022",
        "stopsignal" => "use TERM, HUP, INT, QUIT, KILL, USR1 or USR2",
        "exitcodes" => "write numbers from 0 to 255 with commas between them",
        "programs" => "name programs that this file or its includes have",
        "files" => "add `files = conf.d/*.conf`",
        "port" => "write a port from 1 to 65535, or host:port",
        "autorestart" => "write true, false or unexpected",
        "directory" | "childlogdir" => "make the directory first, or name one that is there",
        "loglevel" => "use critical, error, warn, info, debug, trace or blather",
        "socket" => "write tcp://host:port or unix:///path",
        option if option.ends_with("maxbytes") => {
            "write a number of bytes, or one with KB, MB or GB behind it"
        }
        option if option.ends_with("logfile") || option == "pidfile" => {
            "make the directory first, or name a file in one that is there"
        }
        option if option.ends_with("secs") || option.ends_with("retries") || option.contains("numprocs") => {
            "write a whole number"
        }
        option if option.ends_with("backups") || option == "priority" || option.starts_with("min") => {
            "write a whole number"
        }
        _ => "supervisord's manual has what this option takes; true or false, if it is a switch",
    }
}
