//! Process trees: what a service forks ends with it, also what has left parent, session, group and environment behind, where
//! each run has a cgroup of its own.

use std::collections::BTreeSet;
use std::path::PathBuf;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use procman::protocol::status::Status;
use procman::sys::process;
use procman::vocab::branch::Branch;
use procman::vocab::state::State;

use crate::guardian::kill_supervisor;
use crate::harness::{Fleet, is_alive, wait_until};

/// A service with a child that nothing but its cgroup ties to it. It says where the cgroups of the fleet are; none where
/// there are none.
fn hiding() -> Option<(Fleet, PathBuf)> {
    let fleet = Fleet::new(
        "[services.a]\ncommand = \"{puppet} child hidden stay\"\nmin_uptime = \"1ms\"\nstop_timeout = \"300ms\"\n",
    );
    fleet.run("up -q").expect(0);
    let cgroups = fleet.status().supervisor.cgroups;
    if cgroups.is_none() {
        println!("SKIPPED: this user may not make cgroups here");
    }
    wait_until("its child is hidden", || (hidden(&fleet).len() == 1).then_some(()));
    Some((fleet, cgroups?))
}

/// The living processes that run the fleet's puppet and carry no tag.
fn hidden(fleet: &Fleet) -> BTreeSet<i32> {
    let all = process::all().into_iter().filter(procman::sys::process::Process::is_alive);
    let pids = all.map(|it| it.identity.pid).filter(|pid| {
        process::executable(*pid).is_some_and(|file| file == fleet.puppet())
            && process::tag(*pid).is_none()
            && process::arguments(*pid).last().is_some_and(|word| word == "hidden")
    });
    pids.map(|pid| pid.as_raw()).collect()
}

#[test]
fn a_process_that_leaves_all_behind_ends_with_its_service() {
    let Some((fleet, cgroups)) = hiding() else { return };
    let first = hidden(&fleet);
    assert_eq!(fleet.service("a").processes, 2);
    kill(Pid::from_raw(fleet.pid("a")), Signal::SIGKILL).unwrap();
    let second = wait_until("the next run has its own", || {
        Some(hidden(&fleet)).filter(|now| now.len() == 1 && *now != first)
    });
    assert!(first.iter().all(|pid| !is_alive(*pid)), "the next run has a clean slate");
    kill_supervisor(&fleet);
    assert_eq!((fleet.service("a").processes, hidden(&fleet)), (2, second.clone()), "a successor finds it");
    fleet.run("stop a").expect(0);
    assert!(second.iter().all(|pid| !is_alive(*pid)), "it ignores SIGTERM, and is killed in time");
    assert!(cgroups.exists());
    fleet.run("down").expect(0);
    assert!(!cgroups.exists(), "nothing is left");
}

#[test]
fn a_process_that_left_all_behind_and_outlived_its_service_is_seen_and_ended() {
    let Some((fleet, cgroups)) = hiding() else { return };
    let main = fleet.pid("a");
    fleet.behead();
    kill(Pid::from_raw(main), Signal::SIGKILL).unwrap();
    wait_until("the main process is gone", || (!is_alive(main)).then_some(()));
    let survivors: BTreeSet<i32> = fleet.status().survivors.iter().map(|it| it.pid.as_raw()).collect();
    assert_eq!(survivors, hidden(&fleet));
    fleet.run("down").expect(0);
    assert!(survivors.iter().all(|pid| !is_alive(*pid)));
    assert!(!cgroups.exists());
}

#[test]
fn an_emergency_ends_who_left_all_behind() {
    let Some((fleet, _)) = hiding() else { return };
    let before = hidden(&fleet);
    kill(Pid::from_raw(fleet.supervisor_pid()), Signal::SIGSTOP).unwrap();
    let plan = fleet.run("restart --emergency --dry-run").expect(0).stdout;
    assert!(plan.contains("hidden` (in the cgroup of a run)"), "{plan}");
    fleet.run("restart --emergency").expect(0);
    assert!(before.iter().all(|pid| !is_alive(*pid)));
    assert_eq!(fleet.service("a").state, State::Running);
}

#[test]
fn a_status_draws_trees_when_it_is_asked_to_with_and_without_a_supervisor() {
    let fleet = Fleet::new(
        "[services.a]\ncommand = \"{puppet} child setsid child orphan stay\"\nmin_uptime = \"1ms\"\n",
    );
    fleet.run("up -q").expect(0);
    wait_until("all are there", || (fleet.service("a").processes == 3).then_some(()));
    assert_eq!(fleet.service("a").tree, None, "it was not asked for");
    let main = fleet.pid("a");
    let tree = |code: i32| {
        let printed = fleet.run("status --tree --json a").expect(code).stdout;
        let status: Status = serde_json::from_str(&printed).unwrap();
        status.services[0].tree.clone().unwrap()
    };
    let check = |tree: &[Branch]| {
        assert_eq!(tree.iter().map(|it| it.children.len()).collect::<BTreeSet<_>>(), BTreeSet::from([0, 1]));
        let root = tree.iter().find(|it| it.pid.as_raw() == main).unwrap();
        assert_eq!(root.children.len(), 1, "the other child is an orphan, and a root of its own");
        assert!(root.command.contains("child setsid child orphan stay") && root.memory_bytes > 10_000);
    };
    check(&tree(0));
    let drawn = fleet.run("status --tree").expect(0).stdout;
    let row = drawn.lines().position(|line| line.starts_with("a ")).unwrap();
    assert!(drawn.lines().nth(row + 1).unwrap().starts_with(&format!("  ├─ {main} ")), "{drawn}");
    assert_eq!(drawn.matches("└─ ").count(), 2, "{drawn}");
    fleet.behead();
    check(&tree(4));
}

#[test]
fn a_supervisor_that_a_service_starts_in_the_background_is_no_part_of_it() {
    let inner = Fleet::new("[services.b]\ncommand = \"{puppet} stay\"\nmin_uptime = \"1ms\"\n");
    let outer = Fleet::new(&format!(
        "[services.a]\ncommand = \"/bin/sh -c '{} -c {} up -q && exec sleep 600'\"\nmin_uptime = \"1ms\"\n",
        crate::harness::procman().display(),
        inner.config().display()
    ));
    outer.run("up -q").expect(0);
    inner.wait_for_state("b", State::Running);
    let (service, supervisor) = (inner.pid("b"), inner.supervisor_pid());
    outer.run("stop a").expect(0);
    outer.run("down").expect(0);
    assert!(is_alive(service) && is_alive(supervisor));
    inner.run("down").expect(0);
    assert!(!is_alive(service) && inner.processes().is_empty());
}
