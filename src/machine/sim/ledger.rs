use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::child::Child;
use super::world::Verdict;
use crate::machine::action::Change;
use crate::machine::event::{Finding, Verb};
use crate::machine::fleet::Fleet;
use crate::machine::ticket::TicketId;
use crate::spec::watch::Watch;
use crate::vocab::moment::Moment;
use crate::vocab::name::ServiceName;
use crate::vocab::outcome::Outcome;
use crate::vocab::run::RunId;
use crate::vocab::state::{Goal, Health, State};

/// How the last run of each service ended, as far as a daemon was told.
pub(super) type Ends = BTreeMap<ServiceName, (RunId, Outcome)>;

/// The books on what the machine has promised and told.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    asked: BTreeMap<TicketId, Asked>,
    tickets: u64,
    told: BTreeMap<ServiceName, Change>,
    ends: Ends,
    wanted: BTreeMap<ServiceName, Goal>,
    /// How many looks in a row found a run unfit.
    unfit: BTreeMap<RunId, u32>,
    /// Runs that were found to use more than they may.
    greedy: BTreeSet<RunId>,
    /// When a service was started again for a file.
    edited: BTreeMap<ServiceName, Vec<Moment>>,
    /// When a time of a service's schedule came last.
    due: BTreeMap<ServiceName, Moment>,
    /// When a service was started since somebody asked for it.
    starts: BTreeMap<ServiceName, Vec<Moment>>,
    /// When a service's run was ended because it was unhealthy.
    remedied: BTreeMap<ServiceName, Vec<Moment>>,
}

/// A command that waits for its answer.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) verb: Verb,
    /// Those that the answer has to speak of.
    pub(super) services: BTreeSet<ServiceName>,
    pub(super) deadline: Option<Moment>,
    /// Runs that have to be left behind before a service counts as up.
    pub(super) old_runs: BTreeMap<ServiceName, RunId>,
}

