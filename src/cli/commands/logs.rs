use std::collections::BTreeSet;
use std::io::{self, ErrorKind};
use std::ops::ControlFlow;

use jiff::{Timestamp, Zoned};

use crate::cli::args;
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::output;
use crate::cli::render::log::{LogText, Pieces, Seam, told};
use crate::daemon::log_feed::LogFeed;
use crate::daemon::log_query;
use crate::logs::files;
use crate::logs::pattern::Pattern;
use crate::logs::piece::PieceEnd;
use crate::logs::query::{self, Item, Query, Source, Streams};
use crate::logs::session::{Going, Listener, Session};
use crate::logs::wanted::Wanted;
use crate::rundir::marks::Marks;
use crate::spec::fleet::Fleet;
use crate::spec::log::{Logs, Target};
use crate::spec::service::Service;
use crate::vocab::line_count::LineCount;
use crate::vocab::name::ServiceName;
use crate::vocab::selection::Selection;

/// Shows logs straight from their files, with or without a supervisor.
pub(in crate::cli) fn run(context: &Context, args: &args::Logs) -> Result<(), Failure> {
    // Before the services are known: what changes after that is news.
    let mut marks = Marks::new(&context.paths, []);
    let fleet = context.known()?;
    let picked = fleet.pick(&Selection::of(args.services.iter().cloned())).map_err(|missing| {
        let names: Vec<&str> = fleet.services().keys().map(ServiceName::as_str).collect();
        Failure::Usage(format!("cannot show logs: {missing}; there are {}", names.join(", ")))
    })?;
    let services: Vec<&Service> =
        picked.iter().filter_map(|name| fleet.service(name)).map(|it| &**it).collect();
    let streams = match (args.stdout, args.stderr) {
        (true, _) => Streams::Stdout,
        (false, true) => Streams::Stderr,
        (false, false) => Streams::Both,
    };
    let sources = query::sources(services.iter().copied(), streams);
    if sources.is_empty() || !args.services.is_empty() {
        services
            .iter()
            .filter_map(|service| elsewhere(service, streams).or_else(|| unwritten(service)))
            .for_each(|words| context.say(&words));
    }
    let pattern = args.grep.as_deref().map(Pattern::parse).transpose();
    let pattern = pattern.map_err(|error| Failure::Usage(format!("cannot search for that: {error}")))?;
    let now = Zoned::now();
    let query = Query {
        sources,
        times: context.paths.times.clone(),
        last: LineCount::All,
        since_ms: args.since.map(|when| when.unix_ms(&now)),
        until_ms: args.until.map(|when| when.unix_ms(&now)),
        pattern,
        wanted: Wanted::default(),
    };
    let query = query.with_lines(args.lines);
    if query.is_void() {
        return Err(Failure::Usage("cannot show logs: --until is not after --since".to_owned()));
    }
    let pick = || Some(streams_of(&context.in_force()?, &args.services, streams));
    marks.include(&picked, 0);
    let mut feed = LogFeed::new(marks, pick);
    let session = Session {
        query: &query,
        going: if args.follow { Going::On } else { Going::AsFarAsItIs },
        unix_ms: || u64::try_from(Timestamp::now().as_millisecond()).unwrap_or_default(),
        feed: &mut feed,
    };
    let pieces = if args.grep.is_some() { Pieces::Found } else { Pieces::Joined };
    let form = match (args.json, args.raw) {
        (true, _) => Form::Json,
        (false, true) => Form::Raw(Seam::default()),
        (false, false) => Form::Text(LogText::new(&picked, pieces)),
    };
    let mut printer = Printer { form, pieces, waiting: Vec::new(), failure: None };
    let read = session.run(&mut printer);
    printer.end();
    read.map_err(|error| Failure::System(unreadable(&error)))?;
    printer.failure.map_or(Ok(()), Err)
}

/// The streams that these words mean, as far as there are such services.
fn streams_of(fleet: &Fleet, words: &[String], streams: Streams) -> Vec<Source> {
    let each = words.iter().map(|word| Selection::of([word]));
    let all = words.is_empty().then(Selection::all);
    let picked = each.chain(all).filter_map(|selection| fleet.pick(&selection).ok()).flatten();
    let services: BTreeSet<ServiceName> = picked.collect();
    query::sources(services.iter().filter_map(|name| fleet.service(name)).map(|it| &**it), streams)
}

fn unreadable(error: &io::Error) -> String {
    let hint = match error.kind() {
        ErrorKind::PermissionDenied => {
            "\nhint: log files are for their owner and group (mode 0640): be one of them, or use sudo"
        }
        _ => "",
    };
    format!("cannot read the logs: {error}{hint}")
}

