use std::process::Command;

use crate::cli::args::Run;
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::launch::attached::{Guise, become_command};
use crate::spec::replicas::Replica;
use crate::spec::service::User;
use crate::vocab::selection::Selection;

/// Becomes a command in a service's environment, directory and user; its exit code is the command's.
pub(in crate::cli) fn run(context: &Context, args: &Run) -> Result<(), Failure> {
    let fleet = context.prove_as_scaled()?;
    let picked = fleet.pick(&Selection::of([args.service.clone()]))?;
    let service = match &picked[..] {
        [one] => fleet.service(one),
        _ => None,
    };
    let Some(service) = service else {
        return Err(Failure::Usage(format!("cannot run in `{}`: name one service", args.service)));
    };
    let Some((program, arguments)) = args.command.split_first() else {
        return Err(Failure::Usage("cannot run nothing: name a command behind `--`".to_owned()));
    };
    let mut command = Command::new(program);
    command.args(arguments).current_dir(&service.directory);
    command.envs(service.user.iter().flat_map(User::variables));
    command.envs(&service.env).env("PROCMAN_SERVICE", service.name.as_str());
    command.env(Replica::VARIABLE, service.replica.number.to_string());
    let (umask, nice, credentials) = (service.umask, service.nice, service.credentials());
    let error = become_command(command, Guise { umask, nice, credentials });
    Err(Failure::System(format!("cannot run `{program}`: {error}")))
}
