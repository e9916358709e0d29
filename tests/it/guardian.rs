//! The supervisor may die at any instant: its guardian brings it back, and nobody notices.

use std::collections::BTreeMap;
use std::fs;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use procman::vocab::outcome::Outcome;
use procman::vocab::state::State;

use crate::faults::numbers;
use crate::harness::{Fleet, is_alive, wait_until};

/// Eight services that stay, of which the last ends when a file is there.
fn eight() -> Fleet {
    let mut config = "[defaults]\nmin_uptime = \"1ms\"\nstop_timeout = \"2s\"\n".to_owned();
    for number in 1..=8 {
        let what = if number == 8 { "wait-for go exit 7" } else { "stay" };
        config += &format!("[services.s{number}]\ncommand = \"{{puppet}} {what}\"\n");
    }
    let fleet = Fleet::new(&config);
    fleet.run("up -q").expect(0);
    fleet
}

fn pids(fleet: &Fleet) -> BTreeMap<String, i32> {
    let services = fleet.status().services.into_iter();
    services.filter_map(|it| Some((it.name.to_string(), it.pid?.as_raw()))).collect()
}

/// Kills the supervisor and waits until another one answers.
pub(crate) fn kill_supervisor(fleet: &Fleet) -> i32 {
    let old = fleet.supervisor_pid();
    kill(Pid::from_raw(old), Signal::SIGKILL).unwrap();
    wait_until("another supervisor answers", || fleet.supervisor_pid_if_any().filter(|pid| *pid != old))
}

#[test]
fn a_supervisor_that_dies_again_and_again_is_in_charge_again_each_time() {
    let fleet = eight();
    let (before, guardian) = (pids(&fleet), fleet.status().supervisor.guardian);
    for round in 1..=5 {
        kill_supervisor(&fleet);
        let status = fleet.status();
        assert_eq!(pids(&fleet), before, "no service notices");
        assert_eq!((status.supervisor.restarts, status.supervisor.guardian), (round, guardian));
        assert!(status.services.iter().all(|service| service.state == State::Running));
    }
    kill(Pid::from_raw(before["s1"]), Signal::SIGKILL).unwrap();
    wait_until("the last one starts it again", || {
        let service = fleet.service("s1");
        (service.restarts == 1 && service.state == State::Running).then_some(())
    });
    fleet.run("stop s2").expect(0);
    assert!(!is_alive(before["s2"]));
    fleet.run("down").expect(0);
    assert!(fleet.processes().is_empty(), "the guardian goes with its supervisor");
}

#[test]
fn how_a_taken_over_service_ends_is_known_where_the_kernel_tells() {
    let fleet = eight();
    kill_supervisor(&fleet);
    fs::write(fleet.path().join("go"), "").unwrap();
    let exit = wait_until("its end is seen", || fleet.service("s8").exit);
    // Linux tells of another's child since 6.15.
    assert!(matches!(exit, Outcome::Code(7) | Outcome::Unknown), "{exit}");
}

#[test]
fn a_successor_goes_on_with_the_config_as_it_was_applied() {
    let fleet = eight();
    let before = pids(&fleet);
    let config = fs::read_to_string(fleet.config()).unwrap();
    fleet.configure("nonsense");
    kill_supervisor(&fleet);
    fs::write(fleet.config(), &config).unwrap();
    fleet.configure(&config.replace("[services.s8]", "[services.renamed]"));
    kill_supervisor(&fleet);
    assert_eq!(pids(&fleet), before, "what was not applied has no effect");
    fleet.run("reload").expect(0);
    kill_supervisor(&fleet);
    wait_until("what was applied has", || pids(&fleet).contains_key("renamed").then_some(()));
}

#[test]
fn services_live_without_guardian_and_supervisor() {
    let fleet = eight();
    let before = pids(&fleet);
    fleet.behead();
    assert!(before.values().all(|pid| is_alive(*pid)));
    fleet.run("up -q").expect(0);
    assert_eq!(pids(&fleet), before);
    assert!(fleet.status().supervisor.guardian.is_some());
}

#[test]
fn up_after_the_death_of_all_at_once_tells_of_nobody_who_is_dead() {
    let fleet = eight();
    let (services, supervisor) = (pids(&fleet), fleet.status().supervisor);
    let both: Vec<i32> =
        supervisor.guardian.into_iter().chain(supervisor.pid).map(|pid| pid.as_raw()).collect();
    // Neither gets to see the end of anybody.
    both.iter().for_each(|pid| kill(Pid::from_raw(*pid), Signal::SIGSTOP).unwrap());
    services.values().chain(&both).for_each(|pid| kill(Pid::from_raw(*pid), Signal::SIGKILL).unwrap());
    wait_until("all are dead", || services.values().chain(&both).all(|pid| !is_alive(*pid)).then_some(()));
    let shown = fleet.run("up").expect(0).stdout;
    let is_dead = |word: &str| services.values().any(|pid| word == pid.to_string());
    assert!(!shown.split_whitespace().any(is_dead), "{services:?}\n{shown}");
    let after = pids(&fleet);
    assert!(after.len() == 8 && after.values().all(|pid| is_alive(*pid)), "{after:?}");
}

#[test]
fn a_signal_to_the_guardian_ends_everything_gracefully() {
    let fleet = eight();
    let (services, supervisor) = (pids(&fleet), fleet.status().supervisor);
    let guardian = supervisor.guardian.unwrap().as_raw();
    kill(Pid::from_raw(guardian), Signal::SIGTERM).unwrap();
    wait_until("all have ended", || fleet.processes().is_empty().then_some(()));
    assert!(services.values().chain([&guardian]).all(|pid| !is_alive(*pid)));
    assert!(fleet.read("logs/s1.out.log").is_empty());
}

