use std::process::ExitCode;
use std::rc::Rc;

use super::interrupts::Interrupts;
use super::line::{self, Next};
use super::options::{self, Asked, Options};
use super::person::{AtStandardStreams, print};
use super::session::{Mode, Session};
use super::shell;
use super::wire::Wire;
use crate::cli::context;
use crate::cli::failure::Failure;
use crate::cli::shim::program::Called;
use crate::client::rpc::Credentials;
use crate::config::environment::Environment;

/// Runs the command as which this process was called.
pub(in crate::cli) fn main() -> ExitCode {
    let called = Called::of_this_process();
    let here = std::env::current_dir().unwrap_or_default();
    match options::read(&called, &Environment::of_this_process(), &here) {
        Err(wrong) => wrong.tell(&called),
        Ok(Asked::Help) => {
            print(usage(&called.program).as_bytes());
            ExitCode::SUCCESS
        }
        Ok(Asked::Run(options)) => run(&options).unwrap_or_else(|failure| {
            failure.print();
            ExitCode::from(failure.code())
        }),
    }
}

fn run(options: &Options) -> Result<ExitCode, Failure> {
    let no_signals = |error| Failure::System(format!("cannot catch Ctrl-C: {error}"));
    let interrupts = Interrupts::catch().map_err(no_signals)?;
    let credentials = options.username.clone().zip(options.password.clone());
    let mut wire = Wire {
        url: options.server.clone(),
        credentials: credentials.map(|(username, password)| Credentials { username, password }),
        runtime: Rc::new(context::runtime()?),
        interrupts: interrupts.clone(),
    };
    let mut person = AtStandardStreams::new(interrupts)
        .map_err(|error| Failure::System(format!("cannot read standard input: {error}")))?;
    if options.words.is_empty() {
        shell::run(options, &mut wire, &mut person);
        return Ok(ExitCode::SUCCESS);
    }
    let mode = if options.is_interactive { Mode::Interactive } else { Mode::Batch };
    let mut session = Session { server: &mut wire, person: &mut person, mode, exit: 0 };
    match line::run(&mut session, &options.words.join(" ")) {
        Next::More | Next::Leave => Ok(ExitCode::from(session.exit)),
        Next::Interrupted => Err(Failure::Said(130)),
    }
}

fn usage(program: &str) -> String {
    format!(
        "supervisorctl -- asks a supervisor, procman or supervisord, for the state of its processes and to change it

Usage: {program} [options] [action [arguments]]

Options:
-c/--configuration FILE    the config file: supervisord's, of which [supervisorctl] counts, or a services.toml
                           (searched for if it is not given)
-h/--help                  print this and exit
-i/--interactive           ask before a supervisor is ended
-s/--serverurl URL         where the supervisor answers, unix:///path or http://host:port
                           (default {SERVER_USUAL})
-u/--username USERNAME     who asks, if the supervisor wants to know
-p/--password PASSWORD     and the password
-r/--history_file FILE     keep the lines that are typed in this file

Without an action, lines are read one after another. The action \"help\" lists all actions, \"help ACTION\" tells what one
of them takes.
",
        SERVER_USUAL = options::SERVER_USUAL
    )
}
