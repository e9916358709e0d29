use std::process::ExitCode;

use super::options::{self, Asked};
use super::start;
use crate::cli::output;
use crate::cli::shim::program::Called;
use crate::config::environment::Environment;
use crate::protocol::xmlrpc::spoken;

/// Runs the command as which this process was called.
pub(in crate::cli) fn main() -> ExitCode {
    let called = Called::of_this_process();
    let here = std::env::current_dir().unwrap_or_default();
    let environment = Environment::of_this_process();
    match options::read(&called, &environment, &here) {
        Ok(Asked::Help) => said(&usage(&called.program)),
        Ok(Asked::Version) => said(spoken::SUPERVISORD),
        Ok(Asked::Start { file, settings }) => {
            let wanted =
                start::Wanted { called: &called, environment: &environment, here: &here, file, settings };
            start::start(&wanted).unwrap_or_else(|wrong| wrong.tell(&called))
        }
        Err(wrong) => wrong.tell(&called),
    }
}

fn said(text: &str) -> ExitCode {
    // A reader who has left is no failure.
    let _ = output::line(text);
    ExitCode::SUCCESS
}

fn usage(program: &str) -> String {
    format!(
        "supervisord -- starts procman with a config file of supervisord's

Usage: {program} [options]

Options:
-c/--configuration FILENAME    the config file (searched for if it is not given)
-n/--nodaemon                  stay in the foreground
-s/--silent                    in the foreground, write the own log to its file only
-h/--help                      print this and exit
-v/--version                   print the version of supervisord that this behaves as, and exit
-u/--user USER                 run the programs as this user
-m/--umask UMASK               use this umask in the background (default is 022)
-d/--directory DIRECTORY       run programs that have no directory of their own there
-l/--logfile FILENAME          the supervisor's own log
-y/--logfile_maxbytes BYTES    the own log is set aside when it has so many (0 for never)
-z/--logfile_backups NUM       so many that were set aside are kept
-e/--loglevel LEVEL            how much the own log says (critical, error, warn, info, debug, trace, blather)
-j/--pidfile FILENAME          where the pid of the guardian goes, which signals are for
-i/--identifier STR            what the supervisor calls itself
-q/--childlogdir DIRECTORY     where the logs of programs go that name no file
-k/--nocleanup                 logs of programs are kept in any case
-a/--minfds NUM                so many files may be open at least
--minprocs NUM                 so many processes of one user may be at least
-t/--strip_ansi                keep colours and other escape sequences out of the logs of programs"
    )
}
