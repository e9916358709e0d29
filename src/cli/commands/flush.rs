use std::collections::BTreeMap;

use super::system;
use crate::cli::args::Flush;
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::output;
use crate::ports::flush::{Fate, Force, Foreign, Own, Request};
use crate::rundir::lock::{self, Supervisor};
use crate::vocab::name::ServiceName;
use crate::vocab::port::Port;

/// Frees the assigned ports, or those named: listeners only, ours first, foreign ones with consent.
pub(in crate::cli) fn run(context: &Context, args: &Flush) -> Result<(), Failure> {
    let fleet = context.prove()?;
    let assigned: BTreeMap<Port, ServiceName> = fleet.ports();
    let named: Vec<Port> = args.ports.iter().filter_map(|port| Port::new(*port)).collect();
    let ports = if named.is_empty() { assigned.keys().copied().collect() } else { named.clone() };
    let is_supervised = matches!(lock::supervisor(&context.paths), Ok(Supervisor::Alive(_)));
    let ours = system::ours(context, is_supervised);
    let request = |foreign| Request {
        ports: ports.iter().map(|port| (*port, assigned.get(port).cloned())).collect(),
        ours: &ours,
        fence: &context.supervisor,
        own: if args.all || !named.is_empty() { Own::Ended } else { Own::Spared },
        foreign,
    };
    let plan = system::plan(&request(Foreign::Refused))?;
    if args.dry_run {
        for step in &plan.steps {
            output::line(&system::step_words(step))?;
        }
        for port in &plan.free {
            output::line(&format!("port {port}: free"))?;
        }
        context.say("nothing was touched");
        return Ok(());
    }
    system::refuse_untouchable(&plan)?;
    let plan = if system::consent(&plan, args.yes)? { system::plan(&request(Foreign::Ended))? } else { plan };
    system::flush(&plan, Force::Ask(system::GRACE))?;
    report(context, &plan)
}

fn report(context: &Context, plan: &crate::ports::flush::Plan) -> Result<(), Failure> {
    for step in &plan.steps {
        let done = match step.fate {
            Fate::End => "ended",
            Fate::SpareOwn => "left alone: a live service on its own port,",
            Fate::RefuseForeign | Fate::RefuseAncestor | Fate::RefuseProtected => "refused:",
        };
        output::line(&format!("port {}: {done} {}", step.port, step.holder))?;
    }
    if !plan.unseen.is_empty() {
        let ports: Vec<String> = plan.unseen.iter().map(Port::to_string).collect();
        let ports = ports.join(", ");
        return Err(Failure::NotReached(format!(
            "cannot free {ports}: held by processes that this user may not see\nhint: run it as their user, or as root"
        )));
    }
    if plan.ends().next().is_none() {
        context.say("nothing had to be freed");
    }
    Ok(())
}
