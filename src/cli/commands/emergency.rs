use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use globset::{Glob, GlobSet, GlobSetBuilder};

use super::restart::{self, Ending};
use super::{system, up};
use crate::cli::context::{Context, runtime};
use crate::cli::failure::Failure;
use crate::cli::interrupt;
use crate::cli::render::steps::Steps;
use crate::cli::restart_args::Restart;
use crate::emergency::execute;
use crate::emergency::observe::{Suspects, Victim, Why, observe};
use crate::emergency::plan::{Plan, Target, plan};
use crate::emergency::program;
use crate::launch::detached::Text;
use crate::ports::flush::{Fate, Force, Foreign, Own, Plan as FlushPlan, Request};
use crate::spec::fleet::Fleet;
use crate::vocab::name::ServiceName;
use crate::vocab::restart::{Mode, Step};
use crate::vocab::selection::Selection;

/// Assumes that nothing works: kills all that is ours, supervisor included, frees the ports by force, starts afresh.
pub(in crate::cli) fn run(context: &Context, args: &Restart) -> Result<(), Failure> {
    let steps = Steps::of(Mode::Emergency, context);
    if args.dry_run {
        plan_steps(&steps, &Found::look(context)?)?;
        return restart::show_plan(context, &steps, args);
    }
    let found = steps.step(Step::ProveConfig, || {
        let found = Found::look(context)?;
        system::refuse_from_inside(context)?;
        context.paths.look()?;
        system::refuse_untouchable(&found.flush_plan()?)?;
        refuse_own_supervisor(&found.plan)?;
        let words = found.services();
        Ok::<_, Failure>((found, words))
    })?;
    let Found { fleet, suspects, plan, wanted, .. } = &found;
    // The supervisor is stopped before anybody is killed: a command that ends in between would leave it like that.
    let held = interrupt::hold();
    let killed = steps.step(Step::KillServices, || {
        let killed = execute::kill_services(&context.paths, suspects, plan)?;
        let words = system::counted(killed.len(), "process", "processes");
        Ok::<_, Failure>((killed, words))
    })?;
    steps.step(Step::KillSupervisor, || {
        execute::kill_supervisor(plan)?;
        if let Err(error) = execute::record_ends(&context.paths, &killed) {
            context.say(&format!("cannot record what was ended: {error}"));
        }
        Ok::<_, Failure>(((), supervisor_words(plan)))
    })?;
    steps.step(Step::RemoveLeftovers, || {
        let removed = execute::remove_leftovers(&context.paths)?;
        Ok::<_, Failure>(((), system::counted(removed.len(), "file", "files")))
    })?;
    steps.step(Step::FlushPorts, || {
        held.release();
        let ended = system::flush(&found.flush_plan()?, Force::Kill)?;
        let ports: BTreeSet<_> = fleet.ports().into_keys().collect();
        system::prove_free(&ports)?;
        Ok::<_, Failure>(((), system::flushed_words(ended, ports.len())))
    })?;
    steps.step(Step::StartSupervisor, || {
        up::launch(context, Text::File)?;
        Ok::<_, Failure>(((), "done".to_owned()))
    })?;
    restart::finish(context, &runtime()?, &steps, &Ending { wanted, args })
}

/// What counts as ours: the very file that each service declares, and what the user's globs match.
fn suspects(fleet: &Fleet) -> Result<Suspects, Failure> {
    let files = fleet.services().values().filter_map(|service| {
        let words: Vec<String> = std::iter::once(service.command.program())
            .chain(service.command.arguments().iter().map(String::as_str))
            .map(str::to_owned)
            .collect();
        Some((program::file_of(&words, &service.directory)?, service.name.clone()))
    });
    let programs: BTreeMap<PathBuf, ServiceName> = files.collect();
    Ok(Suspects { programs, also_kill: globs(&fleet.supervisor().also_kill)? })
}

fn globs(patterns: &[String]) -> Result<GlobSet, Failure> {
    let bad = |error: globset::Error| Failure::Usage(format!("cannot read `also_kill`: {error}"));
    let mut globs = GlobSetBuilder::new();
    for pattern in patterns {
        globs.add(Glob::new(pattern).map_err(bad)?);
    }
    globs.build().map_err(bad)
}

