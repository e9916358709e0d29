use std::collections::{BTreeMap, BTreeSet};

use super::cgroup::Cgroup;
use super::{os, process};
use crate::sys::process::Process;
use crate::vocab::identity::{Identity, Pid};
use crate::vocab::run::Tag;

/// The direct children of a process, zombies included.
pub fn children(pid: Pid) -> Vec<Pid> {
    os::process::children(pid).unwrap_or_else(|| {
        let of_pid = process::all().into_iter().filter(|process| process.parent == pid.as_raw());
        of_pid.map(|process| process.identity.pid).collect()
    })
}

/// Everything that descends from a process by unbroken parenthood, zombies included, the process itself not.
pub fn descendants(root: Pid) -> Vec<Identity> {
    let mut found = BTreeSet::new();
    let mut open = children(root);
    while let Some(pid) = open.pop() {
        let Some(identity) = process::identify(pid) else { continue };
        if found.insert(identity) {
            open.extend(children(pid));
        }
    }
    found.into_iter().collect()
}

/// Where the processes of a run are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Near this process: all of them are, if it started the run and orphans come back to it.
    Near,
    /// In the whole process table.
    Anywhere,
}

/// This process' own children that lead no run: they came to it, as their subreaper, when their parents ended.
pub fn orphans(is_leader: impl Fn(Pid) -> bool) -> Vec<Process> {
    let others = children(process::own().pid).into_iter().filter(|pid| !is_leader(*pid));
    others.filter_map(process::read).collect()
}

/// The processes of a run that can be found without reading the whole process table: the main process, those orphans
/// that carry the run's tag or belong to the main process' group or session, and all that descends from them. Zombies are
/// included.
pub fn members_near(leader: Identity, tag: &Tag, orphans: &[Process]) -> Vec<Process> {
    gather(leader, orphans.iter().copied().filter(|process| belongs(process, leader, tag)))
}

/// The processes of a run wherever they are, by a look at the whole process table: as [`members_near`], and without
/// regard to who their parent is.
pub fn members_anywhere(leader: Identity, tag: &Tag) -> Vec<Process> {
    let own = process::own();
    let others = process::all().into_iter().filter(|process| process.identity != own);
    gather(leader, others.filter(|process| belongs(process, leader, tag)))
}

/// What was found of a run, and all who live in its cgroup, if it has one: those who left everything else behind.
pub fn with_cgroup(mut found: Vec<Process>, cgroup: Option<&Cgroup>) -> Vec<Process> {
    let Some(cgroup) = cgroup else { return found };
    let known: BTreeSet<Pid> = found.iter().map(|process| process.identity.pid).collect();
    let others = cgroup.members().into_iter().filter(|pid| !known.contains(pid));
    found.extend(others.filter_map(process::read));
    found
}

fn gather(leader: Identity, roots: impl Iterator<Item = Process>) -> Vec<Process> {
    let leader = process::read(leader.pid).filter(|process| process.identity == leader);
    let mut found: BTreeMap<Identity, Process> = BTreeMap::new();
    for root in roots.chain(leader) {
        let below = descendants(root.identity.pid).into_iter().filter_map(|it| process::read(it.pid));
        found.extend(below.chain([root]).map(|process| (process.identity, process)));
    }
    found.into_values().collect()
}

/// A run's main process leads its own session and group. While it lives, or is a zombie, the kernel gives neither number
/// to anybody else; after that, only processes that were there before could have them, and those that started later than
/// the leader are the run's own.
fn belongs(process: &Process, leader: Identity, tag: &Tag) -> bool {
    let number = leader.pid.as_raw();
    let is_in_session = process.session == number || process.group == number;
    (is_in_session && process.identity.started >= leader.started)
        || process::tag(process.identity.pid).is_some_and(|carried| carried == *tag)
}
