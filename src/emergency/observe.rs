use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use globset::GlobSet;

use super::program;
use crate::rundir::journal::Journal;
use crate::rundir::leftovers::{self, Known};
use crate::rundir::lock::{self, Supervisor};
use crate::rundir::paths::Paths;
use crate::sys::process::{self, Process};
use crate::sys::{tree, user};
use crate::vocab::identity::Identity;
use crate::vocab::name::ServiceName;

/// What counts as ours beyond what the run directory and the tags say. Made from the config by the caller.
#[derive(Debug, Clone)]
pub struct Suspects {
    /// The script or program file that each service declares, resolved.
    pub programs: BTreeMap<PathBuf, ServiceName>,
    /// Globs over the file that a process runs: `[emergency] also_kill`.
    pub also_kill: GlobSet,
}

/// What there is.
#[derive(Debug, Clone)]
pub struct Situation {
    /// The supervisor, if one holds the lock.
    pub supervisor: Supervisor,
    /// Its guardian, and others that carry the mark of a supervisor.
    pub helpers: Vec<Identity>,
    /// Every living process that is ours.
    pub victims: Vec<Victim>,
    /// Files of the run directory that stand there.
    pub files: Vec<PathBuf>,
    /// The command that asks, and all that it descends from.
    pub caller: BTreeSet<Identity>,
}

/// A living process that is ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Victim {
    /// The process.
    pub identity: Identity,
    /// The service it belongs to, if that can be told.
    pub service: Option<ServiceName>,
    /// The process that its run began with, if it is the main one in that one's place.
    pub first: Option<Identity>,
    /// Its command line.
    pub command: String,
    /// What makes it ours.
    pub why: Why,
}

/// What makes a process ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// The journal records it.
    Recorded,
    /// It carries the fleet's tag.
    Tagged,
    /// It lives in the cgroup of one of the fleet's runs.
    Confined,
    /// It descends from one that is ours.
    InTree,
    /// It runs the very file that a service declares.
    RunsProgram(PathBuf),
    /// The file it runs matches a glob of `also_kill`.
    Matches(PathBuf),
}

/// Looks at the lock, the journal, the process table and the run directory. Nothing of it needs to be in order.
pub fn observe(paths: &Paths, suspects: &Suspects) -> Situation {
    let supervisor = lock::supervisor(paths).unwrap_or(Supervisor::Nobody);
    // Guardians, and supervisors whose run directory was taken away under them.
    let mut helpers = leftovers::marked(&paths.instance);
    helpers.retain(|identity| supervisor != Supervisor::Alive(Some(*identity)));
    let journal = Journal::read_of_this_boot(&paths.journal).ok().flatten();
    let caller = caller();
    let is_spared = |victim: &Victim| {
        caller.contains(&victim.identity)
            || supervisor == Supervisor::Alive(Some(victim.identity))
            || helpers.contains(&victim.identity)
    };
    let mut victims: BTreeMap<Identity, Victim> = BTreeMap::new();
    for leftover in leftovers::all(paths, journal.as_ref()) {
        let why = match leftover.known {
            Known::Recorded => Why::Recorded,
            Known::Tagged => Why::Tagged,
            Known::Confined => Why::Confined,
        };
        insert(&mut victims, leftover.identity, Some(leftover.service), why);
    }
    for (main, first) in journal.iter().flat_map(Journal::handed_over) {
        victims.entry(main).and_modify(|victim| victim.first = Some(first));
    }
    for process in process::all().into_iter().filter(Process::is_alive).filter(may_be_ours) {
        if let Some((service, why)) = suspicion(&process, suspects) {
            insert(&mut victims, process.identity, service, why);
        }
    }
    for (identity, service) in
        victims.values().map(|it| (it.identity, it.service.clone())).collect::<Vec<_>>()
    {
        for descendant in tree::descendants(identity.pid) {
            insert(&mut victims, descendant, service.clone(), Why::InTree);
        }
    }
    let victims = victims.into_values().filter(|victim| !is_spared(victim)).collect();
    let files = files(paths).into_iter().filter(|file| stands(file)).cloned().collect();
    Situation { supervisor, helpers, victims, files, caller }
}

/// The files that a dead supervisor must not leave to the next one.
pub(super) fn files(paths: &Paths) -> [&PathBuf; 4] {
    [&paths.socket, &paths.journal, &paths.lock, &paths.guardian]
}

fn stands(file: &Path) -> bool {
    std::fs::symlink_metadata(file).is_ok()
}

fn insert(
    victims: &mut BTreeMap<Identity, Victim>,
    identity: Identity,
    service: Option<ServiceName>,
    why: Why,
) {
    victims.entry(identity).or_insert_with(|| {
        let command = process::arguments(identity.pid).join(" ");
        Victim { identity, service, first: None, command, why }
    });
}

/// Never ended, nor is the supervisor with its services: its turn comes later.
fn caller() -> BTreeSet<Identity> {
    let own = process::own();
    let mut caller = crate::ports::verdict::ancestors(own.pid);
    caller.insert(own);
    caller
}

/// A process of another user is nobody's business unless root asks.
fn may_be_ours(process: &Process) -> bool {
    let asking = user::effective();
    asking == 0 || process::user(process.identity.pid) == Some(asking)
}

fn suspicion(process: &Process, suspects: &Suspects) -> Option<(Option<ServiceName>, Why)> {
    let pid = process.identity.pid;
    let directory = process::working_directory(pid)?;
    let file = program::file_of(&process::arguments(pid), &directory).or_else(|| executable(pid));
    let file = file?;
    if let Some(service) = suspects.programs.get(&file) {
        return Some((Some(service.clone()), Why::RunsProgram(file)));
    }
    suspects.also_kill.is_match(&file).then_some((None, Why::Matches(file)))
}

/// The file that the kernel runs, if it is one of its own and not an interpreter or a program of the system.
fn executable(pid: crate::vocab::identity::Pid) -> Option<PathBuf> {
    let file = process::executable(pid)?;
    program::file_of(&[file.to_str()?.to_owned()], Path::new("/"))
}
