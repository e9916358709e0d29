use std::time::{Duration, Instant};

use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::output;
use crate::vocab::measure::Brief;
use crate::vocab::restart::{Mode, Step};

/// Counts, times and prints the steps of a restart.
pub(in crate::cli) struct Steps<'a> {
    context: &'a Context,
    mode: Mode,
    started: Instant,
}

impl<'a> Steps<'a> {
    pub(in crate::cli) fn of(mode: Mode, context: &'a Context) -> Self {
        Self { context, mode, started: Instant::now() }
    }

    /// Does one step and prints how it went: what it returns beside its value is said behind its time.
    pub(in crate::cli) fn step<T, E>(
        &self,
        step: Step,
        work: impl FnOnce() -> Result<(T, String), E>,
    ) -> Result<T, E> {
        let begun = Instant::now();
        let heading = self.heading(step);
        match work() {
            Ok((value, outcome)) => {
                self.context.say(&format!("{heading}: {outcome} ({})", Brief(begun.elapsed())));
                Ok(value)
            }
            Err(error) => {
                self.context.say(&format!("{heading}: failed ({})", Brief(begun.elapsed())));
                Err(error)
            }
        }
    }

    /// Prints what a step would do.
    pub(in crate::cli) fn plan(&self, step: Step, lines: &[String]) -> Result<(), Failure> {
        output::line(&self.heading(step))?;
        lines.iter().try_for_each(|line| output::line(&format!("      {line}")))
    }

    pub(in crate::cli) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    fn heading(&self, step: Step) -> String {
        let steps = self.mode.steps();
        let number = steps.iter().position(|it| *it == step).map_or(0, |at| at + 1);
        format!("[{number}/{}] {}", steps.len(), step.words())
    }
}
