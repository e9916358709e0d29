use std::ops::ControlFlow;

use anstyle::{AnsiColor, Style};
use jiff::{Timestamp, Zoned};

use crate::cli::args::Logs;
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::output;
use crate::logs::pattern::Pattern;
use crate::logs::printable::printable;
use crate::logs::query::{self, Line, Query, Streams};
use crate::logs::session::{self, Going, Listener};
use crate::protocol::logs::LogLine;
use crate::vocab::name::ServiceName;
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
    let mut printer = Printer::new(args, &picked);
    let going = if args.follow { Going::On } else { Going::AsFarAsItIs };
    let unix_ms = || u64::try_from(Timestamp::now().as_millisecond()).unwrap_or_default();
    let read = session::run(&query, going, unix_ms, &mut printer);
    read.map_err(|error| Failure::System(format!("cannot read the logs: {error}")))?;
    printer.failure.map_or(Ok(()), Err)
}

struct Printer {
    form: Form,
    names: Vec<ServiceName>,
    width: usize,
    /// Why it printed no more.
    failure: Option<Failure>,
}

#[derive(PartialEq)]
enum Form {
    Text,
    Json,
}

const COLOURS: [AnsiColor; 6] = [
    AnsiColor::Cyan,
    AnsiColor::Green,
    AnsiColor::Magenta,
    AnsiColor::Blue,
    AnsiColor::Yellow,
    AnsiColor::BrightCyan,
];

impl Printer {
    fn new(args: &Logs, names: &[ServiceName]) -> Self {
        Self {
            form: if args.json { Form::Json } else { Form::Text },
            names: names.to_vec(),
            width: names.iter().map(|name| name.as_str().len()).max().unwrap_or(0),
            failure: None,
        }
    }

    fn print(&self, line: &Line) -> Result<(), Failure> {
        if self.form == Form::Json {
            let line = LogLine::new(line.service.clone(), line.stream, line.unix_ms, &line.bytes);
            return output::json_line(&line);
        }
        let text = printable(&line.bytes);
        if self.names.len() == 1 {
            return output::line(&text);
        }
        let at = self.names.iter().position(|name| *name == line.service).unwrap_or(0);
        let style = Style::new().fg_color(Some(COLOURS[at % COLOURS.len()].into()));
        output::line(&format!("{style}{:<width$} |{style:#} {text}", line.service, width = self.width))
    }
}

impl Listener for Printer {
    fn hear(&mut self, line: Line) -> ControlFlow<()> {
        self.failure = self.print(&line).err();
        if self.failure.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn rest(&mut self) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}
