use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use serde::Serialize;

use super::system;
use crate::cli::args::Flush;
use crate::cli::context::{Context, runtime};
use crate::cli::failure::Failure;
use crate::cli::{interrupt, output};
use crate::ports::flush::{self, Fate, Force, Foreign, Own, Plan, Request, Step};
use crate::ports::verdict::Ours;
use crate::protocol::command::{Command, FlushOrder};
use crate::vocab::identity::Pid;
use crate::vocab::name::ServiceName;
use crate::vocab::port::{Endpoint, Port, Whose};

/// Frees the assigned ports, or those named: listeners only, ours first, foreign ones with consent.
pub(in crate::cli) fn run(context: &Context, args: &Flush) -> Result<(), Failure> {
    let job = Job::new(context, args)?;
    let plan = job.plan(Foreign::Refused)?;
    if args.dry_run {
        show(&plan, args)?;
        context.say("nothing was touched");
        return Ok(());
    }
    system::refuse_untouchable(&plan)?;
    let plan = match system::consent(&plan, args.yes)? {
        Foreign::Refused => plan,
        agreed @ (Foreign::Only(_) | Foreign::Ended) => job.plan(agreed)?,
    };
    interrupt::say_at_interrupt(
        "interrupted; some ports may have been freed, and others not\n\
         hint: `procman ports` shows who holds what, and the same flush goes on"
            .to_owned(),
    );
    job.announce(&plan);
    system::flush(&plan, Force::Ask(flush::GRACE))?;
    show(&plan, args)?;
    if plan.ends().next().is_none() {
        context.say("nothing had to be freed");
    }
    job.prove_free()
}

/// How long the journal may take to name a run that was made after a flush, and how often it is asked.
const RESTARTED_MAX: Duration = Duration::from_millis(500);
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// How long the supervisor may take to hear of a flush.
const TOLD_MAX: Duration = Duration::from_secs(1);

/// Which ports are freed, and what counts as ours.
struct Job<'a> {
    context: &'a Context,
    ports: BTreeMap<Endpoint, Option<ServiceName>>,
    own: Own,
}

impl<'a> Job<'a> {
    fn new(context: &'a Context, args: &Flush) -> Result<Self, Failure> {
        let assigned: BTreeMap<Endpoint, ServiceName> = context.prove()?.ports();
        let named = args.ports.clone();
        if let Some(port) = named.iter().find(|port| context.supervisor.protects(**port)) {
            return Err(Failure::Unsafe(format!(
                "refused: port {port} is protected; nothing was touched\n\
                 hint: `allowed_ports = [{port}]` in [supervisor] lets it be freed"
            )));
        }
        let own = if args.all || !named.is_empty() { Own::Ended } else { Own::Spared };
        let ports: Vec<Endpoint> = if named.is_empty() {
            assigned.keys().copied().collect()
        } else {
            named.into_iter().flat_map(|port| endpoints(port, &assigned)).collect()
        };
        let ports = ports.into_iter().map(|port| (port, assigned.get(&port).cloned())).collect();
        Ok(Self { context, ports, own })
    }

    /// Live services are ours whether or not a supervisor lives: one that was killed is no reason to end them.
    fn ours(&self) -> Ours {
        system::ours(self.context)
    }

    fn plan(&self, foreign: Foreign) -> Result<Plan, Failure> {
        let ours = self.ours();
        system::plan(&Request {
            ports: self.ports.clone(),
            ours: &ours,
            fence: &self.context.supervisor,
            own: self.own,
            foreign,
        })
    }

    /// Tells the supervisor whose runs are about to end, for their records. One that does not answer keeps none, and is no
    /// reason to leave a port as it is.
    fn announce(&self, plan: &Plan) {
        let live = plan.ends().filter(|step| matches!(step.whose, Whose::Live(_)));
        let pids: BTreeSet<Pid> = live.map(|step| step.holder.identity.pid).collect();
        let Some(runtime) = runtime().ok().filter(|_| !pids.is_empty()) else { return };
        let told = async {
            let mut client = self.context.connect().await?;
            client.command(&Command::Flush(FlushOrder { pids }), |_| ()).await.map_err(Failure::from)
        };
        let _ = runtime.block_on(async { tokio::time::timeout(TOLD_MAX, told).await });
    }

