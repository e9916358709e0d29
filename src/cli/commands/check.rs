use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use super::{offline, preflight, system};
use crate::cli::args::Check;
use crate::cli::context::{Context, runtime};
use crate::cli::failure::Failure;
use crate::cli::output;
use crate::config::problem::Placed;
use crate::daemon::preflight::closed_log_dir;
use crate::protocol::status::PortView;
use crate::spec::fleet::Fleet;
use crate::spec::service::Service;
use crate::vocab::name::ServiceName;
use crate::vocab::port::HeldBy;

/// What `check --json` prints.
#[derive(Serialize)]
struct Findings {
    ok: bool,
    problems: Vec<Placed>,
    machine: Vec<String>,
    /// The next times of each schedule.
    schedules: BTreeMap<ServiceName, Vec<String>>,
}

/// Proves the config and the machine, touching nothing.
pub(in crate::cli) fn run(context: Result<Context, Failure>, args: &Check) -> Result<(), Failure> {
    let loaded = context.and_then(|context| {
        let fleet = context.load().map_err(Failure::Config)?;
        Ok((context, fleet))
    });
    let (context, fleet) = match loaded {
        Ok(loaded) => loaded,
        Err(Failure::Config(problems)) if args.json => {
            let (machine, schedules) = (Vec::new(), BTreeMap::new());
            output::json(&Findings { ok: false, problems: problems.placed(), machine, schedules })?;
            return Err(Failure::Said(2));
        }
        Err(failure) => return Err(failure),
    };
    let context = &context;
    let ports = offline::ports(context, &fleet)?;
    let state_dir = context.paths.look().err().map(|error| error.to_string());
    let log_dir = closed_log_dir(&context.supervisor.log_dir);
    let starts = preflight::problems(context, &runtime()?, &fleet);
    let machine: Vec<String> =
        ports.iter().filter_map(taken).chain(state_dir).chain(log_dir).chain(starts).collect();
    if args.json {
        let (problems, schedules) = (Vec::new(), next_times(&fleet));
        output::json(&Findings { ok: machine.is_empty(), problems, machine: machine.clone(), schedules })?;
    } else {
        let count = system::counted(fleet.services().len(), "service", "services");
        output::line(&format!("ok: {} ({count})", context.config.display()))?;
        for remark in context.remarks(&fleet) {
            output::say(&format!("warning: {remark}"));
        }
        let free = ports.iter().filter(|port| port.held_by != HeldBy::Other).count();
        output::line(&format!("ok: {free} of {} assigned ports are free or ours", ports.len()))?;
        for (name, times) in next_times(&fleet) {
            let is_job = fleet.service(&name).is_some_and(|service| service.is_job());
            let does = if is_job { "starts" } else { "is restarted" };
            output::line(&format!("ok: `{name}` {does} at {}", times.join(", ")))?;
        }
        for problem in &machine {
            output::line(&format!("problem: {problem}"))?;
        }
    }
    if machine.is_empty() { Ok(()) } else { Err(Failure::Said(1)) }
}

/// The next three times of each service that has a schedule.
fn next_times(fleet: &Fleet) -> BTreeMap<ServiceName, Vec<String>> {
    let now = u64::try_from(Timestamp::now().as_millisecond()).ok();
    let times = |service: &Service| {
        let schedule = service.schedule.as_ref()?;
        let next = |time: &u64| schedule.after(*time);
        let times = std::iter::successors(now.and_then(|now| schedule.after(now)), next).take(3);
        Some((service.name.clone(), times.map(|time| schedule.shown(time)).collect()))
    };
    fleet.services().values().filter_map(|service| times(service)).collect()
}

fn taken(port: &PortView) -> Option<String> {
    if port.held_by != HeldBy::Other {
        return None;
    }
    let (number, service, holder) = (port.port, &port.service, preflight::holder(port));
    let plain = number.port;
    Some(format!("port {number} of `{service}` is held by {holder}; `procman flush {plain}` frees it"))
}
