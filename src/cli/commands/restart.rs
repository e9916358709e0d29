use std::collections::BTreeSet;

use tokio::runtime::Runtime;

use super::{emergency, order, status, system, up};
use crate::cli::args::Restart;
use crate::cli::context::{Context, runtime};
use crate::cli::failure::Failure;
use crate::cli::render::report;
use crate::cli::render::steps::Steps;
use crate::ports::flush::{Force, Foreign, Own, Plan, Request};
use crate::protocol::command::Command;
use crate::protocol::reply::{Report, Verdict};
use crate::protocol::status::Status;
use crate::rundir::leftovers;
use crate::spec::fleet::Fleet;
use crate::vocab::measure::Brief;
use crate::vocab::name::ServiceName;
use crate::vocab::restart::{Mode, Step};
use crate::vocab::selection::Selection;

/// Restarts the services named, or the whole system in one of its modes.
pub(in crate::cli) fn run(context: &Context, args: &Restart) -> Result<(), Failure> {
    if !args.services.is_empty() {
        return services(context, args);
    }
    match (args.emergency, args.quick) {
        (true, _) => emergency::run(context, args),
        (false, true) => Whole { context, args, mode: Mode::Quick }.run(),
        (false, false) => Whole { context, args, mode: Mode::Master }.run(),
    }
}

fn services(context: &Context, args: &Restart) -> Result<(), Failure> {
    let selection = Selection::of(args.services.iter().cloned());
    let picked = context.prove()?.pick(&selection)?;
    if args.dry_run {
        let status =
            runtime()?.block_on(async { context.connect().await?.status().await.map_err(Failure::from) })?;
        for service in status.services.iter().filter(|service| picked.contains(&service.name)) {
            let pid = service.pid.map_or_else(|| "not running".to_owned(), |pid| format!("pid {pid}"));
            crate::cli::output::line(&format!("restart {} ({pid})", service.name))?;
        }
        return Ok(());
    }
    let order = order::order_of(selection, args.with_dependents, Some(args.timeout));
    order::ask(context, &Command::Restart(order), "restart")
}

/// A graceful restart of the whole system.
struct Whole<'a> {
    context: &'a Context,
    args: &'a Restart,
    mode: Mode,
}

/// What was found before anything is touched.
struct Found {
    fleet: Fleet,
    status: Option<Status>,
    foreign: Foreign,
}

impl Whole<'_> {
    fn run(&self) -> Result<(), Failure> {
        let runtime = runtime()?;
        let steps = Steps::of(self.mode, self.context);
        let found = self.prove(&runtime, &steps)?;
        if self.args.dry_run {
            return self.show(&steps, &found);
        }
        let laggards = steps.step(Step::StopServices, || self.stop(&runtime, &found))?;
        if self.mode == Mode::Master {
            steps.step(Step::EndStrays, || self.end_strays(&found))?;
            steps.step(Step::FlushPorts, || self.flush(&found, &laggards))?;
        }
        steps.step(Step::StartSupervisor, || {
            runtime.block_on(system::replace_supervisor(self.context))?;
            let status = runtime.block_on(system::status_if_any(self.context))?;
            let pid = status
                .and_then(|status| status.supervisor.pid)
                .map_or_else(String::new, |pid| format!("pid {pid}"));
            Ok::<_, Failure>(((), pid))
        })?;
        finish(self.context, &runtime, &steps, self.args)
    }

    /// Config, supervisor and ports are looked at first: what would be refused is refused while everything still runs.
    fn prove(&self, runtime: &Runtime, steps: &Steps<'_>) -> Result<Found, Failure> {
        steps.step(Step::ProveConfig, || {
            let fleet = self.context.prove()?;
            let status = runtime.block_on(system::status_if_any(self.context))?;
            let mut found = Found { fleet, status, foreign: Foreign::Refused };
            if self.mode == Mode::Master && !self.args.dry_run {
                let plan = self.plan(&found, &[])?;
                system::refuse_untouchable(&plan)?;
                if system::consent(&plan, self.args.yes)? {
                    found.foreign = Foreign::Ended;
                }
            }
            let count = found.fleet.services().len();
            Ok((found, format!("{count} services")))
        })
    }

    fn plan(&self, found: &Found, laggards: &[ServiceName]) -> Result<Plan, Failure> {
        let ours = system::ours(self.context, found.status.is_some());
        system::plan(&Request {
            ports: system::ports_but(&found.fleet, laggards),
            ours: &ours,
            fence: &self.context.supervisor,
            own: Own::Ended,
            foreign: found.foreign,
        })
    }

    fn stop(&self, runtime: &Runtime, found: &Found) -> Result<(Vec<ServiceName>, String), Failure> {
        let Some(status) = &found.status else {
            let survivors = system::strays(self.context, &system::ours(self.context, false));
            system::end_strays(&survivors)?;
            return Ok((
                Vec::new(),
                format!("no supervisor is running; {} survivors ended", survivors.len()),
            ));
        };
        let running = status.services.iter().filter(|service| service.pid.is_some()).count();
        let laggards = runtime.block_on(system::stop_gently(self.context))?;
        let stopped = format!("{} stopped", running.saturating_sub(laggards.len()));
        if laggards.is_empty() {
            return Ok((laggards, stopped));
        }
        let late: Vec<String> = laggards.iter().map(|name| self.late_words(found, name)).collect();
        Ok((laggards, format!("{stopped}, still stopping: {}", late.join(", "))))
    }

    fn late_words(&self, found: &Found, name: &ServiceName) -> String {
        let timeout = found.fleet.service(name).map(|service| service.stop.timeout);
        timeout.map_or_else(|| name.to_string(), |timeout| format!("{name} (it has {})", Brief(timeout)))
    }

    fn end_strays(&self, found: &Found) -> Result<((), String), Failure> {
        let ours = system::ours(self.context, found.status.is_some());
        let strays = system::strays(self.context, &ours);
        system::end_strays(&strays)?;
        Ok(((), format!("{} ended", strays.len())))
    }

    fn flush(&self, found: &Found, laggards: &[ServiceName]) -> Result<((), String), Failure> {
        let plan = self.plan(found, laggards)?;
        let ended = system::flush(&plan, Force::Ask(system::GRACE))?;
        let ports: BTreeSet<_> = system::ports_but(&found.fleet, laggards).into_keys().collect();
        system::prove_free(&ports)?;
        Ok(((), format!("{ended} listeners ended, {} ports proven free", ports.len())))
    }

    fn show(&self, steps: &Steps<'_>, found: &Found) -> Result<(), Failure> {
        let services = found.status.iter().flat_map(|status| &status.services);
        let running =
            services.filter_map(|it| Some(format!("stop {} (pid {})", it.name, it.pid?))).collect::<Vec<_>>();
        steps.plan(Step::StopServices, &running);
        if self.mode == Mode::Master {
            let ours = system::ours(self.context, found.status.is_some());
            let strays = system::strays(self.context, &ours);
            let strays =
                strays.iter().map(|it| format!("end {}: {}", it.identity, leftovers::command_of(it)));
            steps.plan(Step::EndStrays, &strays.collect::<Vec<_>>());
            let plan = self.plan(found, &[])?;
            let free = plan.free.iter().map(|port| format!("port {port}: free"));
            let held = plan.steps.iter().map(system::step_words);
            steps.plan(Step::FlushPorts, &held.chain(free).collect::<Vec<_>>());
        }
        show_start(steps, &found.fleet, found.status.as_ref().and_then(|status| status.supervisor.pid));
        self.context.say("nothing was touched");
        Ok(())
    }
}

