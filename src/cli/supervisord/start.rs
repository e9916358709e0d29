use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use nix::sys::stat::{Mode, umask};
use nix::unistd::{Uid, User};

use crate::cli::context;
use crate::cli::output;
use crate::cli::shim::program::{self, Called, Wrong};
use crate::client::connection::{Client, Unreachable};
use crate::config::environment::Environment;
use crate::config::find;
use crate::config::load::{self, Machine};
use crate::config::problem::{Placed, Problems};
use crate::config::supervisord::load::{self as dialect, Proven};
use crate::config::supervisord::model::Settings;
use crate::config::supervisord::overrides;
use crate::rundir::paths::Paths;

/// What is to be started.
pub(super) struct Wanted<'a> {
    pub(super) called: &'a Called,
    pub(super) environment: &'a Environment,
    pub(super) here: &'a Path,
    pub(super) file: Option<String>,
    pub(super) settings: Vec<(&'static str, String)>,
}

/// Starts procman with a config file: in the background and waits until it is in charge, or becomes it.
///
/// # Errors
/// Why it cannot start, with nothing started.
pub(super) fn start(wanted: &Wanted<'_>) -> Result<ExitCode, Wrong> {
    let config = find_config(wanted)?;
    let own = [
        (overrides::VARIABLE.to_owned(), overrides::text(&wanted.settings)),
        (overrides::STARTED_IN.to_owned(), wanted.here.display().to_string()),
    ];
    let environment: Environment =
        wanted.environment.variables().clone().into_iter().chain(own.clone()).collect();
    let text = load::read_whole(&config, &environment).map_err(|problems| first_of(&problems))?;
    if !dialect::is_dialect(&config, &text) {
        let what = format!("{} is no config of supervisord's: `procman up -c` starts it", config.display());
        return Err(Wrong(what));
    }
    let proven = dialect::prove_all(&text, &config, &environment, Machine::Proven);
    let proven = proven.map_err(|problems| first_of(&problems))?;
    if proven.is_fragment() {
        return Err(Wrong(".ini file does not include supervisord section".to_owned()));
    }
    let Proven { fleet, settings, .. } = &proven;
    prove_user(settings)?;
    prove_nobody_runs(&Paths::new(&config, &fleet.supervisor().state_dir))?;
    for remark in proven.remarks() {
        output::say(&format!("warning: {remark}"));
    }
    let mut procman = procman(&config)?;
    procman.envs(own);
    if settings.nodaemon { in_foreground(procman) } else { in_background(procman, settings) }
}

fn find_config(wanted: &Wanted<'_>) -> Result<PathBuf, Wrong> {
    let named = wanted.file.as_ref().map(|file| wanted.here.join(file));
    let searched = wanted.called.search_paths();
    let file = match (&named, searched.iter().find(|path| wanted.here.join(path).exists())) {
        (Some(file), _) => file.clone(),
        (None, Some(found)) => {
            if Uid::effective().is_root() {
                output::say("warning: root runs what a file says that was searched for: name it with -c");
            }
            wanted.here.join(found)
        }
        (None, None) => {
            let places: Vec<String> = searched.iter().map(|path| path.display().to_string()).collect();
            return Err(Wrong(format!(
                "No config file found at default paths ({}); use the -c option to specify a config file at a different path",
                places.join(", ")
            )));
        }
    };
    let shown = wanted.file.clone().unwrap_or_else(|| file.display().to_string());
    find::find(Some(&file), wanted.here, wanted.environment)
        .map_err(|_| Wrong(format!("could not find config file {shown}")))
}

/// supervisord says one problem, which stands in the last words; where it is and what mends it stands before them. All of them
/// are what `procman check` is for.
fn first_of(problems: &Problems) -> Wrong {
    for Placed { file, line, hint, .. } in problems.placed().into_iter().take(1) {
        let line = line.map_or_else(String::new, |line| format!(":{line}"));
        let hint = hint.unwrap_or_else(|| "this keeps it from starting".to_owned());
        output::say(&format!("{}{line}: {hint}", file.display()));
    }
    let what = problems.list.first().map_or_else(String::new, |problem| problem.what.clone());
    let more = problems.list.len().saturating_sub(1);
    let hint = format!(" ({more} more: `procman check -c {}`)", problems.file.display());
    Wrong(if more == 0 { what } else { what + &hint })
}

fn prove_user(settings: &Settings) -> Result<(), Wrong> {
    let Some(user) = settings.user.as_ref().filter(|_| !Uid::effective().is_root()) else { return Ok(()) };
    let named = User::from_name(user).ok().flatten().map(|user| user.uid);
    let number = user.parse().ok().map(Uid::from_raw);
    if named.or(number) == Some(Uid::effective()) {
        return Ok(());
    }
    Err(Wrong("Can't drop privilege as nonroot user".to_owned()))
}

/// Another supervisor of the same file is in charge, or about to be.
fn prove_nobody_runs(paths: &Paths) -> Result<(), Wrong> {
    let runtime = context::runtime().map_err(|failure| Wrong(failure.to_string()))?;
    match runtime.block_on(Client::connect(paths)) {
        Err(Unreachable::Absent) => Ok(()),
        Ok(_)
        | Err(Unreachable::Silent { .. } | Unreachable::Returning { .. } | Unreachable::Denied { .. }) => {
            Err(Wrong(TAKEN.to_owned()))
        }
    }
}

/// Where procman runs is no port, and scripts look for these words all the same.
const TAKEN: &str = "Another program is already listening on a port that one of our HTTP servers is configured to use.  \
    Shut this program down first before starting supervisord.";

fn procman(config: &Path) -> Result<Command, Wrong> {
    let executable = program::own_file()
        .map_err(|error| Wrong(format!("cannot tell where procman itself lies: {error}")))?;
    let mut procman = Command::new(executable);
    procman.arg0("procman").arg("--quiet").arg("--config").arg(config).arg("up");
    Ok(procman)
}

fn in_foreground(mut procman: Command) -> Result<ExitCode, Wrong> {
    let error = procman.arg("--foreground").exec();
    Err(Wrong(format!("cannot start procman: {error}")))
}

/// The umask counts in the background alone, as in supervisord.
fn in_background(mut procman: Command, settings: &Settings) -> Result<ExitCode, Wrong> {
    umask(Mode::from_bits_truncate(settings.umask as nix::libc::mode_t));
    let status = procman.arg("--no-wait").stdin(Stdio::null()).status();
    match status {
        Ok(status) if status.success() => Ok(ExitCode::SUCCESS),
        // Why was said already.
        Ok(_) => Ok(ExitCode::from(2)),
        Err(error) => Err(Wrong(format!("cannot start procman: {error}"))),
    }
}
