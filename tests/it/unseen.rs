//! Ends of runs that no supervisor was there to see: whoever brought them about records them, else the next supervisor does.

use std::fs;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use procman::vocab::cause::{Class, Means, Record};
use procman::vocab::outcome::Outcome;

use crate::harness::{Fleet, wait_until};

const TWO: &str = "[services.api]\ncommand = \"{puppet} stay\"\nmin_uptime = \"1ms\"\n\
    [services.web]\ncommand = \"{puppet} stay\"\nmin_uptime = \"1ms\"\n";

fn history(fleet: &Fleet, service: &str) -> Vec<Record> {
    let ran = fleet.run(&format!("history {service} --json")).expect(0);
    ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[track_caller]
fn only_end(fleet: &Fleet, service: &str, pid: i32) -> Record {
    let mut ends = history(fleet, service);
    assert_eq!(ends.len(), 1, "{ends:?}");
    let end = ends.remove(0);
    assert_eq!(end.pid.map(|pid| pid.as_raw()), Some(pid));
    end
}

#[test]
fn an_emergency_records_each_run_that_it_ended_and_whose_wish_that_was() {
    let fleet = Fleet::new(TWO);
    fleet.run("up -q").expect(0);
    let [api, web] = ["api", "web"].map(|name| fleet.pid(name));
    kill(Pid::from_raw(fleet.supervisor_pid()), Signal::SIGSTOP).unwrap();
    // One that has ended before, with nobody to see it, is not told to have been killed.
    kill(Pid::from_raw(web), Signal::SIGUSR1).unwrap();
    wait_until("the other has ended", || procman_sees_no(web));
    fleet.run("restart --emergency -q").expect(0);
    let end = only_end(&fleet, "api", api);
    let by = end.by.unwrap();
    let user = procman::sys::user::name(procman::sys::user::effective());
    assert_eq!((end.class, end.exit), (Class::Operator, Some(Outcome::Signal(signal("KILL")))));
    assert_eq!((by.means, by.user), (Means::Emergency, Some(user)));
    assert!(end.lasted_ms.is_some());
    let end = only_end(&fleet, "web", web);
    assert_eq!((end.class, end.exit, end.by), (Class::Unknown, Some(Outcome::Unknown), None));
    let text = fleet.run("why api").expect(0).stdout;
    assert!(text.contains("cause     operator") && text.contains("`procman restart --emergency`"), "{text}");
}

fn procman_sees_no(pid: i32) -> Option<()> {
    let pid = procman::vocab::identity::Pid::new(pid).unwrap();
    procman::sys::process::read(pid).is_none_or(|it| !it.is_alive()).then_some(())
}

fn signal(name: &str) -> procman::vocab::signal::Signal {
    procman::vocab::signal::Signal::parse(name).unwrap()
}

#[test]
fn a_run_that_no_journal_names_any_more_has_ended_unseen() {
    let fleet = Fleet::new(TWO);
    fleet.run("up -q").expect(0);
    let [api, web] = ["api", "web"].map(|name| fleet.pid(name));
    fleet.behead();
    // As after a boot: there is nothing to go by, and the processes have gone with the machine, but for one.
    fs::remove_file(fleet.paths().journal).unwrap();
    kill(Pid::from_raw(api), Signal::SIGKILL).unwrap();
    wait_until("its process has gone", || procman_sees_no(api));
    fleet.run("up -q").expect(0);
    let end = only_end(&fleet, "api", api);
    assert_eq!((end.class, end.exit), (Class::Unknown, Some(Outcome::Unknown)));
    assert_eq!(fleet.pid("web"), web, "what lives is taken over");
    assert_eq!(history(&fleet, "web"), []);
    fleet.run("down -q").expect(0);
    assert_eq!(only_end(&fleet, "web", web).class, Class::Operator);
    assert_eq!(history(&fleet, "api").len(), 2);
}
