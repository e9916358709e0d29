use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::mainpid::Refusal;
use super::words::{Heard, Words};
use crate::logs::scan::Scan;
use crate::machine::event::Finding;
use crate::probe::failed::Failed;
use crate::probe::heartbeat::{Clocks, Pulse};
use crate::spec::health::{Aspect, Check, Pattern};
use crate::spec::service::Service;
use crate::sys::clock;
use crate::vocab::identity::Pid;
use crate::vocab::measure::millis;
use crate::vocab::moment::Moment;

/// What the looks at one run remember from one to the next, and what it has told of itself. Clones are the same book.
#[derive(Debug, Clone)]
pub struct Notebook(Arc<Mutex<Pages>>);

#[derive(Debug)]
struct Pages {
    pulse: Pulse,
    words: Words,
    /// The process that it names as its main one and that is not, and why.
    refused: Option<(Pid, Refusal)>,
    /// Whoever it named and was refused, the last ones: each is told of once, and looked for once.
    refused_ever: VecDeque<(Pid, Refusal)>,
    /// Where its output begins.
    beginnings: Vec<Scan>,
    search: Option<Box<Search>>,
}

/// So many processes that a run names and that are refused are remembered.
const REFUSED_MAX: usize = 8;

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
        Self::begin(clock::now(), files_of(service).map(Scan::at_end_of).collect())
    }

    /// The book of a run that began then, of whose looks nothing is known any more.
    pub(super) fn of_old_run(service: &Service, times_dir: &Path, since: Moment) -> Self {
        let age = clock::now().since(since);
        let unix_ms = clock::unix_ms().saturating_sub(millis(age));
        let reads_logs = service.checks().any(|check| matches!(check, Check::Log(_)));
        // A check that comes with a reload asks for lines from then on.
        let scan =
            |path| if reads_logs { Scan::since(path, times_dir, unix_ms) } else { Scan::at_end_of(path) };
        Self::begin(since, files_of(service).map(scan).collect())
    }

    fn begin(since: Moment, beginnings: Vec<Scan>) -> Self {
        let (pulse, words) = (Pulse::new(since), Words::new(clock::now()));
        let (refused, refused_ever, search) = (None, VecDeque::new(), None);
        Self(Arc::new(Mutex::new(Pages { pulse, words, refused, refused_ever, beginnings, search })))
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

    /// The process that it names as its main one and that is not, and why.
    pub(super) fn refused(&self) -> Option<(Pid, Refusal)> {
        self.pages().refused
    }

    /// Whether that was refused before.
    pub(super) fn has_refused(&self, named: &(Pid, Refusal)) -> bool {
        self.pages().refused_ever.contains(named)
    }

    /// Notes that; says whether it is news.
    pub(super) fn refuse(&self, named: (Pid, Refusal)) -> bool {
        let mut pages = self.pages();
        if pages.refused_ever.contains(&named) {
            return false;
        }
        if pages.refused_ever.len() == REFUSED_MAX {
            pages.refused_ever.pop_front();
        }
        pages.refused_ever.push_back(named);
        pages.refused = Some(named);
        true
    }

    /// Notes that it names its main process; says whether that is news.
    pub(super) fn relent(&self) -> bool {
        self.pages().refused.take().is_some()
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
        let begin = || {
            let scans = pages.beginnings.clone();
            Box::new(Search { pattern: pattern.clone(), scans, is_over: false })
        };
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

fn files_of(service: &Service) -> impl Iterator<Item = &Arc<Path>> {
    let apart = (!service.logs.are_joined()).then_some(&service.logs.stderr);
    std::iter::once(&service.logs.stdout).chain(apart)
}

#[cfg(test)]
mod tests {
    use super::{Notebook, Refusal};
    use crate::machine::event::Finding;
    use crate::spec::health::Pattern;
    use crate::spec::service::{Command, Service};
    use crate::sys::clock;
    use crate::vocab::identity::Pid;
    use crate::vocab::name::ServiceName;

    #[test]
    fn who_is_named_and_refused_is_news_once_whoever_else_is_named_between() {
        let command = Command::new(vec!["true".to_owned()]).unwrap();
        let service = Service::plain(ServiceName::parse("api").unwrap(), command, "/".into());
        let book = Notebook::of_new_run(&service);
        let gone = |pid| (Pid::new(pid).unwrap(), Refusal::Gone);
        assert!(!book.relent() && book.refuse(gone(2)) && book.refuse(gone(3)));
        assert!(!book.refuse(gone(2)) && book.refused() == Some(gone(3)));
        assert!(book.relent() && !book.relent() && book.refused().is_none());
        assert!(!book.refuse(gone(3)) && book.has_refused(&gone(2)));
        for pid in 4..100 {
            assert!(book.refuse(gone(pid)));
        }
        assert!(!book.has_refused(&gone(2)) && book.has_refused(&gone(99)), "what is remembered has a bound");
    }

    #[test]
    fn a_check_that_a_run_of_before_gets_later_sees_what_it_writes_from_then_on() {
        let dir = tempfile::tempdir().unwrap();
        let command = Command::new(vec!["true".to_owned()]).unwrap();
        let mut service = Service::plain(ServiceName::parse("api").unwrap(), command, dir.path().to_owned());
        service.logs.stderr = service.logs.stdout.clone();
        std::fs::create_dir_all(dir.path().join("logs")).unwrap();
        std::fs::write(&service.logs.stdout, "ready\n").unwrap();
        let book = Notebook::of_old_run(&service, dir.path(), clock::now());
        let pattern = Pattern::new("ready").unwrap();
        assert!(matches!(book.line(&pattern), Finding::Bad(_)));
        std::fs::write(&service.logs.stdout, "ready\nready\n").unwrap();
        assert_eq!(book.line(&pattern), Finding::Good);
    }
}
