use std::ops::ControlFlow;

use jiff::{Timestamp, Zoned};

use crate::cli::args::Logs;
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::output;
use crate::cli::render::log::LogText;
use crate::logs::pattern::Pattern;
use crate::logs::query::{self, Item, Query, Streams};
use crate::logs::session::{Going, Listener, Session};
use crate::protocol::logs::LogItem;
use crate::rundir::marks::Marks;
use crate::vocab::selection::Selection;

/// So many lines are shown when nothing narrows them.
const USUAL_LINES: usize = 100;

/// Shows logs straight from their files, with or without a supervisor.
pub(in crate::cli) fn run(context: &Context, args: &Logs) -> Result<(), Failure> {
    let fleet = context.prove_as_scaled()?;
    let picked = fleet.pick(&Selection::of(args.services.iter().cloned()))?;
    let services = picked.iter().filter_map(|name| fleet.service(name));
    let streams = match (args.stdout, args.stderr) {
        (true, _) => Streams::Stdout,
        (false, true) => Streams::Stderr,
        (false, false) => Streams::Both,
    };
    let sources = query::sources(services.map(|service| &**service), streams);
    let pattern = args.grep.as_deref().map(Pattern::parse).transpose();
    let pattern = pattern.map_err(|error| Failure::Usage(format!("cannot search for that: {error}")))?;
    let is_narrow = args.since.is_some() || args.until.is_some() || pattern.is_some();
    let now = Zoned::now();
    let query = Query {
        sources,
        times: context.paths.times.clone(),
        last: args.lines.or((!is_narrow).then_some(USUAL_LINES)),
        since_ms: args.since.map(|when| when.unix_ms(&now)),
        until_ms: args.until.map(|when| when.unix_ms(&now)),
        pattern,
    };
    let mut marks = Marks::new(&context.paths, &picked);
    let session = Session {
        query: &query,
        going: if args.follow { Going::On } else { Going::AsFarAsItIs },
        unix_ms: || u64::try_from(Timestamp::now().as_millisecond()).unwrap_or_default(),
        marks: &mut || marks.news(),
    };
    let form = if args.json { Form::Json } else { Form::Text(LogText::new(&picked)) };
    let mut printer = Printer { form, failure: None };
    let read = session.run(&mut printer);
    read.map_err(|error| Failure::System(format!("cannot read the logs: {error}")))?;
    printer.failure.map_or(Ok(()), Err)
}

struct Printer {
    form: Form,
    /// Why it printed no more.
    failure: Option<Failure>,
}

enum Form {
    Text(LogText),
    Json,
}

impl Printer {
    fn print(&self, item: Item) -> Result<(), Failure> {
        match &self.form {
            Form::Text(text) => output::line(&text.of(&item)),
            Form::Json => output::json_line(&json(item)),
        }
    }
}

impl Listener for Printer {
    fn hear(&mut self, item: Item) -> ControlFlow<()> {
        self.failure = self.print(item).err();
        if self.failure.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn rest(&mut self) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

/// An item as `--json` has it, which is as it crosses the socket.
fn json(item: Item) -> LogItem {
    match item {
        Item::Line(line) => LogItem::line(line.service, line.stream, line.unix_ms, &line.bytes),
        Item::Mark(mark) => LogItem::mark(mark),
    }
}
