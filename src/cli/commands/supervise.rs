use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::daemon::boot::{self, Boot, Start};
use crate::launch::detached;

/// Is the supervisor, in the background: as `up` starts it, with a pipe to say on that it is ready.
pub(in crate::cli) fn run_detached(context: &Context) -> Result<(), Failure> {
    log();
    let ready = detached::take_ready_pipe();
    let boot = Boot {
        config: context.config.clone(),
        environment: context.environment.clone(),
        ready,
        start: Start::Nothing,
    };
    Ok(boot::run(boot)?)
}

/// Is the supervisor, in the foreground, and starts its services unasked.
pub(in crate::cli) fn run_attached(context: &Context) -> Result<(), Failure> {
    log();
    let boot = Boot {
        config: context.config.clone(),
        environment: context.environment.clone(),
        ready: None,
        start: Start::Autostart,
    };
    Ok(boot::run(boot)?)
}

/// The supervisor's own log, on standard error; `PROCMAN_LOG` says how much of it (`debug`, `procman::daemon=trace`).
fn log() {
    let filter = EnvFilter::try_from_env("PROCMAN_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .finish();
    // Only one subscriber is ever set in a process.
    let _ = tracing::subscriber::set_global_default(subscriber);
}
