use std::cell::RefCell;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::{interrupt, output};
use crate::vocab::measure::Brief;
use crate::vocab::restart::{Mode, Step};

/// Counts, times and prints the steps of a restart.
pub(in crate::cli) struct Steps<'a> {
    context: &'a Context,
    mode: Mode,
    started: Instant,
    planned: RefCell<Vec<Planned>>,
}

/// What a step would do.
#[derive(Serialize)]
struct Planned {
    step: usize,
    name: &'static str,
    actions: Vec<String>,
}

/// What `restart --dry-run --json` prints.
#[derive(Serialize)]
struct Plan<'a> {
    mode: &'static str,
    steps: &'a [Planned],
}

impl<'a> Steps<'a> {
    pub(in crate::cli) fn of(mode: Mode, context: &'a Context) -> Self {
        Self { context, mode, started: Instant::now(), planned: RefCell::default() }
    }

    /// Does one step and prints how it went: what it returns beside its value is said behind its time.
    pub(in crate::cli) fn step<T>(
        &self,
        step: Step,
        work: impl FnOnce() -> Result<(T, String), Failure>,
    ) -> Result<T, Failure> {
        let begun = Instant::now();
        let heading = heading(self.mode, step);
        interrupt::say_at_interrupt(goodbye(self.mode, step, "in"));
        let done = work();
        interrupt::say_at_interrupt(goodbye(self.mode, step, "after"));
        let outcome = match &done {
            Ok((_, outcome)) => outcome,
            Err(Failure::Interrupted(_)) => "interrupted",
            Err(_) => "failed",
        };
        self.context.say(&format!("{heading}: {outcome} ({})", Brief(begun.elapsed())));
        done.map(|(value, _)| value)
    }

    /// Notes what a step would do.
    pub(in crate::cli) fn plan(&self, step: Step, actions: Vec<String>) {
        let planned = Planned { step: number(self.mode, step), name: step.words(), actions };
        self.planned.borrow_mut().push(planned);
    }

    /// Prints what all steps would do.
    pub(in crate::cli) fn print_plan(&self) -> Result<(), Failure> {
        let count = self.mode.steps().len();
        for Planned { step, name, actions } in self.planned.borrow().iter() {
            output::line(&format!("[{step}/{count}] {name}"))?;
            actions.iter().try_for_each(|action| output::line(&format!("      {action}")))?;
        }
        Ok(())
    }

    /// The same as one JSON document.
    pub(in crate::cli) fn print_plan_as_json(&self) -> Result<(), Failure> {
        output::json(&Plan { mode: self.mode.word(), steps: &self.planned.borrow() })
    }

    pub(in crate::cli) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }
}

/// What is said at an interrupt in a step or after it: what was done, what was not, and how to go on.
fn goodbye(mode: Mode, step: Step, place: &str) -> String {
    let heading = heading(mode, step);
    let missing: Vec<&str> = mode.steps().iter().skip(number(mode, step)).map(|step| step.words()).collect();
    match (step, missing.is_empty()) {
        (Step::ProveConfig, _) => format!("interrupted {place} {heading}; nothing was touched"),
        (_, true) => format!("interrupted {place} {heading}; `procman status` shows how things stand"),
        (_, false) => format!(
            "interrupted {place} {heading}; not begun: {}\n\
             hint: `procman status` shows how things stand, and the same restart goes on",
            missing.join(", ")
        ),
    }
}

fn heading(mode: Mode, step: Step) -> String {
    format!("[{}/{}] {}", number(mode, step), mode.steps().len(), step.words())
}

fn number(mode: Mode, step: Step) -> usize {
    mode.steps().iter().position(|it| *it == step).map_or(0, |at| at + 1)
}

#[cfg(test)]
mod tests {
    use super::goodbye;
    use crate::vocab::restart::{Mode, Step};

    #[test]
    fn an_interrupt_in_a_step_or_between_two_tells_what_was_not_begun() {
        assert_eq!(
            goodbye(Mode::Quick, Step::StopServices, "after"),
            "interrupted after [2/5] stop the services; not begun: start the supervisor afresh, \
             start the services in order, verify every service\n\
             hint: `procman status` shows how things stand, and the same restart goes on"
        );
        assert_eq!(
            goodbye(Mode::Master, Step::ProveConfig, "in"),
            "interrupted in [1/7] prove the config; nothing was touched"
        );
        assert!(!goodbye(Mode::Master, Step::Verify, "after").contains("not begun"));
    }
}
