//! In the foreground, as the init of a container: signals, orphans, and the exit code.

use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use procman::sys::tree;

use crate::harness::{Fleet, is_alive, procman, wait_until};

/// Starts the fleet in the foreground.
fn attached(fleet: &Fleet) -> Child {
    let mut command = fleet.command("up --foreground");
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// Its exit code; a fleet that does not end fails.
#[track_caller]
fn code_of(mut child: Child) -> i32 {
    wait_until("it ends", || child.try_wait().unwrap()).code().unwrap()
}

fn check(exit_on: &str, service: &str, expected: i32) {
    let fleet = Fleet::new(&format!(
        "[supervisor]\nexit_on = \"{exit_on}\"\n\
         [services.main]\ncommand = \"{{puppet}} {service}\"\nmin_uptime = \"1ms\"\nrestart = \"never\"\n\
         [services.loop]\ncommand = \"{{puppet}} exit 1\"\nbackoff = {{ initial = \"1ms\", max_retries = 2 }}\n\
         [services.other]\ncommand = \"{{puppet}} stay\"\nmin_uptime = \"1ms\"\n"
    ));
    assert_eq!(code_of(attached(&fleet)), expected, "{exit_on}, {service}");
    assert!(fleet.processes().is_empty());
}

#[test]
fn the_exit_code_is_that_of_the_main_service() {
    check("main", "after 50 exit 7", 7);
    check("main", "after 50 exit 0", 0);
    check("main", "after 50 abort", 128 + 6);
}

#[test]
fn a_fatal_service_ends_all_with_1_if_the_config_says_so() {
    check("fatal", "stay", 1);
}

#[test]
fn one_interrupt_is_graceful_and_two_are_at_once() {
    let fleet = Fleet::new(
        "[services.a]\ncommand = \"{puppet} ignore-term stay\"\nstop_timeout = \"600s\"\nmin_uptime = \"1ms\"\n\
         [services.b]\ncommand = \"{puppet} stay\"\nmin_uptime = \"1ms\"\n",
    );
    let child = attached(&fleet);
    let guardian = Pid::from_raw(i32::try_from(child.id()).unwrap());
    wait_until("it answers", || (fleet.run("wait all --timeout 5s").code == 0).then_some(()));
    let (stubborn, other) = (fleet.pid("a"), fleet.pid("b"));
    kill(guardian, Signal::SIGINT).unwrap();
    wait_until("the other has ended", || (!is_alive(other)).then_some(()));
    assert!(is_alive(stubborn));
    kill(guardian, Signal::SIGINT).unwrap();
    assert_eq!(code_of(child), 0);
    assert!(!is_alive(stubborn));
}

/// The fleet is pid 1 of a namespace of its own, where a service's orphans have nobody else to be reaped by.
#[test]
fn as_pid_1_it_reaps_every_orphan() {
    let fleet = Fleet::new(
        "[services.a]\ncommand = \"/bin/sh -c '(sleep 0.2 &); (sleep 0.2 &); touch up; exec sleep 600'\"\nmin_uptime = \"1ms\"\n",
    );
    let mut command = Command::new("unshare");
    command.args(["--pid", "--fork", "--mount-proc", "--kill-child"]).arg(procman());
    command.args(["up", "--foreground"]).current_dir(fleet.path()).stdin(Stdio::null());
    let Ok(mut child) = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn() else {
        println!("skipped: there is no unshare(1)");
        return;
    };
    let is_up = wait_until("it is up, or may not be", || match child.try_wait().unwrap() {
        Some(_) => Some(false),
        None => fleet.path().join("up").exists().then_some(true),
    });
    if !is_up {
        println!("skipped: this user may not make a pid namespace");
        return;
    }
    let init =
        wait_until("the init is seen", || children(i32::try_from(child.id()).unwrap()).first().copied());
    let init_pid = procman::vocab::identity::Pid::new(init).unwrap();
    // The orphans end after a moment; only the supervisor and the service are left then, and no zombie.
    wait_until("the orphans are reaped", || (tree::descendants(init_pid).len() == 2).then_some(()));
    kill(Pid::from_raw(init), Signal::SIGTERM).unwrap();
    assert_eq!(wait_until("it ends", || child.try_wait().unwrap()).code(), Some(0));
}

fn children(pid: i32) -> Vec<i32> {
    let pid = procman::vocab::identity::Pid::new(pid).unwrap();
    tree::children(pid).into_iter().map(|pid| pid.as_raw()).collect()
}
