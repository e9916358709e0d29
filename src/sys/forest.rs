use std::collections::{BTreeMap, BTreeSet};

use super::known::Known;
use super::{process, tree};
use crate::sys::process::Process;
use crate::sys::tree::Stem;
use crate::vocab::identity::Pid;
use crate::vocab::run::Tag;

/// Trees that were found by one look.
#[derive(Debug)]
pub struct Found {
    /// The processes of each run.
    pub trees: Vec<Vec<Process>>,
    /// Whether this process has orphans that belong to none of the runs, by all that can be seen of them alone.
    pub are_strangers: bool,
}

/// The trees of these runs, each given by its stems and its tag, found by one look for all of them, which goes on from
/// what earlier ones read. A tree holds what [`super::tree::members`] finds of its run.
pub fn look(runs: &[(Vec<Stem>, &Tag)], known: &mut Known) -> Found {
    known.begin_look();
    let mut forest = Forest::of(with_parents(candidates(runs, known), known));
    let stems: BTreeSet<Pid> = stems_of(runs).map(|(_, stem)| stem.identity.pid).collect();
    let numbers: BTreeMap<i32, (usize, &Stem)> =
        stems_of(runs).flat_map(|run| run.1.numbers().map(move |number| (number, run))).collect();
    let mut roots: Vec<Vec<Pid>> =
        runs.iter().map(|(stems, _)| stems.iter().map(|stem| stem.identity.pid).collect()).collect();
    let mut are_strangers = false;
    for orphan in forest.orphans(&stems) {
        match run_of(&orphan, runs, &numbers) {
            Some(index) => roots[index].push(orphan.identity.pid),
            None => are_strangers |= orphan.is_alive(),
        }
    }
    let trees = runs.iter().zip(roots).map(|((stems, _), roots)| forest.take(stems, roots)).collect();
    Found { trees, are_strangers }
}

/// Each stem with the place of its run.
fn stems_of<'s>(runs: &'s [(Vec<Stem>, &Tag)]) -> impl Iterator<Item = (usize, &'s Stem)> {
    runs.iter().enumerate().flat_map(|(index, (stems, _))| stems.iter().map(move |stem| (index, stem)))
}

/// Every process that may belong to one of the runs, in few reads. To read the whole process table costs a file for each
/// process of the machine; to walk down from our own children, and from main processes that are not among them, costs two
/// for each that is met, and a run has one or more.
fn candidates(runs: &[(Vec<Stem>, &Tag)], known: &mut Known) -> Vec<Process> {
    /// For so few runs it is not worth while to count the processes of the machine.
    const FEW: usize = 32;
    let everybody = if runs.len() < FEW { Vec::new() } else { process::pids() };
    if !everybody.is_empty() && everybody.len() < 3 * runs.len() {
        return everybody.into_iter().filter_map(|pid| known.read(pid)).collect();
    }
    let mut found = BTreeMap::new();
    let mut open = tree::children(process::own_pid());
    open.extend(stems_of(runs).map(|(_, stem)| stem.identity.pid));
    while let Some(pid) = open.pop() {
        if found.contains_key(&pid) {
            continue;
        }
        if let Some(process) = known.read(pid) {
            found.insert(pid, process);
            open.extend(tree::children(pid));
        }
    }
    found.into_values().collect()
}

/// The same, each with the parent that it has at this time: one that sleeps gets another when its own ends.
fn with_parents(mut processes: Vec<Process>, known: &mut Known) -> Vec<Process> {
    processes.retain_mut(|process| {
        let Some(parent) = Pid::new(process.parent) else { return true };
        let is_there =
            |parent: Process| parent.is_alive() && parent.identity.started <= process.identity.started;
        if known.read(parent).is_some_and(is_there) {
            return true;
        }
        let read = known.read_afresh(process.identity.pid);
        read.map(|read| *process = read).is_some()
    });
    processes
}

/// Whose orphan this is: by its session or group, else by its tag.
fn run_of(
    orphan: &Process,
    runs: &[(Vec<Stem>, &Tag)],
    numbers: &BTreeMap<i32, (usize, &Stem)>,
) -> Option<usize> {
    let by_number = [orphan.session, orphan.group].iter().find_map(|number| numbers.get(number));
    by_number.filter(|(_, stem)| stem.is_beside(orphan)).map(|(index, _)| *index).or_else(|| {
        let tag = process::tag(orphan.identity.pid)?;
        runs.iter().position(|(_, of_run)| **of_run == tag)
    })
}

