use crate::cli::args::Logs;
use crate::cli::context::{Context, runtime};
use crate::cli::failure::Failure;
use crate::cli::output;
use crate::protocol::logs::{RotateOrder, RotateOutcome};
use crate::vocab::selection::Selection;

/// Sets the log files of services aside, by the supervisor: it alone writes them.
pub(in crate::cli) fn run(context: &Context, args: &Logs) -> Result<(), Failure> {
    let services = Selection::of(args.services.iter().cloned());
    let report = runtime()?.block_on(async {
        context.connect().await?.rotate_logs(RotateOrder { services }).await.map_err(Failure::from)
    })?;
    if args.json {
        output::json(&report)?;
    } else {
        for result in &report.results {
            let said = match result.outcome {
                RotateOutcome::Rotated => "set aside",
                RotateOutcome::Removed => "removed (`keep` is 0)",
                RotateOutcome::Empty => "nothing to set aside",
                RotateOutcome::AtLineEnd => "set aside as soon as its last line ends",
                RotateOutcome::Failed => "cannot set it aside",
            };
            let note = result.note.as_ref().map(|note| format!(": {note}")).unwrap_or_default();
            output::line(&format!("{}: {said}{note}", result.file.display()))?;
        }
    }
    match report.results.iter().filter(|result| result.outcome == RotateOutcome::Failed).count() {
        0 => Ok(()),
        failed => Err(Failure::NotReached(format!("cannot set {failed} log files aside"))),
    }
}
