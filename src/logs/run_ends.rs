use std::collections::{BTreeMap, BTreeSet};

use crate::vocab::mark::{Mark, Turn};
use crate::vocab::name::ServiceName;
use crate::vocab::run::RunId;

/// When runs of services ended, as far as no later run went on then, which may have been in the midst of a line.
#[derive(Debug, Default)]
pub(super) struct RunEnds(BTreeMap<ServiceName, Runs>);

#[derive(Debug, Default)]
struct Runs {
    live: BTreeSet<RunId>,
    ended: Option<RunId>,
    ends_ms: Vec<u64>,
}

impl RunEnds {
    /// What these marks tell, which are in the order of their times.
    pub(super) fn of_marks(marks: &[Mark]) -> Self {
        let mut run_ends = Self::default();
        run_ends.note(marks);
        run_ends
    }

    /// Takes note of further marks; says which services they end the last run of.
    pub(super) fn note(&mut self, marks: &[Mark]) -> BTreeSet<ServiceName> {
        let mut ended = BTreeSet::new();
        for mark in marks {
            let runs = self.0.entry(mark.service.clone()).or_default();
            match &mark.turn {
                Turn::Began(began) => drop(runs.live.insert(began.began)),
                Turn::Ended(record) => {
                    runs.live.remove(&record.run);
                    runs.ended = runs.ended.max(Some(record.run));
                    if runs.live.range(record.run..).next().is_none() {
                        runs.ends_ms.push(mark.turn.unix_ms());
                        ended.insert(mark.service.clone());
                    }
                }
            }
        }
        ended
    }

    /// Whether a run of a service goes on, as far as that was told.
    pub(super) fn is_live(&self, service: &ServiceName) -> bool {
        // That an earlier run has ended may never have been told.
        self.0.get(service).is_some_and(|runs| runs.live.last().copied() > runs.ended)
    }

    /// Those of one service, in the order of their times, in milliseconds since 1970 UTC.
    pub(super) fn of(&self, service: &ServiceName) -> &[u64] {
        self.0.get(service).map_or(&[], |runs| &runs.ends_ms)
    }
}
