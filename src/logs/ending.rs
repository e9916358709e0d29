use std::collections::VecDeque;

/// The end of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ending {
    /// All that it wrote has left the pipes when so many bytes have.
    pub(super) at: u64,
    /// When all of that had arrived.
    pub(super) unix_ms: u64,
    /// Whether another run goes on.
    pub(super) company: Company,
}

/// Whether another run of the service goes on, in the same pipe, when one ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Company {
    /// One does.
    Other,
    /// None does: no second mark comes.
    Alone,
}

/// The ends of runs of which not all is moved yet, in their order. There are no more than bytes that wait.
#[derive(Debug, Default)]
pub(super) struct Endings(VecDeque<Ending>);

impl Endings {
    /// One more; with those that end at the same byte it is one.
    pub(super) fn add(&mut self, ending: Ending) {
        match self.0.back_mut().filter(|last| last.at == ending.at) {
            Some(last) => *last = Ending { company: last.company.max(ending.company), ..ending },
            None => self.0.push_back(ending),
        }
    }

    /// That of the run whose bytes come next.
    pub(super) fn next(&self) -> Option<Ending> {
        self.0.front().copied()
    }

    /// What would come of the next one behind so many bytes is that of another run, if one goes on; says whether that is so.
    pub(super) fn leave_to_other(&mut self, taken: u64) -> bool {
        let is_beside = |next: &&mut Ending| next.company == Company::Other && next.at > taken;
        self.0.front_mut().filter(is_beside).map(|next| next.at = taken).is_some()
    }

    /// The next one has come.
    pub(super) fn pop(&mut self) {
        self.0.pop_front();
    }
}
