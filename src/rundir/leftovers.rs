use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use super::cgroups;
use super::journal::{Entry, Journal};
use super::paths::Paths;
use crate::sys::{process, tree};
use crate::vocab::branch::Branch;
use crate::vocab::identity::Identity;
use crate::vocab::name::ServiceName;
use crate::vocab::run::{Instance, RunId};

/// A living process that a run of this fleet consists of, or left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leftover {
    /// The process.
    pub identity: Identity,
    /// The service it was started for.
    pub service: ServiceName,
    /// The run it belongs to.
    pub run: RunId,
    /// How it is known.
    pub known: Known,
}

/// How a process is known to be ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// The journal names it as the main process of a run, or the one that it began with, and it was started when the journal
    /// says.
    Recorded,
    /// It carries the fleet's tag in its environment.
    Tagged,
    /// It lives in the cgroup of a run.
    Confined,
}

/// Every living process of this fleet: as [`find`], and those who live in the cgroups of its runs.
pub fn all(paths: &Paths, journal: Option<&Journal>) -> Vec<Leftover> {
    let mut found = find(&paths.instance, journal);
    let known: BTreeSet<Identity> = found.iter().map(|leftover| leftover.identity).collect();
    found.extend(cgroups::confined(paths).into_iter().filter(|it| !known.contains(&it.identity)));
    found
}

/// Every living process of this fleet that is known without its cgroups: those that the journal, which is of this boot,
/// records, and those that carry the tag.
/// It reads the environment of every process that it may read; processes of other users stay unseen unless asked by root.
pub fn find(instance: &Instance, journal: Option<&Journal>) -> Vec<Leftover> {
    let mut found: BTreeMap<Identity, Leftover> = BTreeMap::new();
    for (entry, identity, run) in recorded(journal) {
        let leftover = Leftover { identity, service: entry.service.clone(), run, known: Known::Recorded };
        found.insert(identity, leftover);
    }
    for process in process::all() {
        if found.contains_key(&process.identity) || !process.is_alive() {
            continue;
        }
        let Some(tag) = process::tag(process.identity.pid) else { continue };
        // The pid may have passed to another process between the listing and the reading of its environment.
        if tag.instance == *instance && process::is_alive(process.identity) {
            let leftover = Leftover {
                identity: process.identity,
                service: tag.service,
                run: tag.run,
                known: Known::Tagged,
            };
            found.insert(process.identity, leftover);
        }
    }
    found.into_values().collect()
}

/// The living supervisors and guardians of this fleet other than this process, found by their mark: for when their lock is
/// not where it should be. It reads the environment of every process that it may read.
pub fn marked(instance: &Instance) -> Vec<Identity> {
    let own = process::own();
    let others = process::all().into_iter().filter(|it| it.is_alive() && it.identity.pid != own.pid);
    others.map(|it| it.identity).filter(|identity| is_marked(*identity, instance)).collect()
}

/// Whether this very process lives and carries the mark of a supervisor of this fleet.
pub fn is_marked(identity: Identity, instance: &Instance) -> bool {
    let mark = process::variable(identity.pid, Instance::VARIABLE);
    // The pid may have passed to another process before its environment was read.
    mark.is_some_and(|mark| mark == instance.0) && process::is_alive(identity)
}

fn recorded(journal: Option<&Journal>) -> impl Iterator<Item = (&Entry, Identity, RunId)> {
    let entries = journal.into_iter().flat_map(|journal| &journal.services);
    entries
        .flat_map(|entry| entry.processes().map(move |(run, identity)| (entry, identity, run)))
        .filter(|(_, identity, _)| process::is_alive(*identity))
}

/// Removes what a supervisor leaves in its run directory but its log, the time indexes of the services' logs, the named
/// pipes and journals that were set aside; whatever is not there is as good. A pipe that nobody has open holds nothing,
/// and the next supervisor wants it again.
pub fn remove_files(paths: &Paths) {
    cgroups::remove(paths);
    for file in [&paths.socket, &paths.journal, &paths.applied, &paths.cgroup, &paths.lock, &paths.guardian] {
        let _ = fs::remove_file(file);
    }
    let _ = fs::remove_file(paths.notify());
    let _ = fs::remove_dir_all(&paths.python);
}

/// Leftovers as a forest.
pub fn trees(leftovers: &[Leftover]) -> Vec<Branch> {
    let processes = leftovers.iter().filter_map(|it| process::read(it.identity.pid));
    tree::draw(&processes.collect::<Vec<_>>())
}

/// The command line of a leftover.
pub fn command_of(leftover: &Leftover) -> String {
    process::arguments(leftover.identity.pid).join(" ")
}