impl Ledger {
    /// A daemon starts: it tells of changes from rest on, and knows of the ends that the journal knew.
    pub(super) fn open<'a>(&mut self, services: impl Iterator<Item = &'a ServiceName>, ends: Ends) {
        self.ends = ends;
        self.told.clear();
        self.wanted.clear();
        self.remedied.clear();
        self.greedy.clear();
        self.edited.clear();
        self.starts.clear();
        for name in services {
            self.declare(name);
        }
    }

    /// A service is declared, and rests.
    pub(super) fn declare(&mut self, name: &ServiceName) {
        self.told.entry(name.clone()).or_insert_with(|| Change {
            service: name.clone(),
            previous: State::Stopped,
            state: State::Stopped,
            health: Health::None,
            run: None,
            main: None,
            second: None,
            reason: None,
        });
    }

    /// Somebody wants these up or down.
    pub(super) fn want<'a>(&mut self, services: impl Iterator<Item = &'a ServiceName>, goal: Goal) {
        for name in services {
            self.wanted.insert(name.clone(), goal);
            if goal == Goal::Down {
                self.edited.remove(name);
            }
        }
    }

    /// Whether the last word on a service was that it should run.
    pub(super) fn wants_up(&self, name: &ServiceName) -> bool {
        self.wanted.get(name).is_some_and(|goal| *goal != Goal::Down)
    }

    /// A daemon ends: nobody can be answered any more.
    pub(super) fn close(&mut self) {
        self.asked.clear();
    }

    pub(super) fn ticket(&mut self) -> TicketId {
        self.tickets += 1;
        TicketId(self.tickets)
    }

    pub(super) fn ask(&mut self, ticket: TicketId, asked: Asked) {
        self.asked.insert(ticket, asked);
    }

    /// The ticket is answered or abandoned; none if it was not open.
    pub(super) fn settle(&mut self, ticket: TicketId) -> Option<Asked> {
        self.asked.remove(&ticket)
    }

    pub(super) fn open_tickets(&self) -> &BTreeMap<TicketId, Asked> {
        &self.asked
    }

    /// Each publication begins where the one before it ended, and tells something new.
    pub(super) fn publish(&mut self, change: Change) -> Verdict {
        let before = self.told.get(&change.service);
        if before.is_none_or(|before| before.state != change.previous) {
            return Err(format!("{change:?} does not follow {before:?}"));
        }
        self.told.insert(change.service.clone(), change);
        Ok(())
    }

    pub(super) fn forget(&mut self, name: &ServiceName) -> Verdict {
        self.wanted.remove(name);
        self.remedied.remove(name);
        let told = self.told.remove(name);
        match told.map(|change| change.state) {
            Some(State::Stopped) => Ok(()),
            state => Err(format!("`{name}` is forgotten, and was last told to be {state:?}")),
        }
    }

    /// How a service was last told to be.
    pub(super) fn told(&self, name: &ServiceName) -> Option<&Change> {
        self.told.get(name)
    }

    pub(super) fn note_look(&mut self, run: RunId, finding: &Finding) {
        match finding {
            Finding::Good | Finding::GoodFor(_) => drop(self.unfit.insert(run, 0)),
            Finding::Bad(_) => *self.unfit.entry(run).or_default() += 1,
        }
    }

    /// How many looks in a row found a run unfit.
    pub(super) fn unfit_looks(&self, run: RunId) -> u32 {
        self.unfit.get(&run).copied().unwrap_or(0)
    }

    /// A service was started again for a file; says how often that was so of late.
    pub(super) fn note_edit(&mut self, name: &ServiceName, now: Moment) -> usize {
        let edits = self.edited.entry(name.clone()).or_default();
        edits.retain(|at| now.since(*at) < Watch::LOOP_WITHIN);
        edits.push(now);
        edits.len()
    }

    pub(super) fn note_due(&mut self, name: &ServiceName, now: Moment) {
        self.due.insert(name.clone(), now);
    }

    pub(super) fn is_due(&self, name: &ServiceName, now: Moment) -> bool {
        self.due.get(name) == Some(&now)
    }

    /// A service is started; says how often that was so within so long.
    pub(super) fn note_start(&mut self, name: &ServiceName, within: Duration, now: Moment) -> usize {
        let starts = self.starts.entry(name.clone()).or_default();
        starts.retain(|at| now.since(*at) < within);
        starts.push(now);
        starts.len()
    }

    /// Starts that nobody counts are not remembered for whoever counts later.
    pub(super) fn forget_starts(&mut self, name: &ServiceName) {
        self.starts.remove(name);
    }

    /// Starts of what the fleet has forgotten count no more when the config has it again.
    pub(super) fn forget_starts_but_of(&mut self, fleet: &Fleet) {
        self.starts.retain(|name, _| fleet.services().contains_key(name));
    }

    /// Somebody asks for these, and takes the starts before upon himself.
    pub(super) fn forgive_starts(&mut self, verb: Verb, services: &[ServiceName]) {
        match verb {
            Verb::Up | Verb::Start | Verb::Restart | Verb::Roll { .. } => {
                services.iter().for_each(|name| drop(self.starts.remove(name)));
            }
            Verb::Fit | Verb::Stop | Verb::StopAtOnce | Verb::Kill | Verb::Await(_) => (),
        }
    }

    pub(super) fn note_greed(&mut self, run: RunId) {
        self.greedy.insert(run);
    }

    pub(super) fn is_greedy(&self, run: RunId) -> bool {
        self.greedy.contains(&run)
    }

    pub(super) fn note_remedy(&mut self, name: &ServiceName, now: Moment) {
        self.remedied.entry(name.clone()).or_default().push(now);
    }

    /// How many runs of a service were ended within so long because they were unhealthy.
    pub(super) fn remedies(&self, name: &ServiceName, within: Duration, now: Moment) -> usize {
        let all = self.remedied.get(name).into_iter().flatten();
        all.filter(|at| now.since(**at) < within).count()
    }

    pub(super) fn note_end(&mut self, child: &Child, outcome: Outcome) {
        self.ends.insert(child.service.clone(), (child.run, outcome));
    }

    pub(super) fn ends(&self) -> &Ends {
        &self.ends
    }

    /// How the last run of a service that a daemon was told of ended.
    pub(super) fn last_end(&self, name: &ServiceName) -> Option<Outcome> {
        self.ends.get(name).map(|(_, outcome)| *outcome)
    }
}
