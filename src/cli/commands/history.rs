use serde::Serialize;

use super::status::{self, Detail};
use crate::cli::cause_args::History as Args;
use crate::cli::context::{Context, runtime};
use crate::cli::failure::Failure;
use crate::cli::output;
use crate::cli::render::cause;
use crate::protocol::status::Status;
use crate::rundir::history;
use crate::vocab::cause::Record;
use crate::vocab::name::ServiceName;
use crate::vocab::selection::Selection;

/// A record with whose it is.
#[derive(Debug, Serialize)]
struct Line<'a> {
    service: &'a ServiceName,
    #[serde(flatten)]
    record: &'a Record,
}

/// Shows how the runs of services ended.
pub(in crate::cli) fn run(context: &Context, args: &Args) -> Result<(), Failure> {
    let (status, answered) = status::look(context, Detail::Plain)?;
    let mut names: Vec<ServiceName> = Vec::new();
    for word in &args.services {
        for name in named(context, &status, word)? {
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    let records: Vec<Vec<Record>> = match answered {
        Ok(()) => asked(context, &names)?,
        Err(_) => names.iter().map(|name| read(context, name)).collect::<Result<_, _>>()?,
    };
    let shown = args.last.unwrap_or(usize::MAX);
    let last = |mut records: Vec<Record>| records.split_off(records.len().saturating_sub(shown));
    let found: Vec<(ServiceName, Vec<Record>)> =
        names.into_iter().zip(records.into_iter().map(last)).collect();
    if !args.json {
        return output::line(&cause::history(&found));
    }
    let lines = found
        .iter()
        .flat_map(|(service, records)| records.iter().map(move |record| Line { service, record }));
    lines.into_iter().try_for_each(|line| output::json_line(&line))
}

/// The services that a word names: of the config, or one that the config has no more and whose records are kept.
fn named(context: &Context, status: &Status, word: &str) -> Result<Vec<ServiceName>, Failure> {
    match status::narrow(status.clone(), &Selection::of([word.to_owned()])) {
        Ok(status) => Ok(status.services.into_iter().map(|view| view.name).collect()),
        Err(failure) => match ServiceName::parse(word) {
            Ok(name) if !read(context, &name)?.is_empty() => Ok(vec![name]),
            Ok(_) | Err(_) => Err(failure),
        },
    }
}

fn asked(context: &Context, names: &[ServiceName]) -> Result<Vec<Vec<Record>>, Failure> {
    runtime()?.block_on(async {
        let mut client = context.connect().await?;
        let mut all = Vec::with_capacity(names.len());
        for name in names {
            all.push(client.history(name).await?);
        }
        Ok(all)
    })
}

/// The records of a service as they lie on the disk.
pub(super) fn read(context: &Context, name: &ServiceName) -> Result<Vec<Record>, Failure> {
    history::read(&context.paths, name)
        .map_err(|error| Failure::System(format!("cannot read the records of `{name}`: {error}")))
}
