use std::ops::ControlFlow;
use std::thread;

use anstyle::{AnsiColor, Style};
use jiff::{Timestamp, Zoned};
use serde::Serialize;

use crate::cli::args::Logs;
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::output;
use crate::logs::follow::{Follower, PAUSE};
use crate::logs::pattern::Pattern;
use crate::logs::printable::printable;
use crate::logs::query::{self, Line, Query, Source};
use crate::spec::fleet::Fleet;
use crate::vocab::name::ServiceName;
use crate::vocab::selection::Selection;
use crate::vocab::stream::Stream;

/// So many lines are shown when nothing narrows them.
const USUAL_LINES: usize = 100;

/// Shows logs straight from their files, with or without a supervisor.
pub(in crate::cli) fn run(context: &Context, args: &Logs) -> Result<(), Failure> {
    let fleet = context.prove_as_scaled()?;
    let picked = fleet.pick(&Selection::of(args.services.iter().cloned()))?;
    let sources = sources(&fleet, &picked, args);
    let pattern = args.grep.as_deref().map(Pattern::parse).transpose();
    let pattern = pattern.map_err(|error| Failure::Usage(format!("cannot search for that: {error}")))?;
    let is_narrow = args.since.is_some() || args.until.is_some() || pattern.is_some();
    let now = Zoned::now();
    let query = Query {
        sources: sources.clone(),
        times: context.paths.times.clone(),
        last: args.lines.or((!is_narrow).then_some(USUAL_LINES)),
        since_ms: args.since.map(|when| when.unix_ms(&now)),
        until_ms: args.until.map(|when| when.unix_ms(&now)),
        pattern: pattern.clone(),
    };
    let printer = Printer::new(args, &picked);
    let ends = query::ends(&sources);
    let mut failure = None;
    let read = query::read(&query, &ends, |line| match printer.print(&line) {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => {
            failure = Some(error);
            ControlFlow::Break(())
        }
    });
    read.map_err(|error| Failure::System(format!("cannot read the logs: {error}")))?;
    failure.map_or(Ok(()), Err)?;
    if args.follow { follow(Follower::new(sources, &ends), &printer, pattern.as_ref()) } else { Ok(()) }
}

fn follow(mut follower: Follower, printer: &Printer, pattern: Option<&Pattern>) -> Result<(), Failure> {
    loop {
        let now = u64::try_from(Timestamp::now().as_millisecond()).unwrap_or_default();
        let lines = follower.look(now);
        let lines = lines.map_err(|error| Failure::System(format!("cannot read the logs: {error}")))?;
        for line in lines.iter().filter(|line| pattern.is_none_or(|pattern| pattern.is_match(&line.bytes))) {
            printer.print(line)?;
        }
        thread::sleep(PAUSE);
    }
}

fn sources(fleet: &Fleet, picked: &[ServiceName], args: &Logs) -> Vec<Source> {
    let services = picked.iter().filter_map(|name| fleet.service(name));
    services
        .flat_map(|service| {
            let stdout = (Stream::Stdout, &service.logs.stdout, !args.stderr);
            let is_apart = !service.logs.are_joined() || args.stderr;
            let stderr = (Stream::Stderr, &service.logs.stderr, !args.stdout && is_apart);
            [stdout, stderr]
                .into_iter()
                .filter(|(_, _, is_wanted)| *is_wanted)
                .map(|(stream, file, _)| Source { service: service.name.clone(), stream, file: file.clone() })
        })
        .collect()
}

/// What `logs --json` prints for each line.
#[derive(Serialize)]
struct JsonLine<'a> {
    service: &'a ServiceName,
    stream: Stream,
    time: String,
    line: String,
}

struct Printer {
    form: Form,
    names: Vec<ServiceName>,
    width: usize,
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
        }
    }

    fn print(&self, line: &Line) -> Result<(), Failure> {
        if self.form == Form::Json {
            let stamp = Timestamp::from_millisecond(i64::try_from(line.unix_ms).unwrap_or(i64::MAX));
            return output::json_line(&JsonLine {
                service: &line.service,
                stream: line.stream,
                time: stamp.unwrap_or_default().to_string(),
                line: String::from_utf8_lossy(&line.bytes).into_owned(),
            });
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
