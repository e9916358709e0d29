//! Services whose main process becomes another: daemons that fork away, and programs that replace themselves.
#![cfg(target_os = "linux")]

use std::fs;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use procman::protocol::status::ServiceView;
use procman::sys::{process, tree};
use procman::vocab::cause::{Means, Record};
use procman::vocab::outcome::Outcome;
use procman::vocab::state::State;

use crate::guardian::kill_supervisor;
use crate::harness::{Beside, Fleet, is_alive, wait_until};

const TERM: procman::vocab::signal::Signal = procman::vocab::signal::Signal::TERM;
const KILL: procman::vocab::signal::Signal = procman::vocab::signal::Signal::KILL;

/// A daemon: who was started ends when the process that goes on has said that it is the main one.
const DAEMON: &str = "daemonize gone notify MAINPID=@+READY=1 touch gone stay";

/// A program that replaces itself: when a file is there, a child of it is the main process, and it stays.
const SUCCESSION: &str = "notify READY=1 wait-for go heir notify MAINPID=@+STATUS=heir stay";

fn fleet_of(what: &str) -> Fleet {
    Fleet::new(&format!(
        "[services.api]\ncommand = \"{{puppet}} {what}\"\nhealth = {{ notify = true }}\nmin_uptime = \"1ms\"\n"
    ))
}

fn end(pid: i32) {
    kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
}

/// Lets the program replace itself; gives the process that it was, and the one that is its main one then.
fn replace(fleet: &Fleet) -> (i32, i32) {
    let first = fleet.pid("api");
    fs::write(fleet.path().join("go"), "").unwrap();
    let main = wait_until("another process is the main one", || {
        Some(fleet.service("api")).filter(|it| it.says.as_deref() == Some("heir"))?.pid
    });
    assert!(is_alive(first) && main.as_raw() != first);
    (first, main.as_raw())
}

fn wait_for_next_run(fleet: &Fleet, old: i32) -> ServiceView {
    wait_until("the next run is up", || {
        let service = fleet.service("api");
        let is_new = service.pid.is_some_and(|pid| pid.as_raw() != old);
        (is_new && service.state == State::Running).then_some(service)
    })
}

#[test]
fn a_daemon_that_forks_away_is_followed_until_its_own_end() {
    let fleet = fleet_of(DAEMON);
    fleet.run("up -q").expect(0);
    let main = fleet.pid("api");
    wait_until("who was started has ended", || (fleet.family("api") == [main].into()).then_some(()));
    let service = fleet.service("api");
    assert_eq!((service.state, service.restarts, service.notes.len()), (State::Running, 0, 0));
    let supervisor = procman::vocab::identity::Pid::new(fleet.supervisor_pid()).unwrap();
    wait_until("nobody is left to be reaped", || {
        let mut children = tree::children(supervisor).into_iter().filter_map(process::read);
        children.all(|child| child.is_alive()).then_some(())
    });
    end(main);
    let next = wait_for_next_run(&fleet, main);
    assert_eq!((next.restarts, next.exit), (1, Some(Outcome::Signal(KILL))));
    fleet.run("stop api").expect(0);
    assert!(fleet.family("api").is_empty());
}

#[test]
fn what_a_process_says_last_is_heard_before_its_end() {
    let fleet = fleet_of("daemonize-and-tell stay");
    fleet.run("up -q").expect(0);
    for _ in 0..20 {
        let before = fleet.pid("api");
        fleet.run("restart api").expect(0);
        let service = fleet.service("api");
        assert_eq!((service.state, service.restarts), (State::Running, 0));
        assert!(!is_alive(before) && is_alive(service.pid.unwrap().as_raw()));
    }
}

#[test]
fn a_program_that_replaces_itself_goes_on_when_who_was_started_ends() {
    let fleet = fleet_of(SUCCESSION);
    fleet.run("up -q").expect(0);
    let (first, main) = replace(&fleet);
    end(first);
    kill_supervisor(&fleet);
    let service = fleet.service("api");
    assert_eq!((service.pid.unwrap().as_raw(), service.state, service.restarts), (main, State::Running, 0));
    fs::remove_file(fleet.path().join("go")).unwrap();
    end(main);
    assert_eq!(wait_for_next_run(&fleet, main).restarts, 1);
}

#[test]
fn a_stop_is_the_main_processs_and_ends_all() {
    let fleet = fleet_of(SUCCESSION);
    fleet.run("up -q").expect(0);
    let (first, main) = replace(&fleet);
    fleet.run("signal STOP api").expect(0);
    let life = |pid| process::read(procman::vocab::identity::Pid::new(pid).unwrap()).map(|it| it.life);
    wait_until("it is stopped", || (life(main) == Some(process::Life::Stopped)).then_some(()));
    assert_eq!(life(first), Some(process::Life::Alive));
    fleet.run("stop api").expect(0);
    assert!(!is_alive(first) && !is_alive(main));
    assert_eq!(fleet.service("api").exit, Some(Outcome::Signal(TERM)));
}

