use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::last_words::Beginning;
use super::notebook::Notebook;
use super::orphans::Orphans;
use crate::sys::cgroup::Cgroup;
use crate::sys::process::Process;
use crate::sys::tree::{self, Reach, Stem};
use crate::vocab::identity::{Identity, Pid};
use crate::vocab::run::Tag;

/// The run that a warden watches.
#[derive(Debug)]
pub struct Charge {
    /// Its main process.
    pub lead: Lead,
    /// What its processes carry.
    pub tag: Tag,
    /// Where its standard error begins.
    pub beginning: Beginning,
    /// Where its processes are when their parents have gone.
    pub reach: Reach,
    /// What looks at it remember, and what it has told of itself.
    pub notebook: Notebook,
    /// The cgroup that all of them were born in, if they have one.
    pub cgroup: Option<Cgroup>,
    /// The main processes of all runs.
    pub leaders: watch::Receiver<BTreeSet<Pid>>,
    /// Who has come to the supervisor, for all wardens.
    pub(super) orphans: Arc<Orphans>,
}

impl Charge {
    /// The processes of its tree that can be found without reading the whole process table.
    pub fn near(&self) -> Vec<Process> {
        self.members(Reach::Near)
    }

    /// The processes of its tree, wherever they may be.
    pub fn tree(&self) -> Vec<Process> {
        self.members(self.reach)
    }

    /// The same as [`Self::tree`], by a look that is shared with others who ask at this moment.
    pub(super) async fn tree_among_others(&self) -> Vec<Process> {
        match self.reach {
            Reach::Near => {
                let orphans = self.orphans.look(&self.leaders).await;
                let near = tree::members_near(&self.lead.stems(), &self.tag, &orphans);
                tree::with_cgroup(near, self.cgroup.as_ref())
            }
            Reach::Anywhere => self.tree(),
        }
    }

    fn members(&self, reach: Reach) -> Vec<Process> {
        let is_leader = |pid| self.leaders.borrow().contains(&pid);
        let found = tree::members(&self.lead.stems(), &self.tag, reach, is_leader);
        tree::with_cgroup(found, self.cgroup.as_ref())
    }
}

/// The process that a run goes by: the one that it began with, until another is named in its place. The engine names it, and
/// the warden of the run watches it.
#[derive(Debug)]
pub struct Lead {
    first: Identity,
    state: Mutex<State>,
}

#[derive(Debug, Clone, Copy)]
struct State {
    main: Stem,
    span: Span,
}

/// Whether the run goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Span {
    GoesOn,
    /// Its main process has ended, and the rest of it ends.
    Over,
}

impl Lead {
    /// A run that has just begun with this process.
    pub fn of_new_run(first: Identity) -> Self {
        Self::new(first, Stem::of_leader(first))
    }

    /// A run that began with `first` under an earlier supervisor, and has this main process.
    pub fn of_old_run(main: Identity, first: Identity) -> Self {
        Self::new(first, Stem::find(main, first))
    }

    fn new(first: Identity, main: Stem) -> Self {
        Self { first, state: Mutex::new(State { main, span: Span::GoesOn }) }
    }

    /// The main process.
    pub fn main(&self) -> Identity {
        self.state().main.identity
    }

    /// The process that the run began with.
    pub fn first(&self) -> Identity {
        self.first
    }

    /// What the tree of the run hangs from: the main process, and the one that it began with while that is there.
    pub fn stems(&self) -> Vec<Stem> {
        let main = self.state().main;
        if main.identity == self.first {
            return vec![main];
        }
        // It may have gone to another session since it was named.
        let main = Stem::of_present(main.identity, self.first).unwrap_or(main);
        std::iter::once(main).chain(Stem::of_present(self.first, self.first)).collect()
    }

    /// Whether another may be named still.
    pub(super) fn is_over(&self) -> bool {
        self.state().span == Span::Over
    }

    /// Another process of the run is its main one.
    pub(super) fn follow(&self, main: &Process) {
        self.state().main = Stem::of(main, self.first);
    }

    /// This process has ended, and with it the run, if it is the main one still; says whether it was.
    pub(super) fn ends_with(&self, ended: Identity) -> bool {
        let mut state = self.state();
        if state.main.identity == ended {
            state.span = Span::Over;
        }
        state.span == Span::Over
    }

    /// It is whole between any two calls.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::Lead;
    use crate::sys::process;
    use crate::vocab::identity::{Identity, StartTime};

    #[test]
    fn a_run_ends_with_the_process_that_was_named_last_and_follows_nobody_after_that() {
        let own = process::read(process::own_pid()).unwrap();
        let first = Identity { started: StartTime(1), ..own.identity };
        let lead = Lead::of_new_run(first);
        assert_eq!((lead.main(), lead.stems().len()), (first, 1));
        lead.follow(&own);
        assert!(!lead.ends_with(first) && !lead.is_over());
        let stems: Vec<Identity> = lead.stems().iter().map(|stem| stem.identity).collect();
        assert_eq!((stems, lead.first()), (vec![own.identity], first), "the first one has gone");
        assert!(lead.ends_with(own.identity) && lead.is_over());
    }
}