    /// Each port is free, or held by the service that it is assigned to, which may have been started again meanwhile. A
    /// run that is just being made has a held port before the journal knows the run, so one look may come too early.
    fn prove_free(&self) -> Result<(), Failure> {
        let deadline = Instant::now() + RESTARTED_MAX;
        loop {
            match self.look_whether_free() {
                Err(Failure::NotReached(_)) if Instant::now() < deadline => std::thread::sleep(LOOK_AGAIN),
                proven_or_not => return proven_or_not,
            }
        }
    }

    fn look_whether_free(&self) -> Result<(), Failure> {
        let plan = self.plan(Foreign::Refused)?;
        let is_own = |step: &Step| match &step.whose {
            Whose::Live(service) => self.ports.get(&step.port) == Some(&Some(service.clone())),
            Whose::Supervisor => true,
            Whose::Stray(_) | Whose::Foreign => false,
        };
        let held = plan.steps.iter().filter(|step| !is_own(step));
        let held: Vec<String> =
            held.map(|step| format!("port {} is held by {}", step.port, step.holder)).collect();
        if held.is_empty() {
            return Ok(());
        }
        Err(Failure::NotReached(format!(
            "cannot free the ports: they are held again\n{}\nhint: something starts it anew; stop that first",
            held.join("\n")
        )))
    }
}

/// What a port means: each assigned endpoint of that number, or TCP on any address where there is none.
fn endpoints(port: Port, assigned: &BTreeMap<Endpoint, ServiceName>) -> Vec<Endpoint> {
    let of_services: Vec<Endpoint> = assigned.keys().filter(|it| it.port == port).copied().collect();
    if of_services.is_empty() { vec![Endpoint::tcp(port)] } else { of_services }
}

/// What `flush --json` prints for each listener.
#[derive(Serialize)]
struct View<'a> {
    #[serde(flatten)]
    port: Endpoint,
    pid: Pid,
    user: &'a str,
    command: &'a str,
    service: Option<&'a ServiceName>,
    done: &'static str,
}

fn show(plan: &Plan, args: &Flush) -> Result<(), Failure> {
    if args.json {
        return output::json(&plan.steps.iter().map(|step| view(step, args)).collect::<Vec<_>>());
    }
    for step in &plan.steps {
        let text = if args.dry_run {
            system::step_words(step)
        } else {
            format!("port {}: {} {}", step.port, done(step), step.holder)
        };
        output::line(&text)?;
    }
    for port in plan.free.iter().filter(|_| args.dry_run) {
        output::line(&format!("port {port}: free"))?;
    }
    for port in &plan.unseen {
        output::line(&system::unseen_words(*port))?;
    }
    Ok(())
}

fn view<'a>(step: &'a Step, args: &Flush) -> View<'a> {
    let service = match &step.whose {
        Whose::Live(service) | Whose::Stray(service) => Some(service),
        Whose::Supervisor | Whose::Foreign => None,
    };
    let done = if args.dry_run { "nothing" } else { done(step) };
    let holder = &step.holder;
    View {
        port: step.port,
        pid: holder.identity.pid,
        user: &holder.user,
        command: &holder.command,
        service,
        done,
    }
}

fn done(step: &Step) -> &'static str {
    match step.fate {
        Fate::SpareOwn if step.whose == Whose::Supervisor => "left alone: held for its service by",
        Fate::End => "ended",
        Fate::SpareOwn => "left alone: a live service on its own port,",
        Fate::RefuseForeign | Fate::RefuseAncestor | Fate::RefuseProtected => "refused:",
    }
}