/// Prints the steps that every restart ends with.
pub(in crate::cli) fn show_start(
    steps: &Steps<'_>,
    fleet: &Fleet,
    supervisor: Option<crate::vocab::identity::Pid>,
) {
    let supervisor = supervisor.map_or_else(|| "none is running".to_owned(), |pid| format!("end pid {pid}"));
    steps.plan(Step::StartSupervisor, &[supervisor]);
    let order = fleet.graph().order().iter().filter_map(|name| fleet.service(name));
    let lines = order.filter(|service| service.autostart).map(|service| {
        let ports: Vec<String> = service.ports.iter().map(|port| port.to_string()).collect();
        format!("start {} (ports {}): {}", service.name, ports.join(" "), service.command.line())
    });
    steps.plan(Step::StartServices, &lines.collect::<Vec<_>>());
    steps.plan(Step::Verify, &[]);
}

/// Starts the services, verifies each, prints the table; the two steps that every restart ends with.
pub(in crate::cli) fn finish(
    context: &Context,
    runtime: &Runtime,
    steps: &Steps<'_>,
    args: &Restart,
) -> Result<(), Failure> {
    let report = steps.step(Step::StartServices, || {
        let report = runtime.block_on(up::bring_up(context, Selection::all(), args.timeout))?;
        let done = report.results.iter().filter(|result| result.verdict == Verdict::Done).count();
        let words = format!("{done} of {} ready", report.results.len());
        Ok::<_, Failure>((report, words))
    })?;
    let judged = report::judge(context, &report, "start");
    let verified = steps.step(Step::Verify, || runtime.block_on(verify(context, &report)));
    runtime.block_on(status::show_live(context))?;
    context.say(&format!("restarted in {}", Brief(steps.elapsed())));
    verified?;
    judged
}

/// Each service that was meant is as wanted: its process lives, its health is good, its ports are held by its own tree.
async fn verify(context: &Context, report: &Report) -> Result<((), String), Failure> {
    let status = context.connect().await?.status().await?;
    let meant =
        status.services.iter().filter(|it| report.results.iter().any(|result| result.service == it.name));
    let (good, bad): (Vec<_>, Vec<_>) = meant.partition(|service| service.is_as_wanted());
    if bad.is_empty() {
        return Ok(((), format!("{} verified", good.len())));
    }
    let names: Vec<&str> = bad.iter().map(|service| service.name.as_str()).collect();
    Err(Failure::NotReached(format!("cannot verify {}", names.join(", "))))
}
