use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::getopt::{self, Given, Known};

/// A program whose name procman answers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum Name {
    Supervisorctl,
    Supervisord,
}

impl Name {
    pub(in crate::cli) const ALL: [Self; 2] = [Self::Supervisorctl, Self::Supervisord];

    /// The name that a file of the program has.
    pub(in crate::cli) fn file(self) -> &'static str {
        match self {
            Self::Supervisorctl => "supervisorctl",
            Self::Supervisord => "supervisord",
        }
    }

    /// The one that this process was called by, if it was not `procman`.
    pub(in crate::cli) fn of_this_process() -> Option<Self> {
        let called = std::env::args_os().next()?;
        let file = Path::new(&called).file_name()?.to_owned();
        Self::ALL.into_iter().find(|name| file == name.file())
    }
}

/// The file of this procman, with all links resolved.
pub(in crate::cli) fn own_file() -> std::io::Result<PathBuf> {
    std::env::current_exe().and_then(std::fs::canonicalize)
}

/// A command as it was called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) struct Called {
    /// Its own name, with its directory.
    pub(in crate::cli) program: String,
    /// The words behind it.
    pub(in crate::cli) words: Vec<String>,
}

/// Wrong usage, said as supervisor's programs say it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) struct Wrong(pub(in crate::cli) String);

impl Wrong {
    /// Says it on standard error; the exit code is 2.
    pub(in crate::cli) fn tell(&self, called: &Called) -> ExitCode {
        let mut err = std::io::stderr().lock();
        // Nobody listening is no failure.
        let _ = writeln!(err, "Error: {}\nFor help, use {} -h", self.0, called.program);
        ExitCode::from(2)
    }
}

impl Called {
    /// The words of this process. A name without a directory is looked up in PATH, for a script of Python's is always told
    /// its own path.
    pub(in crate::cli) fn of_this_process() -> Self {
        let mut words = std::env::args_os().map(|word| word.to_string_lossy().into_owned());
        let name = words.next().unwrap_or_default();
        let program = if name.contains('/') { name } else { in_path(&name).unwrap_or(name) };
        Self { program, words: words.collect() }
    }

    /// Reads the options; one that is given twice is refused. The words behind are left.
    pub(in crate::cli) fn options(&self, known: &[Known]) -> Result<(Vec<Given>, Vec<String>), Wrong> {
        let (given, rest) = getopt::parse(known, &self.words).map_err(Wrong)?;
        let twice = given
            .iter()
            .enumerate()
            .find(|(at, option)| given[..*at].iter().any(|before| before.index == option.index));
        match twice {
            Some((_, option)) => Err(Wrong(format!("conflicting command line option '{}'", option.name))),
            None => Ok((given, rest)),
        }
    }

    /// Where a config file is looked for, in this order, when none is named.
    pub(in crate::cli) fn search_paths(&self) -> [PathBuf; 6] {
        let beside = Path::new(&self.program).parent().and_then(Path::parent).unwrap_or(Path::new(""));
        [
            beside.join("etc/supervisord.conf"),
            beside.join("supervisord.conf"),
            "supervisord.conf".into(),
            "etc/supervisord.conf".into(),
            "/etc/supervisord.conf".into(),
            "/etc/supervisor/supervisord.conf".into(),
        ]
    }
}

fn in_path(name: &str) -> Option<String> {
    let path = std::env::var_os("PATH")?;
    let found = std::env::split_paths(&path).map(|directory| directory.join(OsStr::new(name)));
    found.into_iter().find(|file| file.is_file()).map(|file| file.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::{Called, Known, Wrong};

    fn called(program: &str, words: &[&str]) -> Called {
        Called { program: program.to_owned(), words: words.iter().map(|word| (*word).to_owned()).collect() }
    }

    #[test]
    fn an_option_given_twice_is_refused_by_whichever_name_it_has_then() {
        let known = [Known::value('c', "configuration")];
        let twice = called("x", &["-c", "a", "--conf", "b"]).options(&known);
        assert_eq!(twice, Err(Wrong("conflicting command line option '--configuration'".to_owned())));
    }

    #[test]
    fn a_config_is_looked_for_beside_the_program_first() {
        let paths = called("/opt/venv/bin/supervisorctl", &[]).search_paths();
        assert_eq!(paths[0].to_str(), Some("/opt/venv/etc/supervisord.conf"));
        assert_eq!(paths[1].to_str(), Some("/opt/venv/supervisord.conf"));
        assert_eq!(called("supervisorctl", &[]).search_paths()[1].to_str(), Some("supervisord.conf"));
    }
}
