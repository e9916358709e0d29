use std::collections::{BTreeMap, BTreeSet};
use std::io;

use super::history::Book;
use super::paths::Paths;
use crate::sys::{clock, process};
use crate::vocab::cause::{By, Class, Record};
use crate::vocab::identity::{Identity, Pid};
use crate::vocab::mark::{Began, Turn};
use crate::vocab::measure::millis;
use crate::vocab::name::ServiceName;
use crate::vocab::outcome::Outcome;
use crate::vocab::signal::Signal;

/// Runs that have begun and of whose end there is no record, the oldest first.
pub(super) fn unended(turns: &[Turn]) -> Vec<Began> {
    let mut unended: Vec<Began> = Vec::new();
    for turn in turns {
        match turn {
            Turn::Began(began) => unended.push(began.clone()),
            Turn::Ended(record) => {
                // Numbers are given again after `down`: the youngest run of this number has ended.
                let ended = unended.iter().rposition(|began| began.began == record.run);
                if let Some(at) = ended {
                    unended.remove(at);
                }
            }
        }
    }
    unended
}

/// Records the ends of runs that were killed together with the supervisor that would have done so, each given by the process
/// that it began with. There
/// must be none by then: the records of a service have one writer.
///
/// # Errors
/// The records of a service cannot be read or written; those of the others are.
pub fn record_killed(paths: &Paths, killed: &[(ServiceName, Identity)], by: &By) -> io::Result<()> {
    let services: BTreeSet<&ServiceName> = killed.iter().map(|(service, _)| service).collect();
    let results = services.into_iter().map(|service| {
        let own = killed.iter().filter(|(of, _)| of == service);
        let by_pid: BTreeMap<Pid, Identity> = own.map(|(_, identity)| (identity.pid, *identity)).collect();
        let mut book = Book::open(paths, service)?;
        book.take_unended().into_iter().try_for_each(|began| match by_pid.get(&began.pid) {
            Some(identity) => book.add(record(&began, *identity, by)),
            None => Ok(()),
        })
    });
    results.collect::<Vec<_>>().into_iter().collect()
}

fn record(began: &Began, identity: Identity, by: &By) -> Record {
    let lasted = clock::now().since(process::started(identity));
    Record {
        pid: Some(began.pid),
        lasted_ms: Some(millis(lasted)),
        exit: Some(Outcome::Signal(Signal::KILL)),
        class: Class::Operator,
        by: Some(by.clone()),
        ..Record::blank(began.began, clock::unix_ms().max(began.unix_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::{record_killed, unended};
    use crate::rundir::history::{Book, read};
    use crate::rundir::paths::Paths;
    use crate::sys::process;
    use crate::vocab::cause::{By, Class, Means, Record};
    use crate::vocab::identity::{Identity, Pid};
    use crate::vocab::mark::{Began, Turn};
    use crate::vocab::name::ServiceName;
    use crate::vocab::run::RunId;

    fn began(run: u64, pid: Pid) -> Began {
        Began { v: Began::VERSION, began: RunId(run), unix_ms: 1_764_115_198_000 + run, pid }
    }

    fn ended(run: u64) -> Turn {
        Turn::Ended(Box::new(Record::blank(RunId(run), 1_764_115_199_000)))
    }

    #[test]
    fn an_end_is_that_of_the_youngest_run_of_its_number() {
        let pid = Pid::new(4711).unwrap();
        let begun = |run| Turn::Began(began(run, pid));
        let other = began(1, Pid::new(12).unwrap());
        let turns = [begun(1), begun(2), ended(2), Turn::Began(other), ended(1), ended(7), begun(3)];
        assert_eq!(unended(&turns), [began(1, pid), began(3, pid)]);
    }

    #[test]
    fn only_runs_whose_main_process_was_killed_are_recorded_as_killed_and_each_once() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::new(&dir.path().join("services.toml"), &dir.path().join("state"));
        let [api, web] = ["api", "web"].map(|name| ServiceName::parse(name).unwrap());
        let own = process::own();
        let stranger = Identity { pid: Pid::new(1).unwrap(), ..own };
        for (run, pid) in [(1, own.pid), (2, Pid::new(4711).unwrap())] {
            Book::open(&paths, &api).unwrap().begin(began(run, pid)).unwrap();
        }
        let by = By { means: Means::Emergency, user: None, uid: Some(0), what: None };
        let killed = [(api.clone(), own), (api.clone(), stranger), (web.clone(), own)];
        record_killed(&paths, &killed, &by).unwrap();
        record_killed(&paths, &killed, &by).unwrap();
        let records = read(&paths, &api).unwrap();
        let told: Vec<_> = records.iter().map(|it| (it.run, it.class, it.by.as_ref())).collect();
        assert_eq!(told, [(RunId(1), Class::Operator, Some(&by))]);
        assert_eq!(read(&paths, &web).unwrap(), []);
    }
}
