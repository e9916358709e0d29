use std::collections::{BTreeMap, BTreeSet};

use super::cgroup::Cgroup;
use super::{os, process};
use crate::sys::process::Process;
use crate::vocab::branch::Branch;
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

/// The processes of a run, in the reach in which it has them. Zombies are included.
pub fn members(leader: Identity, tag: &Tag, reach: Reach, is_leader: impl Fn(Pid) -> bool) -> Vec<Process> {
    match reach {
        Reach::Near => members_near(leader, tag, &orphans(is_leader)),
        Reach::Anywhere => members_anywhere(leader, tag),
    }
}

/// This process' own children that lead no run: they came to it, as their subreaper, when their parents ended.
pub fn orphans(is_leader: impl Fn(Pid) -> bool) -> Vec<Process> {
    let others = children(process::own_pid()).into_iter().filter(|pid| !is_leader(*pid));
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
fn members_anywhere(leader: Identity, tag: &Tag) -> Vec<Process> {
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

/// Draws living processes as a forest: those whose parents are not among them are the roots, oldest first.
pub fn draw(processes: &[Process]) -> Vec<Branch> {
    let living: BTreeMap<i32, &Process> =
        processes.iter().filter(|it| it.is_alive()).map(|it| (it.identity.pid.as_raw(), it)).collect();
    let mut below: BTreeMap<i32, Vec<&Process>> = BTreeMap::new();
    for process in living.values() {
        let parent = if living.contains_key(&process.parent) { process.parent } else { NOBODY };
        below.entry(parent).or_default().push(process);
    }
    branches(NOBODY, &mut below)
}

/// The pid under which roots are kept.
const NOBODY: i32 = 0;

/// Each process is taken out of the list with its parent, so that one that is listed in a circle, after a pid passed to
/// another process, ends the walk.
fn branches(parent: i32, below: &mut BTreeMap<i32, Vec<&Process>>) -> Vec<Branch> {
    let mut children = below.remove(&parent).unwrap_or_default();
    children.sort_by_key(|process| (process.identity.started, process.identity.pid));
    let branch = |process: &Process| {
        let Identity { pid, .. } = process.identity;
        Branch {
            pid,
            command: process::arguments(pid).join(" "),
            age_s: (process::age(process.identity).as_secs_f64() * 100.0).round() / 100.0,
            memory_bytes: process.usage.memory_bytes,
            children: branches(pid.as_raw(), below),
        }
    };
    children.into_iter().map(branch).collect()
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

fn belongs(process: &Process, leader: Identity, tag: &Tag) -> bool {
    is_in_session(process, leader)
        || process::tag(process.identity.pid).is_some_and(|carried| carried == *tag)
}

/// A run's main process leads its own session and group. While it lives, or is a zombie, the kernel gives neither number
/// to anybody else; after that, only processes that were there before could have them, and those that started later than
/// the leader are the run's own.
pub(super) fn is_in_session(process: &Process, leader: Identity) -> bool {
    let number = leader.pid.as_raw();
    (process.session == number || process.group == number) && process.identity.started >= leader.started
}

#[cfg(test)]
mod tests {
    use super::draw;
    use crate::sys::process::{Life, Process, Usage};
    use crate::vocab::branch::Branch;
    use crate::vocab::identity::{Identity, Pid, StartTime};

    /// No process of the machine has such pids, so that nothing is read of any.
    fn process(pid: i32, parent: i32, life: Life) -> Process {
        let identity =
            Identity { pid: Pid::new(pid).unwrap(), started: StartTime(u64::from(pid.unsigned_abs())) };
        Process { identity, parent, group: 0, session: 0, usage: Usage::default(), life }
    }

    fn shape(branches: &[Branch]) -> String {
        let shapes = branches.iter().map(|it| match &it.children[..] {
            [] => it.pid.to_string(),
            children => format!("{}({})", it.pid, shape(children)),
        });
        shapes.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_forest_has_orphans_as_roots_and_no_zombies_and_ends_where_parents_go_in_a_circle() {
        const BASE: i32 = 2_000_000_000;
        let check = |processes: &[(i32, i32, Life)], expected: &str| {
            let at = |pid: i32| if pid == 0 { 1 } else { BASE + pid };
            let processes: Vec<Process> =
                processes.iter().map(|(pid, parent, life)| process(at(*pid), at(*parent), *life)).collect();
            assert_eq!(shape(&draw(&processes)).replace("200000000", ""), expected);
        };
        check(&[], "");
        let tree = [(3, 2, Life::Alive), (1, 0, Life::Alive), (4, 1, Life::Stopped), (2, 1, Life::Alive)];
        check(&tree, "1(2(3) 4)");
        check(
            &[(1, 0, Life::Alive), (2, 7, Life::Alive), (3, 1, Life::Zombie), (4, 3, Life::Alive)],
            "1 2 4",
        );
        check(&[(1, 0, Life::Alive), (2, 3, Life::Alive), (3, 2, Life::Alive)], "1");
    }
}
