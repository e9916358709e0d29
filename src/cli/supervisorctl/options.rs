use std::path::{Path, PathBuf};

use crate::cli::shim::getopt::{Known, Takes};
use crate::cli::shim::program::{Called, Wrong};
use crate::config::environment::Environment;
use crate::config::supervisord::model::Ctl;
use crate::config::supervisord::reader::{Ground, Trust};
use crate::config::supervisord::{ctl, load as dialect};
use crate::config::{find, load};
use crate::rundir::paths::Paths;

/// What was asked for, from the command line and the config file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Options {
    pub(super) server: String,
    pub(super) username: Option<String>,
    pub(super) password: Option<String>,
    pub(super) prompt: String,
    pub(super) history: Option<PathBuf>,
    /// Whether a person is there although an action is named.
    pub(super) is_interactive: bool,
    /// The action and its words; none for a shell.
    pub(super) words: Vec<String>,
}

/// What a command line asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Asked {
    Help,
    Run(Options),
}

const HELP: usize = 0;
const QUESTION_MARK: usize = 1;
const CONFIGURATION: usize = 2;
const INTERACTIVE: usize = 3;
const SERVER: usize = 4;
const USERNAME: usize = 5;
const PASSWORD: usize = 6;
const HISTORY: usize = 7;
const HISTORY_AS_HELP_HAS_IT: usize = 8;

const KNOWN: [Known; 9] = [
    Known::flag('h', "help"),
    Known { short: Some('?'), long: None, takes: Takes::Nothing },
    Known::value('c', "configuration"),
    Known::flag('i', "interactive"),
    Known::value('s', "serverurl"),
    Known::value('u', "username"),
    Known::value('p', "password"),
    Known::value('r', "history_file"),
    Known { short: None, long: Some("history-file"), takes: Takes::Value },
];

/// Where a supervisor is asked when nobody says anything else.
pub(super) const SERVER_USUAL: &str = "http://localhost:9001";

/// Reads the command line, then the config file that it names or that is found; the command line wins.
pub(super) fn read(called: &Called, environment: &Environment, here: &Path) -> Result<Asked, Wrong> {
    let (given, words) = called.options(&KNOWN)?;
    if given.iter().any(|option| [HELP, QUESTION_MARK].contains(&option.index)) {
        return Ok(Asked::Help);
    }
    let value = |index| given.iter().find(|option| option.index == index).map(|option| option.value.clone());
    if let Some(option) = given.iter().find(|option| option.index == SERVER && !is_url(&option.value)) {
        let (name, url) = (&option.name, &option.value);
        return Err(Wrong(format!("invalid value for {name} '{url}': value '{url}' is not a URL")));
    }
    let file = match value(CONFIGURATION) {
        Some(named) => Some(named.into()),
        None => called.search_paths().into_iter().find(|path| here.join(path).exists()),
    };
    let ctl = match file {
        Some(file) => of_file(&file, environment, here)?,
        None => without_file(environment, here),
    };
    let history = value(HISTORY).or(value(HISTORY_AS_HELP_HAS_IT)).or(ctl.history);
    Ok(Asked::Run(Options {
        server: value(SERVER).unwrap_or(ctl.serverurl),
        username: value(USERNAME).or(ctl.username),
        password: value(PASSWORD).or(ctl.password),
        prompt: ctl.prompt,
        history: history.map(PathBuf::from),
        is_interactive: given.iter().any(|option| option.index == INTERACTIVE),
        words,
    }))
}

/// A scheme, and something behind it.
fn is_url(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    scheme.starts_with(|c: char| c.is_ascii_alphabetic()) && !rest.trim_start_matches('/').is_empty()
}

fn of_file(file: &Path, environment: &Environment, here: &Path) -> Result<Ctl, Wrong> {
    let absolute = here.join(file);
    if !absolute.exists() {
        return Err(Wrong(format!("could not find config file {}", file.display())));
    }
    let text = load::read_text(&absolute);
    let text = text.map_err(|_| Wrong(format!("could not read config file {}", file.display())))?;
    if !dialect::is_dialect(&absolute, &text) {
        return of_procman(&absolute, environment).ok_or_else(|| {
            Wrong(format!("could not read config file {}: `procman check` says why", file.display()))
        });
    }
    let host = dialect::host();
    let ground = Ground {
        config: &absolute,
        working_directory: here,
        environment,
        host: &host,
        trust: Trust::AsItStands,
    };
    ctl::prove(&text, &absolute.display().to_string())
        .and_then(|()| ctl::read(&text, ground))
        .map_err(|refusal| Wrong(refusal.what))
}

/// A file of procman's own: its control socket speaks XML-RPC as well.
fn of_procman(file: &Path, environment: &Environment) -> Option<Ctl> {
    let file = find::find(Some(file), Path::new("/"), environment).ok()?;
    let supervisor = load::load_supervisor(&file, environment).ok()?;
    let socket = Paths::new(&file, &supervisor.state_dir).socket;
    Some(usual(format!("unix://{}", socket.display())))
}

/// No file of supervisord's is there: then procman's own, as every command of procman finds it, and at last the usual port.
fn without_file(environment: &Environment, here: &Path) -> Ctl {
    let own = find::find(None, here, environment).ok();
    own.and_then(|file| of_procman(&file, environment)).unwrap_or_else(|| usual(SERVER_USUAL.to_owned()))
}

fn usual(serverurl: String) -> Ctl {
    Ctl { serverurl, username: None, password: None, prompt: "supervisor".to_owned(), history: None }
}
