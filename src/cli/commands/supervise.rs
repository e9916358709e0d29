use std::fs::File;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::Command;

use tracing_subscriber::EnvFilter;

use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::daemon::boot::{self, Boot, Config, Start};
use crate::launch::detached;
use crate::launch::guardian::{self, Role, Turn};
use crate::vocab::run::{Instance, Tag};
use crate::vocab::selection::Selection;

/// Is the supervisor with its guardian, in the background: as `up` starts it, with a pipe to say on that it is ready.
pub(in crate::cli) fn run_detached(context: &Context) -> Result<(), Failure> {
    log();
    run(context, detached::take_ready_pipe(), Start::Nothing)
}

/// Is the supervisor with its guardian, in the foreground, and starts its services unasked.
pub(in crate::cli) fn run_attached(context: &Context, services: Selection) -> Result<(), Failure> {
    become_marked(context)?;
    detached::keep_inherited_descriptors();
    log();
    run(context, None, Start::Services(services))
}

fn run(context: &Context, mut ready: Option<File>, start: Start) -> Result<(), Failure> {
    let post = match guardian::guard(&context.paths, &mut ready) {
        Ok(Role::Supervisor(post)) => post,
        Ok(Role::Over(0)) => return Ok(()),
        Ok(Role::Over(code)) => return Err(Failure::Said(code)),
        Err(error) => {
            // Whoever started this may be gone; then nobody has to know.
            let _ = ready.map(|mut ready| write!(ready, "{error}"));
            return Err(error.into());
        }
    };
    let (start, config) = match post.turn {
        Turn::First => (start, Config::File),
        Turn::Successor => (Start::Nothing, Config::AsApplied),
    };
    let boot = Boot {
        path: context.config.clone(),
        config,
        paths: context.paths.clone(),
        environment: context.environment.clone(),
        guardian: Some(post.guardian),
        pipes: post.pipes,
        start,
    };
    Ok(boot::run(boot, ready)?)
}

/// Starts this same command again with the mark of a supervisor in its environment, if it has none.
fn become_marked(context: &Context) -> Result<(), Failure> {
    let instance = &context.paths.instance.0;
    if std::env::var(Instance::VARIABLE).is_ok_and(|mark| mark == *instance) {
        return Ok(());
    }
    let executable = std::env::current_exe().map_err(cannot_restart)?;
    let mut command = Command::new(executable);
    command.args(std::env::args_os().skip(1)).env(Instance::VARIABLE, instance);
    command.env_remove(Tag::VARIABLE).env_remove("PROCMAN_SERVICE");
    Err(cannot_restart(command.exec()))
}

fn cannot_restart(error: std::io::Error) -> Failure {
    Failure::System(format!("cannot start as a supervisor: {error}"))
}

/// The supervisor's own log, on standard error; `PROCMAN_LOG` says how much of it (`debug`, `procman::daemon=trace`).
fn log() {
    let filter = EnvFilter::try_from_env("PROCMAN_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(anstream::stderr().current_choice() != anstream::ColorChoice::Never)
        // A log that cannot be written must not end the supervisor: the usual complaint on standard error panics when that
        // cannot be written either.
        .log_internal_errors(false)
        .with_target(false)
        .finish();
    // Only one subscriber is ever set in a process.
    let _ = tracing::subscriber::set_global_default(subscriber);
}
