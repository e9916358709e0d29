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
    pub(in crate::cli) fn step<T, E>(
        &self,
        step: Step,
        work: impl FnOnce() -> Result<(T, String), E>,
    ) -> Result<T, E> {
        let begun = Instant::now();
        let heading = self.heading(step);
        interrupt::say_at_interrupt(if step == Step::ProveConfig {
            "interrupted; nothing was touched".to_owned()
        } else {
            format!(
                "interrupted in {heading}; `procman status` shows how things stand, and the same restart goes on"
            )
        });
        let done = work();
        interrupt::say_at_interrupt(String::new());
        match done {
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

    /// Notes what a step would do.
    pub(in crate::cli) fn plan(&self, step: Step, actions: Vec<String>) {
        let planned = Planned { step: self.number(step), name: step.words(), actions };
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

    fn heading(&self, step: Step) -> String {
        format!("[{}/{}] {}", self.number(step), self.mode.steps().len(), step.words())
    }

    fn number(&self, step: Step) -> usize {
        self.mode.steps().iter().position(|it| *it == step).map_or(0, |at| at + 1)
    }
}
