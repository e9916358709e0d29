use serde::Serialize;

use super::status::{self, Detail};
use crate::cli::cause_args::History as Args;
use crate::cli::context::{Context, runtime};
use crate::cli::failure::Failure;
use crate::cli::output;
use crate::cli::render::cause;
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
    let mut found: Vec<(ServiceName, Vec<Record>)> = Vec::new();
    for word in &args.services {
        let picked = status::narrow(status.clone(), &Selection::of([word.clone()]));
        let names = match (picked, gone(context, word)?) {
            (Ok(status), _) => status.services.into_iter().map(|view| view.name).collect(),
            (Err(_), Some(name)) => vec![name],
            (Err(failure), None) => return Err(failure),
        };
        for name in
            names.into_iter().filter(|name| found.iter().all(|(known, _)| known != name)).collect::<Vec<_>>()
        {
            let mut records = match &answered {
                Ok(()) => runtime()?
                    .block_on(async { Ok::<_, Failure>(context.connect().await?.history(&name).await?) })?,
                Err(_) => read(context, &name)?,
            };
            records.drain(..records.len().saturating_sub(args.last.unwrap_or(usize::MAX)));
            found.push((name, records));
        }
    }
    if !args.json {
        return output::line(&cause::history(&found));
    }
    let lines = found
        .iter()
        .flat_map(|(service, records)| records.iter().map(move |record| Line { service, record }));
    lines.into_iter().try_for_each(|line| output::json_line(&line))
}

/// A service that is not in the config any more and whose records are kept.
fn gone(context: &Context, word: &str) -> Result<Option<ServiceName>, Failure> {
    let Ok(name) = ServiceName::parse(word) else { return Ok(None) };
    let is_kept = !read(context, &name)?.is_empty();
    Ok(Some(name).filter(|_| is_kept))
}

fn read(context: &Context, name: &ServiceName) -> Result<Vec<Record>, Failure> {
    history::read(&context.paths, name)
        .map_err(|error| Failure::System(format!("cannot read the records of `{name}`: {error}")))
}