/// What was found before anything is touched.
struct Found<'a> {
    context: &'a Context,
    fleet: Fleet,
    suspects: Suspects,
    plan: Plan,
    wanted: Selection,
}

impl<'a> Found<'a> {
    fn look(context: &'a Context) -> Result<Self, Failure> {
        let fleet = context.prove()?;
        let suspects = suspects(&fleet)?;
        let plan = plan(&observe(&context.paths, &suspects));
        let wanted = system::wanted(context, &fleet);
        Ok(Self { context, fleet, suspects, plan, wanted })
    }

    fn services(&self) -> String {
        system::counted(self.fleet.services().len(), "service", "services")
    }

    fn flush_plan(&self) -> Result<FlushPlan, Failure> {
        system::plan(&Request {
            ports: system::ports_but(&self.fleet, &[]),
            ours: &system::ours(self.context),
            fence: &self.context.supervisor,
            own: Own::Ended,
            foreign: Foreign::Ended,
        })
    }
}

/// A supervisor that this very command descends from cannot be replaced from here.
fn refuse_own_supervisor(plan: &Plan) -> Result<(), Failure> {
    let supervisor = match plan.supervisor {
        Target::Proven(identity) => Some(identity),
        Target::Absent | Target::Unproven => None,
    };
    for identity in plan.helpers.iter().copied().chain(supervisor) {
        system::refuse_init(identity.pid)?;
        if plan.caller.contains(&identity) {
            return system::refuse_supervisor(identity.pid);
        }
    }
    Ok(())
}

fn plan_steps(steps: &Steps<'_>, found: &Found<'_>) -> Result<(), Failure> {
    let plan = &found.plan;
    steps.plan(Step::ProveConfig, vec![format!("proven: {}", found.services())]);
    steps.plan(Step::KillServices, plan.victims.iter().map(victim_words).collect());
    steps.plan(Step::KillSupervisor, vec![supervisor_words(plan)]);
    let files = plan.files.iter().map(|file| format!("remove {}", file.display()));
    steps.plan(Step::RemoveLeftovers, files.collect());
    let flush = found.flush_plan()?;
    let is_victim =
        |step: &&crate::ports::flush::Step| plan.victims.iter().any(|it| it.identity == step.holder.identity);
    let (killed, others): (Vec<_>, Vec<_>) = flush.steps.iter().partition(is_victim);
    let killed = killed
        .iter()
        .map(|step| format!("port {}: free once pid {} is killed", step.port, step.holder.identity.pid));
    let others = others.iter().filter(|step| step.fate == Fate::End).map(|step| system::step_words(step));
    let free = flush.free.iter().map(|port| format!("port {port}: free"));
    let unseen = flush.unseen.iter().map(|port| system::unseen_words(*port));
    steps.plan(Step::FlushPorts, killed.chain(others).chain(unseen).chain(free).collect());
    steps.plan(Step::StartSupervisor, Vec::new());
    restart::plan_start(steps, &found.fleet, &found.wanted);
    Ok(())
}

fn victim_words(victim: &Victim) -> String {
    let why = match &victim.why {
        Why::Recorded => "recorded".to_owned(),
        Why::Tagged => "carries the tag".to_owned(),
        Why::Confined => "in the cgroup of a run".to_owned(),
        Why::InTree => "in the tree of one of them".to_owned(),
        Why::RunsProgram(file) => format!("runs {}", file.display()),
        Why::Matches(file) => format!("also_kill matches {}", file.display()),
    };
    let service = victim.service.as_ref().map_or_else(String::new, |service| format!(" of {service}"));
    format!("kill {}{service}: `{}` ({why})", victim.identity, victim.command)
}

fn supervisor_words(plan: &Plan) -> String {
    let supervisor = match plan.supervisor {
        Target::Absent => "none is running".to_owned(),
        Target::Proven(identity) => format!("kill {identity}"),
        Target::Unproven => "cannot tell which process it is".to_owned(),
    };
    let helpers = plan.helpers.iter().map(|identity| format!(", kill {identity} (guardian)"));
    helpers.fold(supervisor, |words, helper| words + &helper)
}
