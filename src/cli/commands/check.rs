use serde::Serialize;

use super::{offline, preflight};
use crate::cli::args::Check;
use crate::cli::context::{Context, runtime};
use crate::cli::failure::Failure;
use crate::cli::output;
use crate::config::problem::Placed;
use crate::protocol::status::PortView;
use crate::vocab::port::HeldBy;

/// What `check --json` prints.
#[derive(Serialize)]
struct Findings {
    ok: bool,
    problems: Vec<Placed>,
    machine: Vec<String>,
}

/// Proves the config and the machine, touching nothing.
pub(in crate::cli) fn run(context: &Context, args: &Check) -> Result<(), Failure> {
    let fleet = match context.load() {
        Ok(fleet) => fleet,
        Err(problems) if args.json => {
            output::json(&Findings { ok: false, problems: problems.placed(), machine: Vec::new() })?;
            return Err(Failure::Said(2));
        }
        Err(problems) => return Err(Failure::Config(problems)),
    };
    let ports = offline::ports(context, &fleet)?;
    let state_dir = context.paths.look().err().map(|error| error.to_string());
    let log_dir = unwritable(&context.supervisor.log_dir);
    let starts = preflight::problems(context, &runtime()?, &fleet);
    let machine: Vec<String> =
        ports.iter().filter_map(taken).chain(state_dir).chain(log_dir).chain(starts).collect();
    if args.json {
        output::json(&Findings { ok: machine.is_empty(), problems: Vec::new(), machine: machine.clone() })?;
    } else {
        output::line(&format!("ok: {} ({} services)", context.config.display(), fleet.services().len()))?;
        for remark in context.remarks() {
            output::say(&format!("warning: {remark}"));
        }
        let free = ports.iter().filter(|port| port.held_by != HeldBy::Other).count();
        output::line(&format!("ok: {free} of {} assigned ports are free or ours", ports.len()))?;
        for problem in &machine {
            output::line(&format!("problem: {problem}"))?;
        }
    }
    if machine.is_empty() { Ok(()) } else { Err(Failure::Said(1)) }
}

fn taken(port: &PortView) -> Option<String> {
    if port.held_by != HeldBy::Other {
        return None;
    }
    let (number, service, holder) = (port.port, &port.service, preflight::holder(port));
    let plain = number.port;
    Some(format!("port {number} of `{service}` is held by {holder}; `procman flush {plain}` frees it"))
}

/// A directory that is there must be writable; one that is not is made, so its nearest parent must be.
fn unwritable(directory: &std::path::Path) -> Option<String> {
    let nearest = directory.ancestors().find(|it| it.exists())?;
    let is_writable = nix::unistd::access(nearest, nix::unistd::AccessFlags::W_OK).is_ok();
    (!is_writable).then(|| format!("the directory {} is not writable", nearest.display()))
}
