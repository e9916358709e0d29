use std::fmt;
use std::path::PathBuf;

use crate::config::supervisord::model::Program;
use crate::config::supervisord::words;
use crate::spec::service::Service;

/// Why a program cannot be executed, in supervisord's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// There is none of this name.
    Missing(String),
    /// This is a directory.
    Directory(PathBuf),
    /// This is no program.
    NotExecutable(PathBuf),
    /// The command has no words, for this reason.
    NoWords(String),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(program) => write!(f, "can't find command '{program}'"),
            Self::Directory(file) => write!(f, "command at '{}' is a directory", file.display()),
            Self::NoWords(why) => f.write_str(why),
            Self::NotExecutable(file) => write!(f, "command at '{}' is not executable", file.display()),
        }
    }
}

/// Says why the program of a service could not be executed, before anybody tries; none if it could. `written` is what a
/// config of supervisord's says of it, and `path_variable` is the supervisor's own.
pub fn refused(spec: &Service, written: Option<&Program>, path_variable: Option<&str>) -> Option<Refused> {
    if let Some(why) = written.and_then(|program| words::unfit(&program.command)) {
        return Some(Refused::NoWords(why));
    }
    let search = spec.env.get("PATH").map(String::as_str).or(path_variable);
    if spec.command.resolve(&spec.directory, search).is_some() {
        return None;
    }
    let program = spec.command.program();
    let found = match program.contains('/') {
        true => Some(spec.directory.join(program)).filter(|file| file.exists()),
        false => std::env::split_paths(search.unwrap_or_default())
            .map(|directory| spec.directory.join(directory).join(program))
            .find(|file| file.exists()),
    };
    Some(match found {
        None => Refused::Missing(program.to_owned()),
        Some(file) if file.is_dir() => Refused::Directory(file),
        Some(file) => Refused::NotExecutable(file),
    })
}