#[test]
fn a_stop_of_a_group_asks_a_main_process_that_is_named_then_and_is_in_another_group() {
    let fleet = Fleet::new(
        "[services.api]\ncommand = [\"sh\", \"api.sh\"]\nhealth = { notify = true }\n\
         stop_asks = \"group\"\nstop_timeout = \"30s\"\n",
    );
    let puppet = fleet.puppet().display().to_string();
    let script = format!(
        "trap 'setsid {puppet} notify MAINPID=@ touch said stay & \
         until test -e said; do sleep 0.02; done; exit 0' TERM\n\
         {puppet} notify READY=1 stay &\nwhile :; do sleep 0.02; done\n"
    );
    fs::write(fleet.path().join("api.sh"), script).unwrap();
    fleet.run("up -q").expect(0);
    let first = fleet.pid("api");
    fleet.run("stop api").expect(0);
    // How it ended is not told where it did so before its parent.
    assert_ne!(fleet.service("api").exit, Some(Outcome::Signal(KILL)));
    assert!(!is_alive(first));
}

#[test]
fn a_successor_takes_over_the_main_process_and_whoever_was_it_before() {
    let fleet = fleet_of(SUCCESSION);
    fleet.run("up -q").expect(0);
    let (first, main) = replace(&fleet);
    kill_supervisor(&fleet);
    assert_eq!((fleet.pid("api"), fleet.service("api").processes), (main, 2));
    end(first);
    wait_until("it is gone", || (fleet.service("api").processes == 1).then_some(()));
    assert_eq!((fleet.pid("api"), fleet.service("api").restarts), (main, 0));
    fleet.run("stop api").expect(0);
    assert!(!is_alive(main));
}

#[test]
fn a_main_process_that_is_named_while_no_supervisor_lives_is_followed_by_the_next() {
    let fleet =
        fleet_of("notify READY=1 wait-for go daemonize gone notify MAINPID=@ touch said touch gone stay");
    fleet.run("up -q").expect(0);
    let first = fleet.pid("api");
    let supervisor = fleet.status().supervisor;
    let pid = |pid: Option<procman::vocab::identity::Pid>| Pid::from_raw(pid.unwrap().as_raw());
    kill(pid(supervisor.guardian), Signal::SIGSTOP).unwrap();
    kill(pid(supervisor.pid), Signal::SIGKILL).unwrap();
    fs::write(fleet.path().join("go"), "").unwrap();
    wait_until("it was said, and who was started has ended", || {
        (fleet.path().join("said").exists() && !is_alive(first)).then_some(())
    });
    let family = fleet.family("api");
    kill(pid(supervisor.guardian), Signal::SIGCONT).unwrap();
    let service = fleet.wait_for_state("api", State::Running);
    assert_eq!((family, service.restarts), ([service.pid.unwrap().as_raw()].into(), 0));
}

#[test]
fn a_process_that_is_not_the_services_own_is_refused_and_that_is_said_once() {
    let sleeper = || Beside::start(std::process::Command::new("sleep").arg("600"));
    let (stranger, another) = (sleeper(), sleeper());
    let (pid, other) = (stranger.pid(), another.pid());
    let fleet = Fleet::new(&format!(
        "[services.other]\ncommand = \"{{puppet}} stay\"\n\
         [services.api]\ncommand = \"{{puppet}} notify READY=1 notify-each 10 MAINPID={pid} stop wait-for go-on notify-each 10 MAINPID={other} stop \
         wait-for go notify-each 10 MAINPID=@ over stay\"\n\
         health = {{ notify = true }}\n"
    ));
    fleet.run("up -q").expect(0);
    for stranger in [pid, other] {
        let why = format!(
            "says MAINPID={stranger}, which is not followed: nothing proves that it is a process of this run"
        );
        wait_until("that is noted", || fleet.service("api").notes.contains(&why).then_some(()));
        assert_ne!(fleet.pid("api"), stranger);
        fs::write(fleet.path().join("go-on"), "").unwrap();
    }
    wait_until("it has been said many times", || {
        (fleet.service("api").uptime_s.is_some_and(|uptime| uptime > 0.5)).then_some(())
    });
    fs::write(fleet.path().join("stop"), "").unwrap();
    fs::write(fleet.path().join("go"), "").unwrap();
    wait_until("nothing is noted of who names itself", || {
        fleet.service("api").notes.is_empty().then_some(())
    });
    assert_eq!(fs::read_to_string(fleet.paths().supervisor_log).unwrap().matches("says MAINPID").count(), 2);
    fleet.run("stop api").expect(0);
    assert!(stranger.is_alive() && another.is_alive());
}

#[test]
fn an_emergency_ends_the_main_process_and_whoever_was_it_before_and_records_that() {
    let fleet = fleet_of(SUCCESSION);
    fleet.run("up -q").expect(0);
    let (first, main) = replace(&fleet);
    fleet.behead();
    fs::remove_file(fleet.path().join("go")).unwrap();
    fleet.run("restart --emergency").expect(0);
    assert!(!is_alive(first) && !is_alive(main));
    let (first, main) = replace(&fleet);
    end(first);
    fleet.behead();
    fs::remove_file(fleet.path().join("go")).unwrap();
    fleet.run("restart --emergency").expect(0);
    assert!(!is_alive(main));
    let history = fleet.run("history api --json").expect(0).stdout;
    let records: Vec<Record> = history.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let by: Vec<_> = records.iter().map(|record| record.by.as_ref().map(|by| by.means)).collect();
    assert_eq!(by, [Some(Means::Emergency), Some(Means::Emergency)]);
}
