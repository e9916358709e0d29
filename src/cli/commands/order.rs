use std::io::IsTerminal;
use std::time::Duration;

use crate::cli::args::{Awaited as AwaitedWord, SignalArgs, Wait};
use crate::cli::context::{Context, runtime};
use crate::cli::failure::Failure;
use crate::cli::interrupt::unless_interrupted;
use crate::cli::order_args::{Start, Stop};
use crate::cli::output;
use crate::cli::render::progress::Progress;
use crate::cli::render::report;
use crate::client::ask::AskError;
use crate::protocol::command::{Awaited, Command, Dependents, Order, SignalOrder, WaitOrder};
use crate::protocol::problem::Kind;
use crate::vocab::measure::millis;
use crate::vocab::selection::Selection;
use crate::vocab::signal::Signal;

/// What is said when somebody stops waiting for what the supervisor does.
pub(in crate::cli) const GOES_ON: &str =
    "stopped waiting; the supervisor goes on with it\nhint: `procman status` shows how far it is";

/// Starts services and what they need.
pub(in crate::cli) fn start(context: &Context, args: &Start) -> Result<(), Failure> {
    let services = Selection::of(args.services.iter().cloned());
    ask(context, &Command::Start(order_of(services, args.with_dependents, args.timeout)), "start")
}

/// Stops services.
pub(in crate::cli) fn stop(context: &Context, args: &Stop) -> Result<(), Failure> {
    end(context, args, Command::Stop, "stop")
}

/// Kills services.
pub(in crate::cli) fn kill(context: &Context, args: &Stop) -> Result<(), Failure> {
    end(context, args, Command::Kill, "kill")
}

/// Ends services. What the supervisor refuses because others need them is asked about on a terminal.
fn end(
    context: &Context,
    args: &Stop,
    command: impl Fn(Order) -> Command,
    verb: &'static str,
) -> Result<(), Failure> {
    let services = Selection::of(args.services.iter().cloned());
    let mut order = order_of(services, args.with_dependents, args.timeout);
    if args.force {
        order.dependents = Dependents::Forced;
    }
    match ask(context, &command(order.clone()), verb) {
        Err(Failure::Ask(AskError::Refused(problem)))
            if problem.kind == Kind::Needed && std::io::stdin().is_terminal() =>
        {
            output::say(&problem.what);
            if !output::agrees(&format!("{verb} those as well?")) {
                return Err(Failure::Unsafe("refused; nothing was touched".to_owned()));
            }
            order.dependents = Dependents::Included;
            ask(context, &command(order), verb)
        }
        asked => asked,
    }
}

/// Signals services.
pub(in crate::cli) fn signal(context: &Context, args: &SignalArgs) -> Result<(), Failure> {
    // As supervisorctl has it, the signal may stand in front of the names.
    let (signal, words) = match (args.signal, args.services.split_first()) {
        (None, Some((first, rest))) if !rest.is_empty() => match Signal::parse(first) {
            Ok(signal) => (Some(signal), rest),
            Err(_) => (None, &args.services[..]),
        },
        (signal, _) => (signal, &args.services[..]),
    };
    let services = Selection::of(words.iter().cloned());
    ask(context, &Command::Signal(SignalOrder { services, signal }), "signal")
}

/// Waits for services.
pub(in crate::cli) fn wait(context: &Context, args: &Wait) -> Result<(), Failure> {
    let awaited = match args.awaited {
        AwaitedWord::Ready => Awaited::Ready,
        AwaitedWord::Running => Awaited::Running,
        AwaitedWord::Stopped => Awaited::Stopped,
    };
    let services = Selection::of(args.services.iter().cloned());
    let order = WaitOrder { services, awaited, timeout_ms: args.timeout.map(millis) };
    ask(context, &Command::Wait(order), "wait for")
}

/// An order as the protocol has it.
pub(in crate::cli) fn order_of(
    services: Selection,
    with_dependents: bool,
    timeout: Option<Duration>,
) -> Order {
    let dependents = if with_dependents { Dependents::Included } else { Dependents::Untouched };
    Order { services, dependents, timeout_ms: timeout.map(millis), ..Order::default() }
}

/// Asks the supervisor, tells what happens, and judges the report.
pub(in crate::cli) fn ask(context: &Context, command: &Command, verb: &'static str) -> Result<(), Failure> {
    runtime()?.block_on(async {
        let mut client = context.connect().await?;
        let progress = Progress::new(context, verb);
        let asked = client.command(command, |event| progress.tell(&event));
        let report = unless_interrupted(asked, GOES_ON).await?;
        drop(progress);
        report::judge(context, &report, verb)
    })
}