/// Processes, and who is whose child.
struct Forest {
    processes: BTreeMap<Pid, Process>,
    children: BTreeMap<i32, Vec<Pid>>,
}

impl Forest {
    fn of(processes: Vec<Process>) -> Self {
        let mut children: BTreeMap<i32, Vec<Pid>> = BTreeMap::new();
        for process in &processes {
            children.entry(process.parent).or_default().push(process.identity.pid);
        }
        Self { processes: processes.into_iter().map(|it| (it.identity.pid, it)).collect(), children }
    }

    /// Our own children that are no stems.
    fn orphans(&self, stems: &BTreeSet<Pid>) -> Vec<Process> {
        let own = self.children.get(&process::own_pid().as_raw()).into_iter().flatten();
        let others = own.filter(|pid| !stems.contains(pid));
        others.filter_map(|pid| self.processes.get(pid).copied()).collect()
    }

    /// Takes out a run's roots and all that descends from them; a process that has a stem's pid and is another is none of
    /// them.
    fn take(&mut self, stems: &[Stem], roots: Vec<Pid>) -> Vec<Process> {
        let mut open = roots;
        let mut found = Vec::new();
        while let Some(pid) = open.pop() {
            let has_its_pid = |stem: &&Stem| stem.identity.pid == pid;
            let stem = stems.iter().find(has_its_pid).map(|stem| stem.identity);
            let is_another = |process: &Process| stem.is_some_and(|stem| stem != process.identity);
            let Some(process) = self.processes.remove(&pid).filter(|process| !is_another(process)) else {
                continue;
            };
            found.push(process);
            open.extend(self.children.get(&pid.as_raw()).into_iter().flatten());
        }
        found.sort_unstable_by_key(|process| process.identity);
        found
    }
}

#[cfg(test)]
mod tests {
    use super::look;
    use crate::sys::known::Known;
    use crate::sys::process;
    use crate::sys::tree::Stem;
    use crate::vocab::identity::{Identity, Pid};
    use crate::vocab::run::Tag;
    use std::process::{Child, Command, Stdio};
    use std::time::{Duration, Instant};

    fn shell() -> (Child, Identity) {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "sleep 60 & read line; kill $!"]).stdin(Stdio::piped());
        let child = command.spawn().unwrap();
        let identity = process::identify(Pid::new(i32::try_from(child.id()).unwrap()).unwrap()).unwrap();
        (child, identity)
    }

    fn check(shells: usize) {
        let (mut children, leaders): (Vec<Child>, Vec<Identity>) = (0..shells).map(|_| shell()).unzip();
        let tag = Tag::parse("0123456789abcdef/api/1").unwrap();
        let stems = leaders.iter().map(|leader| vec![Stem::of_leader(*leader)]);
        let runs: Vec<(Vec<Stem>, &Tag)> = stems.map(|stems| (stems, &tag)).collect();
        let mut known = Known::default();
        let deadline = Instant::now() + Duration::from_secs(10);
        let found = loop {
            let found = look(&runs, &mut known).trees;
            if found.iter().all(|tree| tree.len() == 2) {
                break found;
            }
            assert!(Instant::now() < deadline, "{found:?}");
            std::thread::yield_now();
        };
        for (leader, tree) in leaders.iter().zip(found) {
            assert_eq!(tree.iter().filter(|process| process.identity == *leader).count(), 1);
            assert_eq!(tree.iter().filter(|process| process.parent == leader.pid.as_raw()).count(), 1);
        }
        for child in &mut children {
            drop(child.stdin.take());
            child.wait().unwrap();
        }
        assert!(look(&runs, &mut known).trees.iter().all(Vec::is_empty), "a tree ends with its processes");
    }

    #[test]
    fn each_tree_is_found_by_walking_down_from_the_few() {
        check(2);
    }

    #[test]
    fn each_tree_is_found_in_the_table_of_all_when_they_are_many() {
        check(200);
    }
}
