use std::fs::File;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::supervise_args::Supervise;
use crate::daemon::boot::{self, Boot, BootError, Config, Start};
use crate::daemon::engine::Ended;
use crate::daemon::guardianship::Hire;
use crate::daemon::own_log::{self, Looks, Stage};
use crate::launch::detached;
use crate::launch::guardian::{self, Beginning, Charge, Post, Role, Turn};
use crate::launch::orphan::LastWord;
use crate::launch::upgrade::{self, Program};
use crate::protocol::command::Fate;
use crate::vocab::run::{Instance, Tag};
use crate::vocab::selection::Selection;

/// Is the supervisor with its guardian, in the background: as `up` starts it, with a pipe to say on that it is ready. Or
/// only one of both, in an upgrade.
pub(in crate::cli) fn run_detached(context: &Context, args: &Supervise) -> Result<(), Failure> {
    log(context, Stage::Background);
    detached::leave_services();
    let ready = detached::take_ready_pipe();
    let first = First {
        start: Start::Nothing,
        config: if args.as_applied { Config::AsApplied } else { Config::File },
    };
    match args.under {
        Some(guardian) => {
            let post = Post::under(guardian).map_err(cannot_restart)?;
            be_supervisor(context, ready, first, post)
        }
        None => {
            let (charge, ready) = match (args.guard, args.watch, ready) {
                (_, Some(orphan), Some(pipe)) => (Some(Charge::Orphan(orphan, pipe)), None),
                (guard, _, ready) => (guard.map(Charge::Child), ready),
            };
            be_guarded(context, ready, first, charge)
        }
    }
}

/// Is the supervisor with its guardian, in the foreground, and starts its services unasked.
pub(in crate::cli) fn run_attached(context: &Context, services: Selection) -> Result<(), Failure> {
    become_marked(context)?;
    detached::keep_inherited_descriptors();
    log(context, Stage::Foreground);
    let first = First { start: Start::Services(services), config: Config::File };
    be_guarded(context, None, first, None)
}

/// What the first supervisor under a guardian goes by; those after it go on as it did.
struct First {
    start: Start,
    config: Config,
}

fn be_guarded(
    context: &Context,
    mut ready: Option<File>,
    first: First,
    charge: Option<Charge>,
) -> Result<(), Failure> {
    let program = Program::this(&context.config).map_err(cannot_restart)?;
    let pid_file = context.supervisor.pid_file.as_deref();
    let beginning = Beginning {
        program: &program,
        ready: &mut ready,
        charge,
        pid_file,
        least: &context.supervisor.least,
    };
    match guardian::guard(&context.paths, beginning) {
        Ok(Role::Supervisor(post)) => be_supervisor(context, ready, first, post),
        Ok(Role::Over(0)) => Ok(()),
        Ok(Role::Over(code)) => Err(Failure::Said(code)),
        Err(error) => {
            // Whoever started this may be gone; then nobody has to know.
            let _ = ready.map(|mut ready| write!(ready, "{error}"));
            Err(error.into())
        }
    }
}

fn be_supervisor(context: &Context, ready: Option<File>, first: First, post: Post) -> Result<(), Failure> {
    let First { start, config } = match post.turn {
        Turn::First => first,
        Turn::Successor => First { start: Start::AsBefore, config: Config::AsApplied },
    };
    let word = LastWord::default();
    let boot = Boot {
        path: context.config.clone(),
        config,
        paths: context.paths.clone(),
        environment: context.environment.clone(),
        guardian: Some(post.guardian),
        hire: hire(context, &word, &post)?,
        estate: post.estate,
        held: post.held,
        start,
    };
    let ended = judge(boot::run(boot, ready), post.turn);
    word.say(match &ended {
        Ok(()) => 0,
        Err(failure) => failure.code(),
    });
    ended
}

/// How to get another guardian, which hears this supervisor's last word.
fn hire(context: &Context, word: &LastWord, post: &Post) -> Result<Hire, Failure> {
    let program = Program::this(&context.config).map_err(cannot_restart)?;
    let (paths, word, estate) = (context.paths.clone(), word.clone(), post.estate.numbers());
    Ok(Hire(Box::new(move || word.hire(&program, &paths, estate))))
}

/// What the guardian is to make of the end of a supervisor.
fn judge(ended: Result<Ended, BootError>, turn: Turn) -> Result<(), Failure> {
    match (ended, turn) {
        (Ok(Ended { fate: Fate::Upgrade, .. }), _) => Err(Failure::Said(upgrade::CODE)),
        (Ok(Ended { code: 0, .. }), _) => Ok(()),
        // Codes that mean something to the guardian are not passed through.
        (Ok(Ended { code: upgrade::CODE | guardian::NOT_STARTED | 101, .. }), _) => Err(Failure::Said(1)),
        (Ok(Ended { code, .. }), _) => Err(Failure::Said(code)),
        (Err(error), Turn::First) => Err(error.into()),
        (Err(error), Turn::Successor) => {
            tracing::error!(%error, "cannot take over");
            Err(Failure::Said(guardian::NOT_STARTED))
        }
    }
}

/// Starts this same command again with the mark of a supervisor in its environment, if it has none.
fn become_marked(context: &Context) -> Result<(), Failure> {
    let instance = &context.paths.instance.0;
    if std::env::var(Instance::VARIABLE).is_ok_and(|mark| mark == *instance) {
        return Ok(());
    }
    let executable = std::env::current_exe().map_err(cannot_restart)?;
    // Whoever carries the mark may be told by clients that its run directory is not there, and be told so before it can hear.
    detached::expect_clients().map_err(cannot_restart)?;
    let mut command = Command::new(executable);
    command.args(std::env::args_os().skip(1)).env(Instance::VARIABLE, instance);
    command.env_remove(Tag::VARIABLE).env_remove("PROCMAN_SERVICE");
    Err(cannot_restart(command.exec()))
}

fn cannot_restart(error: std::io::Error) -> Failure {
    Failure::System(format!("cannot start as a supervisor: {error}"))
}

fn log(context: &Context, stage: Stage) {
    let is_plain = anstream::stderr().current_choice() == anstream::ColorChoice::Never;
    let looks = if is_plain { Looks::Plain } else { Looks::Coloured };
    own_log::begin(&context.supervisor.log, stage, &context.paths.supervisor_log, looks);
}
