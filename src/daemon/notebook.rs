use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::words::{Heard, Words};
use crate::logs::scan::Scan;
use crate::machine::event::Finding;
use crate::probe::failed::Failed;
use crate::probe::heartbeat::{Clocks, Pulse};
use crate::spec::health::{Aspect, Check, Pattern};
use crate::spec::service::Service;
use crate::sys::clock;
use crate::vocab::moment::Moment;

/// What the looks at one run remember from one to the next, and what it has told of itself. Clones are the same book.
#[derive(Debug, Clone)]
pub struct Notebook(Arc<Mutex<Pages>>);

#[derive(Debug)]
struct Pages {
    pulse: Pulse,
    words: Words,
    /// Where its output begins.
    beginnings: Vec<Scan>,
    search: Option<Search>,
}

/// A search for a line.
#[derive(Debug)]
struct Search {
    pattern: Pattern,
    scans: Vec<Scan>,
    is_over: bool,
}

impl Notebook {
    /// The book of a run that is about to begin.
    pub(super) fn of_new_run(service: &Service) -> Self {
        let beginnings = files_of(service).map(Scan::at_end_of);
        Self::begin(clock::now(), beginnings.to_vec())
    }

    /// The book of a run that began then, of whose looks nothing is known any more.
    pub(super) fn of_old_run(service: &Service, times_dir: &Path, since: Moment) -> Self {
        let age = clock::now().since(since);
        let unix_ms = clock::unix_ms().saturating_sub(u64::try_from(age.as_millis()).unwrap_or(u64::MAX));
        let reads_logs = service.checks().any(|check| matches!(check, Check::Log(_)));
        let files = files_of(service).into_iter().filter(|_| reads_logs);
        Self::begin(since, files.map(|path| Scan::since(path, times_dir, unix_ms)).collect())
    }

    fn begin(since: Moment, beginnings: Vec<Scan>) -> Self {
        let (pulse, words) = (Pulse::new(since), Words::new(clock::now()));
        Self(Arc::new(Mutex::new(Pages { pulse, words, beginnings, search: None })))
    }

    /// A look ends at the worst with the whole supervisor, so that what it left is whole.
    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The run told of itself.
    pub(super) fn hear(&self, message: &[u8]) -> Heard {
        self.pages().words.hear(message, clock::now())
    }

    /// What it says of itself, for people.
    pub(super) fn says(&self) -> Option<String> {
        self.pages().words.status()
    }

    /// What its own word is worth for one aspect.
    pub(super) fn word(&self, service: &Service, aspect: Aspect) -> Finding {
        let words = &self.pages().words;
        match (aspect, service.watchdog()) {
            (Aspect::Ready, _) | (Aspect::Alive, None) => words.is_ready(),
            (Aspect::Alive, Some(watchdog)) => words.is_alive(watchdog, service.stop.timeout, clock::now()),
        }
    }

    /// Whether its heartbeat goes on.
    pub(super) fn heartbeat(&self, file: &Path, age_max: Duration) -> Result<Finding, Failed> {
        let clocks = Clocks { now: clock::now(), unix_ms: clock::unix_ms() };
        self.pages().pulse.look(file, age_max, clocks).map(Finding::GoodFor)
    }

    /// Whether it has written a line that matches.
    pub(super) fn line(&self, pattern: &Pattern) -> Finding {
        let mut pages = self.pages();
        let before = pages.search.take().filter(|it| it.pattern == *pattern);
        let begin = || Search { pattern: pattern.clone(), scans: pages.beginnings.clone(), is_over: false };
        let mut search = before.unwrap_or_else(begin);
        let found = search.scans.iter_mut().map(|scan| scan.finds(|line| pattern.is_in(line)));
        let found: Result<Vec<bool>, _> = if search.is_over { Ok(Vec::new()) } else { found.collect() };
        let finding = match &found {
            Ok(found) if search.is_over || found.contains(&true) => Finding::Good,
            Ok(_) => Finding::Bad(format!("it has written no line that matches `{}`", pattern.as_str())),
            Err(error) => Finding::Bad(format!("cannot read its log: {error}")),
        };
        search.is_over |= finding == Finding::Good;
        pages.search = Some(search);
        finding
    }
}

fn files_of(service: &Service) -> [&Path; 2] {
    [&service.logs.stdout, &service.logs.stderr]
}
