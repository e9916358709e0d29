use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::protocol::reply::{Report, ServiceResult, Verdict};

/// Says what was not reached, with the last lines of standard error; fails if anything was not.
pub(in crate::cli) fn judge(context: &Context, report: &Report, verb: &str) -> Result<(), Failure> {
    let missed: Vec<&ServiceResult> =
        report.results.iter().filter(|result| result.verdict != Verdict::Done).collect();
    for result in &missed {
        crate::cli::output::say(&words(result));
    }
    match missed.len() {
        0 => {
            if report.results.is_empty() {
                context.say(&format!("nothing to {verb}"));
            }
            Ok(())
        }
        count => {
            Err(Failure::NotReached(format!("cannot {verb} {count} of {} services", report.results.len())))
        }
    }
}

fn words(result: &ServiceResult) -> String {
    let how = match result.verdict {
        Verdict::Done => "done",
        Verdict::Failed => "failed",
        Verdict::TimedOut => "not in time",
    };
    let mut text =
        format!("{}: {how}: {}", result.service, result.reason.as_deref().unwrap_or(result.state.word()));
    for line in &result.stderr {
        text.push_str(&format!("\n    {line}"));
    }
    text
}
