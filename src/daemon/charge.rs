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
    /// The process that the run began with, of a run that this process started: our own child holds its numbers until it is
    /// reaped, which it is when it is not the main one any more, or the run is over.
    own: Option<Stem>,
    state: Mutex<State>,
}

#[derive(Debug, Clone, Copy)]
struct State {
    main: Identity,
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
        Self::new(first, first, Some(Stem::of_leader(first)))
    }

    /// A run that began with `first` under an earlier supervisor, and has this main process.
    pub fn of_old_run(main: Identity, first: Identity) -> Self {
        Self::new(main, first, None)
    }

    fn new(main: Identity, first: Identity, own: Option<Stem>) -> Self {
        Self { first, own, state: Mutex::new(State { main, span: Span::GoesOn }) }
    }

    /// The main process.
    pub fn main(&self) -> Identity {
        self.state().main
    }

    /// The process that the run began with.
    pub fn first(&self) -> Identity {
        self.first
    }

    /// What the tree of the run hangs from: the main process, and the one that it began with while that is there.
    pub fn stems(&self) -> Vec<Stem> {
        let main = self.main();
        if let Some(own) = self.own.filter(|own| own.identity == main) {
            return vec![own];
        }
        // It may have gone to another session since it was named, or be gone, and its numbers others'.
        let before = Some(self.first).filter(|first| *first != main);
        let before = before.and_then(|first| Stem::of_present(first, first));
        std::iter::once(Stem::find(main, self.first)).chain(before).collect()
    }

    /// Whether another may be named still.
    pub(super) fn is_over(&self) -> bool {
        self.state().span == Span::Over
    }

    /// Another process of the run is its main one.
    pub(super) fn follow(&self, main: Identity) {
        self.state().main = main;
    }

    /// This process has ended, and with it the run, if it is the main one still; says whether it was.
    pub(super) fn ends_with(&self, ended: Identity) -> bool {
        let mut state = self.state();
        if state.main == ended {
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
    use crate::sys::tree::Stem;
    use crate::vocab::identity::{Identity, Pid, StartTime};

    #[test]
    fn a_run_ends_with_the_process_that_was_named_last_and_follows_nobody_after_that() {
        let own = process::read(process::own_pid()).unwrap();
        let first = Identity { started: StartTime(1), ..own.identity };
        let lead = Lead::of_new_run(first);
        assert_eq!((lead.main(), lead.stems().len()), (first, 1));
        lead.follow(own.identity);
        assert!(!lead.ends_with(first) && !lead.is_over());
        let stems: Vec<Identity> = lead.stems().iter().map(|stem| stem.identity).collect();
        assert_eq!((stems, lead.first()), (vec![own.identity], first), "the first one has gone");
        assert!(lead.ends_with(own.identity) && lead.is_over());
    }

    #[test]
    fn of_a_main_process_that_is_gone_and_was_not_started_here_no_numbers_are_used() {
        let mut child = std::process::Command::new("sleep").arg("600").spawn().unwrap();
        let pid = Pid::new(child.id().try_into().unwrap()).unwrap();
        let main = process::read(pid).unwrap();
        let first = Identity { started: StartTime(1), ..main.identity };
        let (old, new) = (Lead::of_old_run(main.identity, main.identity), Lead::of_new_run(first));
        new.follow(main.identity);
        assert_eq!(old.stems(), [Stem::of(&main, main.identity)]);
        assert_eq!(new.stems(), [Stem::of(&main, first)]);
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(old.stems(), [Stem::of_gone(main.identity, main.identity)]);
        assert_eq!(new.stems(), [Stem::of_gone(main.identity, first)]);
    }
}