#[test]
fn without_a_journal_the_tags_tell_who_lives() {
    let fleet = eight();
    let before = pids(&fleet);
    fleet.behead();
    fs::remove_file(fleet.paths().journal).unwrap();
    fleet.run("up -q").expect(0);
    assert_eq!(pids(&fleet), before);
    fleet.run("stop s1").expect(0);
    assert!(!is_alive(before["s1"]));
}

#[test]
fn a_program_that_is_gone_keeps_no_successor_from_taking_over() {
    let fleet = Fleet::new("");
    let program = fleet.path().join("program");
    fs::hard_link(fleet.puppet(), &program).unwrap();
    fleet.configure("[services.a]\ncommand = \"./program stay\"\nmin_uptime = \"1ms\"\n");
    fleet.run("up -q").expect(0);
    let before = fleet.pid("a");
    fs::rename(&program, fleet.path().join("elsewhere")).unwrap();
    let old = fleet.supervisor_pid();
    kill(Pid::from_raw(old), Signal::SIGKILL).unwrap();
    wait_until("another supervisor holds the lock", || {
        fs::read_to_string(fleet.paths().lock)
            .ok()
            .filter(|note| !note.starts_with(&old.to_string()) && !note.is_empty())
    });
    fs::rename(fleet.path().join("elsewhere"), &program).unwrap();
    assert_eq!(fleet.pid("a"), before);
}

#[test]
fn the_last_lines_of_a_service_that_ends_while_there_is_no_supervisor_are_kept() {
    let fleet =
        Fleet::new("[services.a]\ncommand = \"{puppet} count 1 wait-for go exit 7\"\nrestart = \"never\"\n");
    fleet.run("up -q").expect(0);
    let service = fleet.pid("a");
    // Deaths in quick succession are followed by a pause, in which the service ends.
    for _ in 0..8 {
        kill_supervisor(&fleet);
    }
    let supervisor = fleet.supervisor_pid();
    kill(Pid::from_raw(supervisor), Signal::SIGKILL).unwrap();
    let begun = fleet.counted().into_values().sum::<u64>();
    wait_until("it writes", || (fleet.counted().into_values().sum::<u64>() > begun + 20).then_some(()));
    fs::write(fleet.path().join("go"), "").unwrap();
    wait_until("it has ended", || (!is_alive(service)).then_some(()));
    wait_until("another supervisor answers", || {
        fleet.supervisor_pid_if_any().filter(|pid| *pid != supervisor)
    });
    let counted: u64 = fleet.counted().into_values().sum();
    wait_until("its last line is there", || {
        let lines = numbers(&fleet.read("logs/a.out.log"));
        lines.last().is_some_and(|last| last + 1 >= counted).then_some(())
    });
    let lines = numbers(&fleet.read("logs/a.out.log"));
    assert!(lines.iter().copied().eq(0..lines.len() as u64), "lost or doubled: {lines:?}");
}

#[test]
fn a_supervisor_that_aborts_as_after_a_panic_is_replaced() {
    let fleet = eight();
    let (before, old) = (pids(&fleet), fleet.supervisor_pid());
    kill(Pid::from_raw(old), Signal::SIGABRT).unwrap();
    wait_until("another one answers", || fleet.supervisor_pid_if_any().filter(|pid| *pid != old));
    assert_eq!(pids(&fleet), before);
    let log = fs::read_to_string(fleet.paths().supervisor_log).unwrap();
    assert!(log.contains("the supervisor died; another takes over") && log.contains("SIGABRT"), "{log}");
}

/// Kills the guardian alone and waits until there is another.
pub(crate) fn kill_guardian(fleet: &Fleet) -> i32 {
    let old = fleet.status().supervisor.guardian.unwrap().as_raw();
    kill(Pid::from_raw(old), Signal::SIGKILL).unwrap();
    wait_until("there is another guardian", || {
        let guardian = fleet.status().supervisor.guardian?.as_raw();
        (guardian != old && procman::rundir::lock::is_guarded(&fleet.paths())).then_some(guardian)
    })
}

#[test]
fn a_guardian_that_is_killed_is_replaced_and_heals_what_comes_later() {
    let fleet = eight();
    let (before, supervisor) = (pids(&fleet), fleet.supervisor_pid());
    let mut guardian = kill_guardian(&fleet);
    assert_eq!(fleet.supervisor_pid(), supervisor, "the supervisor goes on");
    for round in 1..=3 {
        kill_supervisor(&fleet);
        let status = fleet.status().supervisor;
        assert_eq!((status.restarts, status.guardian.map(|pid| pid.as_raw())), (round, Some(guardian)));
        guardian = kill_guardian(&fleet);
    }
    assert_eq!(pids(&fleet), before, "no service notices");
    fleet.run("down").expect(0);
    fleet.wait_until_nothing_lives();
    assert!(!is_alive(guardian), "it knows a peaceful end from a death");
}

#[test]
fn a_guardian_that_was_replaced_passes_signals_on_and_ends_with_its_supervisor() {
    let fleet = eight();
    let guardian = kill_guardian(&fleet);
    kill(Pid::from_raw(guardian), Signal::SIGTERM).unwrap();
    fleet.wait_until_nothing_lives();
}

#[test]
fn guardian_and_supervisor_that_die_in_the_same_moment_leave_services_that_up_takes_over() {
    let fleet = eight();
    let before = pids(&fleet);
    let supervisor = fleet.status().supervisor;
    for pid in [supervisor.guardian.unwrap(), supervisor.pid.unwrap()] {
        kill(Pid::from_raw(pid.as_raw()), Signal::SIGKILL).unwrap();
    }
    // The supervisor may have found the time to start another guardian, which brings another supervisor.
    fleet.run("up -q").expect(0);
    assert_eq!(pids(&fleet), before);
}
