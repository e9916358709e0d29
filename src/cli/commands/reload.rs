use super::preflight;
use crate::cli::args::Reload;
use crate::cli::context::{Context, runtime};
use crate::cli::failure::Failure;
use crate::cli::interrupt::unless_interrupted;
use crate::cli::output;
use crate::protocol::command::{Rehearsal, ReloadOrder};
use crate::protocol::reply::ReloadReport;

/// Shows the difference between what runs and the file, and applies it unless asked only to look.
pub(in crate::cli) fn run(context: &Context, args: &Reload) -> Result<(), Failure> {
    context.prove()?;
    let run = if args.dry_run { Rehearsal::Dry } else { Rehearsal::Real };
    let goodbye = match run {
        Rehearsal::Dry => "interrupted; nothing was touched",
        Rehearsal::Real => {
            "stopped waiting; the supervisor goes on with it\nhint: `procman reload --dry-run` shows what still differs"
        }
    };
    let report = runtime()?.block_on(async {
        let mut client = context.connect().await?;
        unless_interrupted(client.reload(ReloadOrder { run }), goodbye).await
    })?;
    if let Some(problems) = &report.problems {
        return Err(Failure::Usage(format!(
            "the supervisor cannot take this config; everything stays as it is\n{problems}"
        )));
    }
    preflight::judge("reload: services would not start again; everything stays as it is", &report.preflight)?;
    if args.json {
        return output::json(&report);
    }
    for line in report.differences.iter().chain(&report.needs_restart) {
        output::line(line)?;
    }
    context.say(said(&report, run));
    Ok(())
}

/// What came of what differs.
fn said(report: &ReloadReport, run: Rehearsal) -> &'static str {
    match (run, report.differences.is_empty(), report.needs_restart.is_empty()) {
        (Rehearsal::Dry | Rehearsal::Real, true, true) => "nothing differs",
        (Rehearsal::Dry, _, _) => "nothing was touched",
        (Rehearsal::Real, false, true) => "applied",
        (Rehearsal::Real, false, false) => "the rest is applied",
        (Rehearsal::Real, true, false) => "nothing else differs",
    }
}
