use std::collections::{BTreeMap, BTreeSet};

use super::cgroup::Cgroup;
use super::{os, process};
use crate::sys::process::Process;
use crate::vocab::branch::Branch;
use crate::vocab::identity::{Identity, Pid, StartTime};
use crate::vocab::run::Tag;

/// A process that the tree of a run hangs from. While it lives, or is a zombie, the kernel gives the numbers of its session
/// and its group to nobody else: whoever has one of them is of the run, whose first process began that session or had a
/// descendant that did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stem {
    /// The process.
    pub identity: Identity,
    /// Its session and its group; none of one that was gone when it was looked at, whose numbers may be others' by then.
    numbers: Option<[i32; 2]>,
    /// When the first process of the run was started: none of the run is older.
    since: StartTime,
}

impl Stem {
    /// The process that a run was started with: it leads a session and a group.
    pub fn of_leader(identity: Identity) -> Self {
        let number = identity.pid.as_raw();
        Self { identity, numbers: Some([number, number]), since: identity.started }
    }

    /// A process of the run that began with `first`.
    pub fn of(process: &Process, first: Identity) -> Self {
        let numbers = Some([process.session, process.group]);
        Self { identity: process.identity, numbers, since: first.started }
    }

    /// The same of a process that is there, alive or a zombie.
    pub fn of_present(identity: Identity, first: Identity) -> Option<Self> {
        let found = process::read(identity.pid).filter(|process| process.identity == identity)?;
        Some(Self::of(&found, first))
    }

    /// The same of a process that may be gone.
    pub fn find(identity: Identity, first: Identity) -> Self {
        Self::of_present(identity, first).unwrap_or_else(|| Self::of_gone(identity, first))
    }

    /// The same of a process that is gone.
    pub fn of_gone(identity: Identity, first: Identity) -> Self {
        Self { identity, numbers: None, since: first.started }
    }

    /// The numbers of its session and group, as far as they are its own.
    pub(super) fn numbers(&self) -> impl Iterator<Item = i32> + use<> {
        self.numbers.into_iter().flatten()
    }

    /// Whether a process is in its session or group.
    pub(super) fn is_beside(&self, process: &Process) -> bool {
        let mut numbers = self.numbers();
        numbers.any(|number| [process.session, process.group].contains(&number))
            && process.identity.started >= self.since
    }
}

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
pub fn members(stems: &[Stem], tag: &Tag, reach: Reach, is_leader: impl Fn(Pid) -> bool) -> Vec<Process> {
    match reach {
        Reach::Near => members_near(stems, tag, &orphans(is_leader)),
        Reach::Anywhere => members_anywhere(stems, tag),
    }
}

/// This process' own children that lead no run: they came to it, as their subreaper, when their parents ended.
pub fn orphans(is_leader: impl Fn(Pid) -> bool) -> Vec<Process> {
    let others = children(process::own_pid()).into_iter().filter(|pid| !is_leader(*pid));
    others.filter_map(process::read).collect()
}

/// The processes of a run that can be found without reading the whole process table: the stems, those orphans that carry the
/// run's tag or are in the session or group of a stem, and all that descends from them. Zombies are included.
pub fn members_near(stems: &[Stem], tag: &Tag, orphans: &[Process]) -> Vec<Process> {
    gather(stems, orphans.iter().copied().filter(|process| belongs(process, stems, tag)))
}

/// The processes of a run wherever they are, by a look at the whole process table: as [`members_near`], and without
/// regard to who their parent is.
fn members_anywhere(stems: &[Stem], tag: &Tag) -> Vec<Process> {
    let own = process::own();
    let others = process::all().into_iter().filter(|process| process.identity != own);
    gather(stems, others.filter(|process| belongs(process, stems, tag)))
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

fn gather(stems: &[Stem], roots: impl Iterator<Item = Process>) -> Vec<Process> {
    let present = |stem: &Stem| process::read(stem.identity.pid).filter(|it| it.identity == stem.identity);
    let mut found: BTreeMap<Identity, Process> = BTreeMap::new();
    for root in roots.chain(stems.iter().filter_map(present)) {
        let below = descendants(root.identity.pid).into_iter().filter_map(|it| process::read(it.pid));
        found.extend(below.chain([root]).map(|process| (process.identity, process)));
    }
    found.into_values().collect()
}

fn belongs(process: &Process, stems: &[Stem], tag: &Tag) -> bool {
    stems.iter().any(|stem| stem.is_beside(process))
        || process::tag(process.identity.pid).is_some_and(|carried| carried == *tag)
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