/// Where the output of a service goes, if into no file that could be shown.
fn elsewhere(service: &Service, streams: Streams) -> Option<String> {
    if !query::sources([service], streams).is_empty() {
        return None;
    }
    let Logs { stdout_to, stderr_to, .. } = &service.logs;
    let targets: BTreeSet<Target> = match streams {
        Streams::Both => stdout_to.union(stderr_to).copied().collect(),
        Streams::Stdout => stdout_to.clone(),
        Streams::Stderr => stderr_to.clone(),
    };
    let places: Vec<&str> = targets.iter().map(|target| place(*target)).collect();
    let (places, way_out) = match places.len() {
        0 => ("nowhere".to_owned(), "in place of \"null\""),
        _ => (places.join(" and "), "as well"),
    };
    let name = &service.name;
    Some(format!(
        "`{name}` has no log file to show: its output goes {places} (the config may name \"file\" {way_out})"
    ))
}

/// That a service has no log at all, if it could have one. Where no file set aside is kept, that tells nothing of what it wrote.
fn unwritten(service: &Service) -> Option<String> {
    let sources = query::sources([service], Streams::Both);
    let is_there =
        |source: &Source| files::all(&source.file).iter().any(|path| path.try_exists().unwrap_or(true));
    let name = &service.name;
    (!sources.iter().any(is_there)).then(|| match service.logs.rotation.keep {
        0 => format!("`{name}` has no log file at the moment: none that is set aside is kept (`keep` is 0)"),
        _ => format!("`{name}` has written nothing yet"),
    })
}

fn place(target: Target) -> &'static str {
    match target {
        Target::File => "into a file",
        Target::Inherit => "where the supervisor's own does",
        Target::Syslog => "to syslog",
        Target::Journald => "to systemd's journal",
    }
}

struct Printer {
    form: Form,
    pieces: Pieces,
    /// What is to be printed.
    waiting: Vec<u8>,
    /// Why it printed no more.
    failure: Option<Failure>,
}

enum Form {
    Text(LogText),
    Json,
    Raw(Seam),
}

/// So much is printed at once; less when there is no more at the moment.
const PRINT_BYTES: usize = 64 * 1024;

impl Printer {
    fn add(&mut self, item: Item) {
        match &mut self.form {
            Form::Text(text) => self.waiting.extend(text.of(&item).into_bytes()),
            Form::Json => {
                // A vector takes all that is written into it.
                let _ = serde_json::to_writer(&mut self.waiting, &log_query::on_the_wire(item));
                self.waiting.push(b'\n');
            }
            Form::Raw(seam) => {
                let line = match item {
                    Item::Line(line) => line,
                    Item::Mark(_) => return,
                    // It is none of the bytes that were written, and has to be known all the same.
                    Item::Note(note) => return output::say(&format!("{}: {}", note.service, told(&note))),
                };
                let is_found = self.pieces == Pieces::Found;
                if is_found && !seam.joins(&line, self.pieces) && seam.end() {
                    self.waiting.push(b'\n');
                }
                seam.pass(&line);
                self.waiting.extend_from_slice(&line.bytes);
                if line.end == PieceEnd::Line || is_found && line.end == PieceEnd::Open {
                    self.waiting.push(b'\n');
                }
            }
        }
    }

    fn print(&mut self) -> ControlFlow<()> {
        let printed = match &self.form {
            // JSON has no colours that one would have to look for.
            Form::Raw(_) | Form::Json => output::bytes(&self.waiting),
            Form::Text(_) => output::text(&self.waiting),
        };
        self.waiting.clear();
        self.failure = printed.err();
        if self.failure.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn end(&mut self) {
        match &mut self.form {
            Form::Text(text) => self.waiting.extend(text.finish().into_bytes()),
            Form::Raw(seam) => {
                if self.pieces == Pieces::Found && seam.end() {
                    self.waiting.push(b'\n');
                }
            }
            Form::Json => (),
        }
        if self.failure.is_none() {
            let _ = self.print();
        }
    }
}

impl Listener for Printer {
    fn hear(&mut self, item: Item) -> ControlFlow<()> {
        self.add(item);
        if self.waiting.len() < PRINT_BYTES { ControlFlow::Continue(()) } else { self.print() }
    }

    fn rest(&mut self) -> ControlFlow<()> {
        if self.waiting.is_empty() { ControlFlow::Continue(()) } else { self.print() }
    }
}
