//! What Ctrl-C does to a command, and what becomes of what it asked for.

use std::io::{BufRead, BufReader};
use std::process::Child;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::harness::{Fleet, Ran, wait_until};

const FLEET: &str = "[services.api]\ncommand = \"{puppet} out hello stay\"\nmin_uptime = \"1ms\"\n\
    [services.stub]\ncommand = \"{puppet} ignore-term stay\"\nmin_uptime = \"1ms\"\nstop_timeout = \"20s\"\n";

/// Starts a command, waits for the first line of its output or talk, and interrupts it.
fn interrupt(fleet: &Fleet, words: &str, is_data: impl Fn(&str) -> bool) -> Ran {
    let mut child = fleet.spawn(words);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let seen = lines.by_ref().map_while(Result::ok).find(|line| is_data(line));
    assert!(seen.is_some(), "`{words}` ended before it said anything");
    end(child)
}

fn end(child: Child) -> Ran {
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), Signal::SIGINT).unwrap();
    Ran::of(&child.wait_with_output().unwrap())
}

#[test]
fn what_goes_on_for_ever_ends_with_130() {
    let fleet = Fleet::new(FLEET);
    fleet.run("up -q").expect(0);
    interrupt(&fleet, "logs -f", |line| line.contains("hello")).expect(130);
    interrupt(&fleet, "status --watch", |line| line.contains("supervisor:")).expect(130);
    fleet.run("kill stub").expect(0);
}

#[test]
fn a_restart_that_is_interrupted_says_what_goes_on() {
    let fleet = Fleet::new(FLEET);
    fleet.run("up -q").expect(0);
    let before = fleet.pid("api");
    let child = fleet.spawn("restart");
    // `stub` takes its time to stop, and is waited for.
    wait_until("`api` runs again", || {
        fleet.service("api").pid.is_some_and(|pid| pid.as_raw() != before).then_some(())
    });
    let said = end(child).expect(130).stderr;
    for words in [
        "start the services in order: interrupted (",
        "stopped waiting; the supervisor goes on with it\nhint: `procman status`",
    ] {
        assert!(said.contains(words), "{words} in {said}");
    }
    fleet.run("kill stub").expect(0);
    fleet.run("restart --quick --dry-run").expect(0);
}

#[test]
fn down_and_restart_wait_for_a_supervisor_that_is_ending_already() {
    let fleet = Fleet::new(FLEET);
    fleet.run("up -q").expect(0);
    let pid = fleet.supervisor_pid();
    for (second, said) in
        [("down", "the supervisor is ending already; waiting for it"), ("restart", "prove the config")]
    {
        fleet.run("up -q").expect(0);
        let stub = Pid::from_raw(fleet.pid("stub"));
        let first = fleet.spawn("down");
        wait_until("`api` is down", || fleet.service("api").pid.is_none().then_some(()));
        let second = fleet.talker(second);
        second.wait_for(said);
        // It holds up the end until then.
        kill(stub, Signal::SIGKILL).unwrap();
        second.end().expect(0);
        Ran::of(&first.wait_with_output().unwrap()).expect(0);
    }
    assert_ne!(fleet.supervisor_pid(), pid);
}

#[test]
fn an_emergency_that_is_interrupted_says_how_things_stand() {
    // It is not ready for so long that the restart is not over when the signal comes.
    let fleet = Fleet::new("[services.api]\ncommand = \"{puppet} stay\"\nmin_uptime = \"60s\"\n");
    fleet.run("up -q --no-wait").expect(0);
    let emergency = fleet.talker("restart --emergency");
    emergency.wait_for("prove the config");
    emergency.interrupt();
    let said = emergency.end().expect(130).stderr;
    let ways_on = ["the same restart goes on", "the supervisor goes on"];
    assert!(ways_on.iter().any(|words| said.contains(words)), "{said}");
}
