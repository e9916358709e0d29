//! In the foreground, as the init of a container: signals, orphans, and the exit code.

use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use procman::protocol::status::Status;
use procman::sys::tree;

use crate::harness::{Fleet, Ran, is_alive, procman, wait_until};

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

/// Starts the fleet as pid 1 of a namespace of its own, and waits until its service has made the file `up`. None where this
/// user may not.
fn as_pid_1(fleet: &Fleet) -> Option<(Child, i32)> {
    let mut command = Command::new("unshare");
    command.args(["--pid", "--fork", "--mount-proc", "--kill-child"]).arg(procman());
    command.args(["up", "--foreground"]).current_dir(fleet.path()).stdin(Stdio::null());
    let Ok(mut child) = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn() else {
        println!("SKIPPED: there is no unshare(1)");
        return None;
    };
    let is_up = wait_until("it is up, or may not be", || match child.try_wait().unwrap() {
        Some(_) => Some(false),
        None => fleet.path().join("up").exists().then_some(true),
    });
    if !is_up {
        println!("SKIPPED: this user may not make a pid namespace");
        return None;
    }
    let init =
        wait_until("the init is seen", || children(i32::try_from(child.id()).unwrap()).first().copied());
    Some((child, init))
}

/// A service's orphans have nobody else to be reaped by.
#[test]
fn as_pid_1_it_reaps_every_orphan() {
    let fleet = Fleet::new(
        "[services.a]\ncommand = \"/bin/sh -c '(sleep 0.2 &); (sleep 0.2 &); touch up; exec sleep 600'\"\nmin_uptime = \"1ms\"\n",
    );
    let Some((mut child, init)) = as_pid_1(&fleet) else { return };
    let init_pid = procman::vocab::identity::Pid::new(init).unwrap();
    // The orphans end after a moment; only the supervisor and the service are left then, and no zombie.
    wait_until("the orphans are reaped", || (tree::descendants(init_pid).len() == 2).then_some(()));
    kill(Pid::from_raw(init), Signal::SIGTERM).unwrap();
    assert_eq!(wait_until("it ends", || child.try_wait().unwrap()).code(), Some(0));
}

#[test]
fn as_pid_1_it_is_not_replaced_for_its_container_would_end_with_it() {
    let fleet = Fleet::new("[services.a]\ncommand = \"{puppet} touch up stay\"\nmin_uptime = \"1ms\"\n");
    let Some((mut child, init)) = as_pid_1(&fleet) else { return };
    let inside = |words: &str| {
        let mut command = Command::new("nsenter");
        command.args(["-t", &init.to_string(), "-p", "-m"]).arg(procman()).arg("-c").arg(fleet.config());
        Ran::of(&command.args(words.split_whitespace()).env("NO_COLOR", "1").output().unwrap())
    };
    let before = wait_until("it runs", || Some(inside("status --json")).filter(|it| it.code == 0)).stdout;
    for mode in ["restart --quick", "restart", "restart --emergency"] {
        inside(mode).expect(5).says(&[
            "is the init of this system",
            "nothing was touched",
            "procman restart all",
        ]);
    }
    let pid = |status: &str| serde_json::from_str::<Status>(status).unwrap().services[0].pid;
    assert_eq!(pid(&inside("status --json").expect(0).stdout), pid(&before));
    inside("restart all").expect(0);
    kill(Pid::from_raw(init), Signal::SIGTERM).unwrap();
    assert_eq!(wait_until("it ends", || child.try_wait().unwrap()).code(), Some(0));
}

#[test]
fn a_terminal_that_is_gone_costs_log_lines_and_nothing_else() {
    let fleet = Fleet::new("[services.a]\ncommand = \"{puppet} stay\"\nmin_uptime = \"1ms\"\n");
    let mut child = fleet.spawn("up --foreground");
    drop((child.stdout.take(), child.stderr.take()));
    wait_until("it answers", || (fleet.run("wait all --timeout 5s").code == 0).then_some(()));
    let before = fleet.pid("a");
    fleet.run("restart a").expect(0);
    assert_ne!(fleet.pid("a"), before);
    fleet.run("down").expect(0);
    assert_eq!(code_of(child), 0);
}

fn children(pid: i32) -> Vec<i32> {
    let pid = procman::vocab::identity::Pid::new(pid).unwrap();
    tree::children(pid).into_iter().map(|pid| pid.as_raw()).collect()
}
