use std::path::Path;

use crate::cli::shim::getopt::{Given, Known, Takes};
use crate::cli::shim::program::{Called, Wrong};
use crate::config::environment::Environment;
use crate::config::supervisord::overrides;
use crate::config::supervisord::python::repr;
use crate::config::supervisord::reader::{Ground, Trust};

/// What a command line asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Asked {
    Help,
    Version,
    Start {
        /// The config file, if one is named.
        file: Option<String>,
        /// What `[supervisord]` is to say, whatever the file says.
        settings: Vec<(&'static str, String)>,
    },
}

/// What an option is about.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Help,
    Version,
    File,
    /// One of `[supervisord]` by this name.
    Setting(&'static str),
    /// The same, and a path.
    Path(&'static str),
    /// What only Python could do.
    Python,
}

const OPTIONS: [(Known, Kind); 21] = [
    (Known::flag('h', "help"), Kind::Help),
    (Known { short: Some('?'), long: None, takes: Takes::Nothing }, Kind::Help),
    (Known::flag('v', "version"), Kind::Version),
    (Known::value('c', "configuration"), Kind::File),
    (Known::flag('n', "nodaemon"), Kind::Setting("nodaemon")),
    (Known::flag('s', "silent"), Kind::Setting("silent")),
    (Known::value('u', "user"), Kind::Setting("user")),
    (Known::value('m', "umask"), Kind::Setting("umask")),
    (Known::value('d', "directory"), Kind::Path("directory")),
    (Known::value('l', "logfile"), Kind::Path("logfile")),
    (Known::value('y', "logfile_maxbytes"), Kind::Setting("logfile_maxbytes")),
    (Known::value('z', "logfile_backups"), Kind::Setting("logfile_backups")),
    (Known::value('e', "loglevel"), Kind::Setting("loglevel")),
    (Known::value('j', "pidfile"), Kind::Path("pidfile")),
    (Known::value('i', "identifier"), Kind::Setting("identifier")),
    (Known::value('q', "childlogdir"), Kind::Path("childlogdir")),
    (Known::flag('k', "nocleanup"), Kind::Setting("nocleanup")),
    (Known::value('a', "minfds"), Kind::Setting("minfds")),
    (Known { short: None, long: Some("minprocs"), takes: Takes::Value }, Kind::Setting("minprocs")),
    (Known::flag('t', "strip_ansi"), Kind::Setting("strip_ansi")),
    (Known { short: None, long: Some("profile_options"), takes: Takes::Value }, Kind::Python),
];

/// Reads the command line.
pub(super) fn read(called: &Called, environment: &Environment, here: &Path) -> Result<Asked, Wrong> {
    let known = OPTIONS.map(|(known, _)| known);
    let (given, rest) = called.options(&known)?;
    if !rest.is_empty() {
        let rest: Vec<String> = rest.iter().map(|word| repr(word)).collect();
        return Err(Wrong(format!("positional arguments are not supported: [{}]", rest.join(", "))));
    }
    let (mut file, mut settings) = (None, Vec::new());
    for Given { index, name, value } in given {
        match OPTIONS[index].1 {
            Kind::Help => return Ok(Asked::Help),
            Kind::Version => return Ok(Asked::Version),
            Kind::File => file = Some(value),
            Kind::Python => return Err(Wrong(format!("{name} concerns Python alone, and procman is none"))),
            Kind::Setting(option) => {
                let value = if OPTIONS[index].0.takes == Takes::Nothing { "true".to_owned() } else { value };
                settings.push((option, judged(option, (&name, value), environment, here)?));
            }
            Kind::Path(option) => {
                let path =
                    if value.starts_with('~') { value } else { here.join(value).display().to_string() };
                settings.push((option, judged(option, (&name, path), environment, here)?));
            }
        }
    }
    Ok(Asked::Start { file, settings })
}

/// A value that `[supervisord]` takes.
fn judged(
    option: &str,
    (name, value): (&str, String),
    environment: &Environment,
    here: &Path,
) -> Result<String, Wrong> {
    let config = here.join("supervisord.conf");
    let ground =
        Ground { config: &config, working_directory: here, environment, host: "", trust: Trust::Looked };
    overrides::prove(option, &value, ground)
        .map_err(|what| Wrong(format!("invalid value for {name} {}: {what}", repr(&value))))?;
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::{Asked, read};
    use crate::cli::shim::program::{Called, Wrong};
    use crate::config::environment::Environment;
    use std::path::Path;

    fn asked(line: &str) -> Result<Asked, String> {
        let words = line.split_whitespace().map(str::to_owned).collect();
        let called = Called { program: "supervisord".to_owned(), words };
        read(&called, &Environment::default(), Path::new("/tmp")).map_err(|Wrong(what)| what)
    }

    #[test]
    fn options_become_settings_and_paths_are_taken_from_here() {
        let settings =
            [("nodaemon", "true"), ("loglevel", "warn"), ("pidfile", "/tmp/x.pid"), ("minfds", "100")];
        let settings = settings.map(|(option, value)| (option, value.to_owned())).to_vec();
        let start = Asked::Start { file: Some("a.conf".to_owned()), settings };
        assert_eq!(asked("-nc a.conf -e warn --pidfile=x.pid --minfds 100"), Ok(start));
        assert_eq!(asked("-v"), Ok(Asked::Version));
        assert_eq!(asked("--help"), Ok(Asked::Help));
    }

    #[test]
    fn what_supervisord_refuses_is_refused_in_its_words() {
        for (line, said) in [
            ("x y", "positional arguments are not supported: ['x', 'y']"),
            ("-e loud", "invalid value for -e 'loud': bad logging level name 'loud'"),
            ("-d /no/such", "invalid value for -d '/no/such': /no/such is not an existing directory"),
            ("-n -n", "conflicting command line option '-n'"),
            ("--profile_options=calls", "--profile_options concerns Python alone, and procman is none"),
        ] {
            assert_eq!(asked(line), Err(said.to_owned()), "{line}");
        }
    }
}
