use super::history;
use super::status::{self, Detail};
use crate::cli::cause_args::Why as Args;
use crate::cli::context::{Context, runtime};
use crate::cli::failure::Failure;
use crate::cli::output;
use crate::cli::render::cause;
use crate::protocol::status::{ServiceView, Status};
use crate::protocol::why::Why;
use crate::vocab::selection::Selection;

/// Tells why services are as they are; without a supervisor the records speak.
pub(in crate::cli) fn run(context: &Context, args: &Args) -> Result<(), Failure> {
    let selection = Selection::of(args.services.iter().cloned());
    let (status, answered) = status::look(context, Detail::Plain)?;
    let status = status::narrow(status, &selection)?;
    let whys = match answered {
        Ok(()) => asked(context, &status)?,
        Err(_) => status.services.iter().map(|view| recorded(context, view)).collect::<Result<_, _>>()?,
    };
    if args.json {
        return output::json(&whys);
    }
    let texts: Vec<String> = whys.iter().map(cause::why).collect();
    output::line(&texts.join("\n\n"))
}

fn asked(context: &Context, status: &Status) -> Result<Vec<Why>, Failure> {
    runtime()?.block_on(async {
        let mut client = context.connect().await?;
        let mut whys = Vec::with_capacity(status.services.len());
        for view in &status.services {
            whys.push(client.why(&view.name).await?);
        }
        Ok(whys)
    })
}

fn recorded(context: &Context, view: &ServiceView) -> Result<Why, Failure> {
    let records = history::read(context, &view.name)?;
    Ok(Why {
        service: view.name.clone(),
        supervised: false,
        state: view.state,
        health: view.health,
        reason: view.reason.clone(),
        run: None,
        notes: Vec::new(),
        stopped: None,
        last: records.into_iter().next_back(),
    })
}
