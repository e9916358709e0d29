use std::collections::BTreeSet;

use tokio::runtime::Runtime;

use super::preflight::{self, Intent};
use super::restart::{self, Ending};
use super::{down, system, up};
use crate::cli::context::{Context, runtime};
use crate::cli::failure::Failure;
use crate::cli::render::steps::Steps;
use crate::cli::restart_args::Restart;
use crate::launch::detached::Text;
use crate::ports::flush::{self, Force, Foreign, Own, Plan, Request};
use crate::protocol::status::Status;
use crate::rundir::leftovers;
use crate::spec::fleet::Fleet;
use crate::vocab::measure::Brief;
use crate::vocab::name::ServiceName;
use crate::vocab::restart::{Mode, Step};
use crate::vocab::selection::Selection;

/// Restarts the whole system gracefully, supervisor included.
pub(in crate::cli) fn run(context: &Context, args: &Restart, mode: Mode) -> Result<(), Failure> {
    Whole { context, args, mode }.run()
}

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
    wanted: Selection,
}

impl Found {
    fn services(&self) -> String {
        system::counted(self.fleet.services().len(), "service", "services")
    }
}

impl Whole<'_> {
    fn run(&self) -> Result<(), Failure> {
        let runtime = runtime()?;
        let steps = Steps::of(self.mode, self.context);
        if self.args.dry_run {
            let found = self.look(&runtime)?;
            self.plan_steps(&steps, &found)?;
            self.refuse_what_would_not_start(&runtime, &found)?;
            return restart::show_plan(self.context, &steps, self.args);
        }
        let found = self.prove(&runtime, &steps)?;
        let laggards = steps.step(Step::StopServices, || self.stop(&runtime, &found))?;
        if self.mode == Mode::Master {
            steps.step(Step::EndStrays, || self.end_strays())?;
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
        restart::finish(self.context, &runtime, &steps, &Ending { wanted: &found.wanted, args: self.args })
    }

    fn look(&self, runtime: &Runtime) -> Result<Found, Failure> {
        let fleet = self.context.prove()?;
        let status = runtime.block_on(system::status_if_any(self.context))?;
        let wanted = system::wanted(self.context, &fleet);
        Ok(Found { fleet, status, foreign: Foreign::Refused, wanted })
    }

    /// Config, supervisor and ports are looked at first: what would be refused is refused while everything still runs.
    fn prove(&self, runtime: &Runtime, steps: &Steps<'_>) -> Result<Found, Failure> {
        steps.step(Step::ProveConfig, || {
            system::refuse_from_inside(self.context)?;
            self.context.paths.look()?;
            let mut found = self.look(runtime)?;
            let supervisors = found.status.iter().map(|status| &status.supervisor);
            supervisors
                .flat_map(|it| it.pid.into_iter().chain(it.guardian))
                .try_for_each(system::refuse_init)?;
            if self.mode == Mode::Master {
                let plan = self.plan(&found, &[])?;
                system::refuse_untouchable(&plan)?;
                found.foreign = system::consent(&plan, self.args.yes)?;
            }
            self.refuse_what_would_not_start(runtime, &found)?;
            let words = found.services();
            Ok((found, words))
        })
    }

    fn refuse_what_would_not_start(&self, runtime: &Runtime, found: &Found) -> Result<(), Failure> {
        let Found { fleet, status, wanted, .. } = found;
        let intent = Intent { mode: self.mode, fleet, status: status.as_ref(), wanted };
        preflight::refuse_what_would_not_start(self.context, runtime, &intent)
    }

    fn plan(&self, found: &Found, laggards: &[ServiceName]) -> Result<Plan, Failure> {
        system::plan(&Request {
            ports: system::ports_but(&found.fleet, laggards),
            ours: &system::ours(self.context),
            fence: &self.context.supervisor,
            own: Own::Ended,
            foreign: found.foreign.clone(),
        })
    }

    /// Services that live without a supervisor are given one first: it stops them in order, each in its own way.
    /// One that is ending already, as by `down`, is waited for.
    fn stop(&self, runtime: &Runtime, found: &Found) -> Result<(Vec<ServiceName>, String), Failure> {
        match self.stop_what_runs(runtime, found) {
            Err(failure) if failure.is_of_one_that_leaves() => {
                runtime.block_on(system::until_gone(self.context, self.args.timeout))?;
                self.stop_what_runs(runtime, found)
            }
            stopped => stopped,
        }
    }

    fn stop_what_runs(
        &self,
        runtime: &Runtime,
        found: &Found,
    ) -> Result<(Vec<ServiceName>, String), Failure> {
        let mut status = runtime.block_on(system::status_if_any(self.context))?;
        if status.is_none() {
            if system::leftovers(self.context).is_empty() {
                return Ok((Vec::new(), "nothing is running".to_owned()));
            }
            runtime.block_on(up::launch_or_join(self.context, Text::AsApplied))?;
            status = runtime.block_on(system::status_if_any(self.context))?;
        }
        let services = status.iter().flat_map(|status| &status.services);
        let running = services.filter(|service| service.pid.is_some()).count();
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

    fn end_strays(&self) -> Result<((), String), Failure> {
        let strays = system::strays(self.context, &system::ours(self.context));
        system::end_strays(&strays)?;
        Ok(((), format!("{} ended", strays.len())))
    }

    fn flush(&self, found: &Found, laggards: &[ServiceName]) -> Result<((), String), Failure> {
        let plan = self.plan(found, laggards)?;
        let ended = system::flush(&plan, Force::Ask(flush::GRACE))?;
        let ports: BTreeSet<_> = system::ports_but(&found.fleet, laggards).into_keys().collect();
        system::prove_free(&ports)?;
        Ok(((), system::flushed_words(ended, ports.len())))
    }

    fn plan_steps(&self, steps: &Steps<'_>, found: &Found) -> Result<(), Failure> {
        steps.plan(Step::ProveConfig, vec![format!("proven: {}", found.services())]);
        let services = found.status.iter().flat_map(|status| down::in_stop_order(&found.fleet, status));
        let running = services.filter_map(|it| Some(format!("stop {} (pid {})", it.name, it.pid?)));
        steps.plan(Step::StopServices, running.collect());
        if self.mode == Mode::Master {
            let strays = system::strays(self.context, &system::ours(self.context));
            let strays =
                strays.iter().map(|it| format!("end {}: {}", it.identity, leftovers::command_of(it)));
            steps.plan(Step::EndStrays, strays.collect());
            let plan = self.plan(found, &[])?;
            let free = plan.free.iter().map(|port| format!("port {port}: free"));
            let unseen = plan.unseen.iter().map(|port| system::unseen_words(*port));
            let held = plan.steps.iter().map(system::step_words);
            steps.plan(Step::FlushPorts, held.chain(unseen).chain(free).collect());
        }
        let pid = found.status.as_ref().and_then(|status| status.supervisor.pid);
        let ended = pid.map_or_else(|| "none is running".to_owned(), |pid| format!("end pid {pid}"));
        steps.plan(Step::StartSupervisor, vec![ended]);
        restart::plan_start(steps, &found.fleet, &found.wanted);
        Ok(())
    }
}
